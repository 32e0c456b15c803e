/** What is limited, by the name that the counter's label has. */
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
] as const;
export type Limit = (typeof LIMITS)[number];

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
