/** What became of requests: taken, refused with a status, or neither. */
import type { Outcome } from '../load/lanes.ts';

export interface Tally {
  /** Requests that were due. */
  readonly offered: number;
  readonly taken: number;
  readonly refused: Readonly<Record<string, number>>;
  /** Of the refusals. */
  readonly saidWhen: number;
  readonly failed: Readonly<Record<string, number>>;
  /** From when a request was due, ms. */
  readonly takenMs: readonly number[];
  readonly refusedMs: readonly number[];
  readonly cpuSeconds: number;
}

export class Counting {
  offered = 0;
  #taken = 0;
  #saidWhen = 0;
  readonly #refused: Record<string, number> = {};
  readonly #failed: Record<string, number> = {};
  readonly #takenMs: number[] = [];
  readonly #refusedMs: number[] = [];

  add({ status, kind, saysWhen }: Outcome, tookMs: number): void {
    if (kind === 'taken') {
      this.#taken++;
      this.#takenMs.push(tookMs);
      return;
    }
    const counts = kind === 'refused' ? this.#refused : this.#failed;
    counts[status] = (counts[status] ?? 0) + 1;
    if (kind === 'failed') return;
    this.#refusedMs.push(tookMs);
    if (saysWhen) this.#saidWhen++;
  }

  tally(cpuSeconds: number): Tally {
    return {
      offered: this.offered,
      taken: this.#taken,
      refused: this.#refused,
      saidWhen: this.#saidWhen,
      failed: this.#failed,
      takenMs: this.#takenMs,
      refusedMs: this.#refusedMs,
      cpuSeconds,
    };
  }
}

/** The tallies of several senders as one. */
export function together(tallies: readonly Tally[]): Tally {
  const sum = (value: (tally: Tally) => number): number => tallies.reduce((all, tally) => all + value(tally), 0);
  return {
    offered: sum(({ offered }) => offered),
    taken: sum(({ taken }) => taken),
    refused: counts(tallies.map(({ refused }) => refused)),
    saidWhen: sum(({ saidWhen }) => saidWhen),
    failed: counts(tallies.map(({ failed }) => failed)),
    takenMs: tallies.flatMap(({ takenMs }) => takenMs),
    refusedMs: tallies.flatMap(({ refusedMs }) => refusedMs),
    cpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
  };
}

export function countOf(found: Readonly<Record<string, number>>): number {
  return Object.values(found).reduce((sum, count) => sum + count, 0);
}

function counts(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const joined: Record<string, number> = {};
  for (const one of all) for (const [name, count] of Object.entries(one)) joined[name] = (joined[name] ?? 0) + count;
  return joined;
}
