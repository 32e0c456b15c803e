import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InstanceBlock } from '../../../../processors/verdict/block.ts';
import { Bets } from '../../../../processors/verdict/evidence/bets.ts';
import { against, sumOf } from '../../../../processors/verdict/evidence/strata.ts';
import { FadingBins } from '../../../../processors/verdict/indicators/fading-bins.ts';
import { LatencyKnowledge, type Look } from '../../../../processors/verdict/indicators/latency.ts';
import { binOf, upperBoundNs } from '../../../../proto/windback/latency-bins.ts';
import { Random } from '../../../support/random.ts';
import { series } from '../../../support/judging.ts';
import { group, view } from '../../../support/readings.ts';

const MS = 1e6;
type Durations = Readonly<Record<number, number>>;

/** Knows one block of these durations. */
function known(...blocks: readonly Durations[]): LatencyKnowledge {
  const knowledge = new LatencyKnowledge();
  for (const ms of blocks) knowledge.learn(group({ ms }).cells('span'));
  return knowledge;
}

/** The upper bound of a bin in ms: a duration right at its edge. */
const edge = (bin: number) => upperBoundNs(bin) / MS;

/** The lowest bin at which a request of the candidate is slow; undefined where the indicator says nothing. */
function slowFrom(
  knowledge: LatencyKnowledge,
  look: Partial<Look>,
  baseline: Durations = { 100: 1 },
): number | undefined {
  const full = { quantile: 0.5, margin: 0, floorNs: 0, ...look };
  const bins = Array.from({ length: 1472 }, (_, bin) => bin);
  const candidate = bins.map((bin) => group({ ms: { [edge(bin)]: 1 } }));
  const [readings] = knowledge.read(view(candidate, [group({ ms: baseline })]), [full]);
  if (readings?.strata.length === 0) return undefined;
  const first = readings?.candidate.findIndex((counts) => counts?.bad[0] === 1);
  return first === -1 ? undefined : first;
}

describe('what is slow', () => {
  it('lies beyond the quantile times 1 + margin, or plus the floor, whichever is more', () => {
    const knowledge = known({ 100: 90, 400: 10 });
    const beyond = (ms: number) => binOf(ms) + 1;
    expect(slowFrom(knowledge, { margin: 0.25, floorNs: 10 * MS })).toBe(beyond(upperBoundNs(binOf(100 * MS)) * 1.25));
    expect(slowFrom(knowledge, { margin: 0.25, floorNs: 50 * MS })).toBe(
      beyond(upperBoundNs(binOf(100 * MS)) + 50 * MS),
    );
    expect(slowFrom(knowledge, { quantile: 0.95, margin: 0.25 })).toBe(beyond(upperBoundNs(binOf(400 * MS)) * 1.25));
  });

  it('is exact at the edge of a bin: as many as asked lie at or below', () => {
    const knowledge = known({ 100: 90, 400: 10 });
    expect(slowFrom(knowledge, { quantile: 0.9 })).toBe(binOf(100 * MS) + 1);
    expect(slowFrom(knowledge, { quantile: 0.9001 })).toBe(binOf(400 * MS) + 1);
  });

  it('is not known while fewer than five requests are known beyond the quantile', () => {
    const look = { quantile: 0.99, margin: 0.25 };
    expect(slowFrom(known({ 100: 499 }), look)).toBeUndefined();
    expect(slowFrom(known({ 100: 501 }), look)).toBeDefined();
    expect(slowFrom(known({ 100: 9 }), { margin: 0.25 })).toBeUndefined();
    expect(slowFrom(new LatencyKnowledge(), { margin: 0.25 })).toBeUndefined();
  });

  it('of the baseline is what lies beyond the quantile itself: a candidate slower by the slack is as slow', () => {
    const [readings] = known({ 100: 100 }).read(view([group({ ms: { 120: 8 } })], [group({ ms: { 120: 8 } })]), [
      { quantile: 0.5, margin: 0.25, floorNs: 0 },
    ]);
    expect(readings?.candidate[0]).toMatchObject({ all: [8], bad: [0] });
    expect(readings?.baseline[0]).toMatchObject({ all: [8], bad: [8] });
    expect(readings?.suspects[0], 'as a placebo it is read as the candidate is').toMatchObject({ all: [8], bad: [0] });
  });

  it('is told of each operation by itself, and of those alone whose past is known', () => {
    const knowledge = new LatencyKnowledge();
    knowledge.learn(
      group({ operation: 'GET /a', ms: { 10: 50 } }, { operation: 'GET /b', ms: { 500: 50 } }).cells('span'),
    );
    const block = () =>
      group(
        { operation: 'GET /a', ms: { 100: 5 } },
        { operation: 'GET /b', ms: { 100: 5 } },
        { operation: 'GET /c', ms: { 9000: 5 } },
      );
    const [readings] = knowledge.read(view([block()], [block()]), [{ quantile: 0.5, margin: 0.25, floorNs: 0 }]);
    expect(readings?.strata).toEqual(['GET /a', 'GET /b']);
    expect(readings?.candidate[0]?.bad).toEqual([5, 0]);
  });
});

