/** The part a version plays in a rollout. */
export type Role = 'baseline' | 'candidate';

interface Known {
  readonly baseline: string;
  readonly candidates: readonly string[];
}

/** Told of changes, so that other threads learn of them. */
export interface RolesWatch {
  /** A deployment event named a candidate that was not known. */
  begun?(serviceKey: string, baseline: string, candidate: string): void;
  /** The whole of what is known of a service; no candidates where its rollouts have ended. */
  changed?(serviceKey: string, baseline: string, candidates: readonly string[]): void;
}

/**
 * What this process knows of the rollouts under way: written by whoever learns of one (a deployment event at the
 * tagger, a new version at the judge), read by the tagger for `deployment.role`. Bounded by `limit` service keys.
 */
export class Roles {
  /** Grows with every change, so that readers know when what they cached is stale. */
  epoch = 0;
  /** Rollouts that were not taken down because there are too many. */
  overflowed = 0;
  readonly #services = new Map<string, Known>();
  readonly #limit: number;
  #watch: RolesWatch = {};

  constructor(limit = 10_000) {
    this.#limit = limit;
  }

  /** There is one watch. */
  watch(watch: RolesWatch): void {
    this.#watch = watch;
  }

  /** Everything that is known, as `set` takes it. */
  entries(): [serviceKey: string, baseline: string, candidates: readonly string[]][] {
    return [...this.#services].map(([key, { baseline, candidates }]) => [key, baseline, candidates]);
  }

  /** Records that `candidate` is rolling out against `baseline`; `''` where the baseline is not known. */
  begin(serviceKey: string, baseline: string, candidate: string): void {
    const known = this.#services.get(serviceKey);
    const others = known?.baseline === baseline ? known.candidates : [];
    if (others.includes(candidate)) return;
    this.set(serviceKey, baseline, [...others.slice(-MAX_OTHERS), candidate]);
    this.#watch.begun?.(serviceKey, baseline, candidate);
  }

  /** Records all candidates of a service at once; none ends its rollouts. */
  set(serviceKey: string, baseline: string, candidates: readonly string[]): void {
    if (candidates.length === 0) {
      if (!this.#services.delete(serviceKey)) return;
      this.epoch++;
      this.#watch.changed?.(serviceKey, '', []);
      return;
    }
    const known = this.#services.get(serviceKey);
    if (known?.baseline === baseline && known.candidates.join('\n') === candidates.join('\n')) return;
    if (known === undefined && this.#services.size >= this.#limit) {
      this.overflowed++;
      return;
    }
    this.#services.set(serviceKey, { baseline, candidates });
    this.epoch++;
    this.#watch.changed?.(serviceKey, baseline, candidates);
  }

  end(serviceKey: string): void {
    this.set(serviceKey, '', []);
  }

  of(serviceKey: string, version: string): Role | undefined {
    const known = this.#services.get(serviceKey);
    if (known === undefined) return undefined;
    if (known.candidates.includes(version)) return 'candidate';
    return known.baseline === version ? 'baseline' : undefined;
  }
}

/** Candidates that an announcement leaves beside the new one. */
const MAX_OTHERS = 15;
