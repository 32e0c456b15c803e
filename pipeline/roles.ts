/** The part a version plays in a rollout. */
export type Role = 'baseline' | 'candidate';

/**
 * What this process knows of the rollouts under way: written by whoever learns of one (a deployment event at the
 * tagger, a new version at the judge), read by the tagger for `deployment.role`. Bounded by `limit` service keys.
 */
export class Roles {
  /** Grows with every change, so that readers know when what they cached is stale. */
  epoch = 0;
  readonly #rollouts = new Map<string, { baseline: string; candidate: string }>();
  readonly #limit: number;

  constructor(limit = 10_000) {
    this.#limit = limit;
  }

  /** Records that `candidate` is rolling out against `baseline`; `''` where the baseline is not known. */
  begin(serviceKey: string, baseline: string, candidate: string): void {
    const known = this.#rollouts.get(serviceKey);
    if (known?.baseline === baseline && known.candidate === candidate) return;
    if (known === undefined && this.#rollouts.size >= this.#limit) return;
    this.#rollouts.set(serviceKey, { baseline, candidate });
    this.epoch++;
  }

  end(serviceKey: string): void {
    if (this.#rollouts.delete(serviceKey)) this.epoch++;
  }

  of(serviceKey: string, version: string): Role | undefined {
    const rollout = this.#rollouts.get(serviceKey);
    if (rollout === undefined) return undefined;
    if (rollout.candidate === version) return 'candidate';
    return rollout.baseline === version ? 'baseline' : undefined;
  }
}
