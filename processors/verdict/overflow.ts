/**
 * What is limited, by the name that the counter's label has. `future`: events further ahead of the clock than any
 * clock is; `sources`: whose silence does not hold back the judging; `roles`: services whose rollouts the tagger is not
 * told of.
 */
export const LIMITS = [
  'services',
  'versions',
  'candidates',
  'instances',
  'sources',
  'operations',
  'callees',
  'signatures',
  'metrics',
  'events',
  'future',
  'roles',
] as const;
export type Limit = (typeof LIMITS)[number];

/** Is told that a limit was hit once more. */
export type OnOverflow = (limit: Limit) => void;

/** How often each limit was hit since somebody asked. */
export class Overflow {
  readonly #counts = new Map<Limit, number>();

  add(limit: Limit, count = 1): void {
    this.#counts.set(limit, (this.#counts.get(limit) ?? 0) + count);
  }

  of(limit: Limit): number {
    return this.#counts.get(limit) ?? 0;
  }

  /** What there was, and begins anew. */
  take(): ReadonlyMap<Limit, number> {
    const taken = new Map(this.#counts);
    this.#counts.clear();
    return taken;
  }
}
