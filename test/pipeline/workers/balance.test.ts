import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from '../../support/random.ts';
import { BALANCE, Balancer, imbalanceOf, planSheds, type WorkerLoad } from '../../../pipeline/workers/balance.ts';

interface Connection {
  readonly rate: number;
  worker: number;
}

/** What each worker reports of a round with these connections. */
function loadsOf(connections: readonly Connection[], workers: number, busy = 1): WorkerLoad[] {
  return Array.from({ length: workers }, (_, worker) => {
    const own = connections.flatMap((one, i) =>
      one.worker === worker ? [{ key: String(i), bytes: one.rate * 500 }] : [],
    );
    return { worker, items: own.reduce((sum, { bytes }) => sum + bytes / 500, 0), busy, connections: own };
  });
}

/**
 * Rounds until nothing was shed for as long as the longest rest, and how many connections were shed by then. A connection
 * that is sent away comes to the worker with the least nine times of ten, else to any.
 */
function settle(connections: readonly Connection[], workers: number, random: () => number, luck = 0.9) {
  const balancer = new Balancer();
  let shed = 0;
  let calm = 0;
  let rounds = 0;
  for (; calm < BALANCE.restRoundsMax + BALANCE.windowRounds && rounds < 5000; rounds++) {
    const loads = loadsOf(connections, workers);
    const sheds = balancer.step(loads);
    const least = loads.reduce((low, load) => (load.items < low.items ? load : low)).worker;
    for (const { key } of sheds) {
      const one = connections[Number(key)] as Connection;
      one.worker = random() < luck ? least : Math.floor(random() * workers);
    }
    shed += sheds.length;
    calm = sheds.length === 0 ? calm + 1 : 0;
  }
  return { rounds, shed };
}

const rates = (count: number) => Array.from({ length: count }, (): Connection => ({ rate: 1000, worker: 0 }));

describe('connections of equal load', () => {
  test.each([
    [4, 2],
    [64, 2],
    [64, 8],
  ])('%i of them, all on one of %i workers, are shared out, each moved about once', (count, workers) => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = new Random(seed);
        const connections = rates(count);
        const { shed, rounds } = settle(connections, workers, () => random.next());
        expect(imbalanceOf(loadsOf(connections, workers))).toBeLessThanOrEqual(BALANCE.tolerance + 1e-9);
        expect(shed).toBeLessThanOrEqual(count * 1.5);
        expect(rounds).toBeLessThan(200);
      }),
      { numRuns: 100, seed: 3 },
    );
  });

  test('come to rest too where the system shares them out as it likes', () => {
    const random = new Random(1);
    const connections = rates(64);
    const { rounds } = settle(connections, 2, () => random.next(), 0);
    expect(imbalanceOf(loadsOf(connections, 2))).toBeLessThanOrEqual(BALANCE.tolerance);
    expect(rounds).toBeLessThan(1000);
  });
});

describe('nothing is shed', () => {
  test('where no worker has much to do', () => {
    const balancer = new Balancer();
    for (let round = 0; round < 100; round++) expect(balancer.step(loadsOf(rates(64), 2, 0.1))).toEqual([]);
  });

  test('where one connection has it all: wherever it goes, it is as bad', () => {
    const one: Connection[] = [{ rate: 1000, worker: 0 }];
    for (const workers of [2, 8]) expect(planSheds(loadsOf(one, workers), BALANCE)).toEqual([]);
  });

  test('where a move would only turn the imbalance round, or hardly change it', () => {
    const heavy = [
      { rate: 1000, worker: 0 },
      { rate: 10, worker: 0 },
      { rate: 600, worker: 1 },
    ];
    expect(planSheds(loadsOf(heavy, 2), BALANCE)).toEqual([]);
  });

  test('of idle connections', () => {
    const idle = [
      { rate: 0, worker: 0 },
      { rate: 1000, worker: 0 },
    ];
    expect(planSheds(loadsOf(idle, 2), BALANCE)).toEqual([]);
  });

  test('in a burst of one round', () => {
    const balancer = new Balancer();
    const even = rates(8).map((one, i) => ({ ...one, worker: i % 2 }));
    const burst = even.map((one) => ({ ...one, rate: one.worker === 0 ? 1100 : 1000 }));
    for (let round = 0; round < 20; round++) {
      expect(balancer.step(loadsOf(round % 2 === 0 ? burst : even, 2))).toEqual([]);
    }
  });
});

test('what does not help is tried ever more rarely', () => {
  const balancer = new Balancer();
  const rounds: number[] = [];
  for (let round = 0; round < 400; round++) {
    // Whoever is sent away comes back.
    if (balancer.step(loadsOf(rates(4), 2)).length > 0) rounds.push(round);
  }
  const pauses = rounds.slice(1).map((round, i) => round - (rounds[i] as number));
  expect(pauses.toSorted((a, b) => a - b)).toEqual(pauses);
  expect(pauses.at(-1)).toBe(BALANCE.restRoundsMax + BALANCE.windowRounds);
});

test('at most so many at once', () => {
  expect(planSheds(loadsOf(rates(60), 2), BALANCE)).toHaveLength(BALANCE.shedMax);
  expect(planSheds(loadsOf(rates(1000), 2), BALANCE)).toHaveLength(250);
});
