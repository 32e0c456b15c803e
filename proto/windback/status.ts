/** What the operator's API tells about rollouts under way. Keys are snake_case since this is a wire format. */
import type { CohortHealth, Decision, DecisionKind, Evidence, Verdict } from './decision.ts';

/**
 * What a person may say about a version:
 * - `pin`: it must stay, whatever the evidence; nothing is decided about it;
 * - `ignore`: its rollout is not judged; nothing is decided about it;
 * - `approve`: it is good; promoted at once, no hold any more, but evidence may still roll it back.
 */
export type OverrideKind = 'pin' | 'ignore' | 'approve';

export interface Override {
  readonly kind: OverrideKind;
  /** The service key. */
  readonly service: string;
  /** Null: every version of the service. */
  readonly version: string | null;
  /** When it ends, RFC 3339; null: when it is removed. */
  readonly until: string | null;
  /** Who said so, and why; empty where nobody told. */
  readonly by: string;
  readonly reason: string;
  /** RFC 3339. */
  readonly set_at: string;
}

/** One rollout as the judge sees it now. */
export interface RolloutStatus {
  /** The same as `rollout.id` of its decisions. */
  readonly id: string;
  /** The service key. */
  readonly key: string;
  readonly service: Decision['service'];
  readonly candidate: CohortHealth;
  /** What it is compared with, the first one foremost; empty where there is nothing. */
  readonly baselines: readonly CohortHealth[];
  readonly baseline_kind: 'concurrent' | 'historical' | 'chosen' | null;
  readonly verdict: Verdict;
  /** Why nothing can be said; null unless the verdict is `inconclusive`. */
  readonly inconclusive: string | null;
  readonly evidence: readonly Evidence[];
  /** Event times, RFC 3339: when it began, and of the last block that was judged. */
  readonly started_at: string;
  readonly judged_until: string | null;
  readonly known_by: Decision['rollout']['known_by'];
  /** The decisions taken about it, the oldest first. */
  readonly decisions: readonly { readonly id: string; readonly decision: DecisionKind; readonly time: string }[];
  /** The override in force. */
  readonly override: Override | null;
}