describe('whose quantile is higher', () => {
  const look = (quantile: number) => [{ quantile, margin: 0, floorNs: 0 }];
  /** A group with so many requests whose durations are anything, all alike. */
  const drawn = (random: Random, count: number) => {
    const bins = new Map<number, number>();
    for (let i = 0; i < count; i++) {
      const bin = random.below(1472);
      bins.set(bin, (bins.get(bin) ?? 0) + 1);
    }
    const made = new InstanceBlock();
    made.add({ ...series({ version: '', all: count }), bins: { bin: [...bins.keys()], count: [...bins.values()] } });
    return made;
  };

  it.each([
    [0.5, 9, 1000],
    [0.5, 1000, 9],
    [0.9, 41, 1000],
    [0.9, 1000, 41],
    [0.9, 45, 45],
    [0.99, 401, 2000],
  ])(
    'at the %f quantile is a coin of at most even odds: %i requests of the baseline, %i of the candidate',
    (quantile, b, c) => {
      const random = new Random(1);
      const knowledge = known({ 100: 10_000 });
      const tail = 1 - quantile;
      const runs = 600;
      let won = 0;
      for (let run = 0; run < runs; run++) {
        const [readings] = knowledge.read(view([drawn(random, c)], [drawn(random, b)]), look(quantile));
        const bets = new Bets(1, tail);
        const before = bets.save().logs;
        const size = readings!.strata.length;
        bets.play(against(sumOf(readings!.candidate, size), sumOf(readings!.baseline, size)));
        if ((bets.save().logs.at(-1) as number) > (before.at(-1) as number)) won++;
      }
      expect(won / runs).toBeLessThanOrEqual(0.5 + 3 * Math.sqrt(0.25 / runs));
      expect(won / runs, 'and no far from it').toBeGreaterThan(0.2);
    },
  );
});

describe('fading bins', () => {
  const bins = fc.uniqueArray(fc.tuple(fc.nat(1471), fc.integer({ min: 1, max: 1000 })), {
    selector: ([bin]) => bin,
    maxLength: 30,
  });

  it('forget: recent blocks count most', () => {
    const knowledge = known({ 100: 1000 });
    const learn = (blocks: number) => {
      for (let i = 0; i < blocks; i++) knowledge.learn(group({ ms: { 20: 100 } }).cells('span'));
    };
    learn(300);
    expect(slowFrom(knowledge, { quantile: 0.5 })).toBe(binOf(20 * MS) + 1);
    expect(slowFrom(knowledge, { quantile: 0.996 })).toBe(binOf(100 * MS) + 1);
    learn(900);
    expect(slowFrom(knowledge, { quantile: 0.999 })).toBe(binOf(20 * MS) + 1);
  });

  it('do not depend on the order in which bins came, and are the same again from what they saved', () => {
    fc.assert(
      fc.property(fc.array(bins, { maxLength: 20 }), fc.nat(19), (blocks, restartAt) => {
        const forward = new FadingBins();
        let backward = new FadingBins();
        blocks.forEach((block, i) => {
          forward.add(new Map(block));
          backward.add(new Map([...block].reverse()));
          if (i === restartAt) backward = FadingBins.restore(JSON.parse(JSON.stringify(backward.save())));
        });
        expect(backward.save()).toEqual(forward.save());
        expect(backward.total).toBe(forward.total);
      }),
      { seed: 4, numRuns: 200 },
    );
  });

  it('find the bin that holds the asked part, from below and from above', () => {
    const fading = new FadingBins();
    fading.add(
      new Map([
        [3, 10],
        [5, 80],
        [9, 10],
      ]),
    );
    expect([0.05, 0.1, 0.11, 0.9, 0.91, 1].map((part) => fading.quantileBin(part))).toEqual([3, 3, 5, 5, 9, 9]);
    expect([0, 0.09, 0.1, 0.89, 0.9].map((part) => fading.lowerBin(part))).toEqual([3, 3, 5, 5, 9]);
    expect([new FadingBins().quantileBin(0.5), new FadingBins().lowerBin(0.5)]).toEqual([0, 0]);
  });
});

describe('latency bins', () => {
  it('hold durations up to and with their upper bound', () => {
    for (let bin = 0; bin < 1472; bin++) {
      expect(binOf(upperBoundNs(bin))).toBe(bin);
      if (bin < 1471) expect(binOf(upperBoundNs(bin) * (1 + 1e-12))).toBe(bin + 1);
    }
  });

  it('take anything', () => {
    expect([0, -5, Number.NaN, Number.POSITIVE_INFINITY, 1e300].map((value) => binOf(value))).toEqual([
      0, 0, 1471, 1471, 1471,
    ]);
  });
});
