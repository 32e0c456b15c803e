import type { Counts, Readings } from './strata.ts';

/** Fewer requests of either version than this in a block are few. */
const FEW_REQUESTS = 20;

/** What a `QuietStretch` keeps. */
export interface QuietState {
  readonly pending: Readings | null;
  readonly blocks: number;
}

/**
 * Joins quiet blocks of little traffic to the next one in which something goes wrong, or that ends their minute. In a
 * short block of a handful of requests, the one that fails makes its own version look busier than it is: whoever has
 * an event there surely had a request there. Over the stretch since the last event that evens out. It takes for
 * granted that within a minute, trouble common to both does not follow the candidate's part of the traffic.
 */
export class QuietStretch {
  readonly #length: number;
  #pending: Readings | undefined;
  #blocks = 0;

  /** `length`: blocks that are joined at most. */
  constructor(length: number) {
    this.#length = length;
  }

  /** What to play now: this block with the quiet ones before it; undefined while it is one of them. */
  join(readings: Readings): Readings | undefined {
    // Traffic that has become enough says nothing of the time when it was little.
    if (!isFew(readings)) return this.#release(readings);
    const joined = this.#pending === undefined ? readings : sum(this.#pending, readings);
    this.#blocks++;
    if (this.#blocks >= this.#length || hasBad(joined.candidate) || hasBad(joined.baseline))
      return this.#release(joined);
    this.#pending = joined;
    return undefined;
  }

  #release(readings: Readings): Readings {
    this.#pending = undefined;
    this.#blocks = 0;
    return readings;
  }

  save(): QuietState {
    return { pending: this.#pending ?? null, blocks: this.#blocks };
  }

  restore({ pending, blocks }: QuietState): void {
    this.#pending = pending === null ? undefined : revived(pending);
    this.#blocks = blocks;
  }
}

/** Groups that were silent are null in JSON. */
function revived({ strata, candidate, baseline, suspects }: Readings): Readings {
  const groups = (counts: readonly (Counts | undefined | null)[]) => counts.map((one) => one ?? undefined);
  return { strata, candidate: groups(candidate), baseline: groups(baseline), suspects: groups(suspects) };
}

function isFew({ candidate, baseline }: Readings): boolean {
  return requests(candidate) < FEW_REQUESTS || requests(baseline) < FEW_REQUESTS;
}

function requests(groups: Readings['candidate']): number {
  let sum = 0;
  for (const group of groups) for (const all of group?.all ?? []) sum += all;
  return sum;
}

function hasBad(groups: Readings['candidate']): boolean {
  return groups.some((group) => group?.bad.some((bad) => bad > 0));
}

function sum(a: Readings, b: Readings): Readings {
  const strata = [...new Set([...a.strata, ...b.strata])].sort();
  const baseline = add(strata, a, b, 'baseline');
  const isAlike = a.suspects === a.baseline && b.suspects === b.baseline;
  return {
    strata,
    candidate: add(strata, a, b, 'candidate'),
    baseline,
    suspects: isAlike ? baseline : add(strata, a, b, 'suspects'),
  };
}

function add(
  strata: readonly string[],
  a: Readings,
  b: Readings,
  side: 'candidate' | 'baseline' | 'suspects',
): (Counts | undefined)[] {
  const places = [a, b].map((one) => strata.map((name) => one.strata.indexOf(name)));
  const length = Math.max(a[side].length, b[side].length);
  return Array.from({ length }, (_, group) => {
    const parts = [a[side][group], b[side][group]];
    if (parts.every((part) => part === undefined)) return undefined;
    const total = (of: 'all' | 'bad') =>
      strata.map((_name, i) =>
        parts.reduce((sum, part, which) => sum + (part?.[of][(places[which] as number[])[i] as number] ?? 0), 0),
      );
    return { all: total('all'), bad: total('bad'), over: [] };
  });
}
