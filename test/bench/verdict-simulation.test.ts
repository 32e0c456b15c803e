/** The simulated truth of bench/verdict is what its scenarios say, and a function of its seed. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../bench/verdict/random.ts';
import { plain } from '../../bench/verdict/scenario.ts';
import { allRows, keyOf } from '../../bench/verdict/scenarios.ts';
import { LEAD, Simulation } from '../../bench/verdict/simulation.ts';
import type { ServiceSpec } from '../../bench/verdict/spec.ts';
import { BASELINE, BIN_MS, BINS, CANDIDATE, type CohortIndex, type Extra } from '../../bench/verdict/world.ts';

const HOUR = 3600;

interface Seen {
  readonly all: [number, number];
  readonly bad: [number, number];
  /** Failed requests of each step, by cell. */
  readonly steps: number[][];
  readonly histograms: [Float64Array, Float64Array];
  readonly extras: (Extra & { readonly second: number })[];
  readonly weights: number[];
}

/** Plays rollouts to the end and adds up what lies after second 0. */
function play(specs: readonly ServiceSpec[], seeds: readonly number[], seconds = HOUR, step = 5): Seen {
  const histograms: Seen['histograms'] = [new Float64Array(BINS), new Float64Array(BINS)];
  const seen: Seen = { all: [0, 0], bad: [0, 0], steps: [], histograms, extras: [], weights: [] };
  for (const seed of seeds) {
    const simulation = new Simulation(specs, [], seconds, step, seed);
    for (let second = -LEAD; second < seconds; second += step) {
      const frame = simulation.at(second);
      if (second < 0) continue;
      seen.steps.push([...frame.bad]);
      seen.extras.push(...frame.extras.map((extra) => ({ ...extra, second })));
      seen.weights.push(...frame.announcements.map(({ weight }) => weight));
      simulation.layout.cells.forEach(({ cohort }, cell) => {
        seen.all[cohort] += frame.all[cell] as number;
        seen.bad[cohort] += frame.bad[cell] as number;
        for (let bin = 0; bin < BINS; bin++) {
          const histogram = histograms[cohort];
          histogram[bin] = (histogram[bin] as number) + (frame.bins[cell * BINS + bin] as number);
        }
      });
    }
  }
  return seen;
}

function median(histogram: Float64Array): number {
  const half = histogram.reduce((a, b) => a + b) / 2;
  let below = 0;
  const bin = histogram.findIndex((count) => (below += count) >= half);
  return BIN_MS[bin] as number;
}

const ratio = ({ all, bad }: Seen, cohort: CohortIndex) => bad[cohort] / all[cohort];
const USUAL = { rps: 100, share: 0.1, errors: 0.005 };

describe('random numbers', () => {
  it.each([0.05, 0.7, 4, 9.9, 10.1, 40, 500])('have the mean and the variance of a Poisson at %d', (mean) => {
    const random = new Random(7, mean * 100);
    const draws = Array.from({ length: 40_000 }, () => random.poisson(mean));
    const average = draws.reduce((a, b) => a + b) / draws.length;
    const variance = draws.reduce((sum, x) => sum + (x - average) ** 2, 0) / draws.length;
    expect(Math.abs(average - mean)).toBeLessThan(4 * Math.sqrt(mean / draws.length));
    expect(variance / mean).toBeCloseTo(1, 0.9);
  });

  it.each([
    [10, 0.5],
    [1000, 0.002],
    [50, 0.9],
  ])('have the mean and the variance of %d trials at %d', (trials, probability) => {
    const random = new Random(11, trials);
    const draws = Array.from({ length: 40_000 }, () => random.binomial(trials, probability));
    const average = draws.reduce((a, b) => a + b) / draws.length;
    const variance = draws.reduce((sum, x) => sum + (x - average) ** 2, 0) / draws.length;
    const expected = trials * probability * (1 - probability);
    expect(Math.abs(average - trials * probability)).toBeLessThan(4 * Math.sqrt(expected / draws.length));
    expect(variance / expected).toBeCloseTo(1, 0.9);
  });
});

describe('a simulated service', () => {
  it('serves as many requests, in such shares, with so many errors, as it says', () => {
    const seen = play([plain({ ...USUAL, candidate: { errors: 4 } })], [1, 2]);
    expect(seen.all[CANDIDATE] / (2 * HOUR)).toBeCloseTo(10, 0);
    expect(seen.all[BASELINE] / (2 * HOUR)).toBeCloseTo(90, 0);
    expect(ratio(seen, BASELINE)).toBeCloseTo(0.005, 3);
    expect(ratio(seen, CANDIDATE) / ratio(seen, BASELINE)).toBeCloseTo(4, 0);
  });

  it.each([2, 5, 20])('keeps its error ratio when errors come %i at a time, and they do', (burst) => {
    const single = play([plain(USUAL)], [1, 2, 3]);
    const seen = play([plain({ ...USUAL, burst })], [1, 2, 3]);
    expect(ratio(seen, BASELINE) / 0.005).toBeCloseTo(1, 0.9);
    expect(dispersion(seen) / dispersion(single)).toBeGreaterThan(burst * 0.6);
  });

  it('strikes single hosts as often and as long as it says', () => {
    const hosts = { baseline: 9, candidate: 1 };
    const incident = { scope: 'host', perHour: 20, seconds: 60, errors: 0.5 } as const;
    const seeds = Array.from({ length: 15 }, (_, i) => i);
    const seen = play([plain({ ...USUAL, errors: 0, hosts, incidents: [incident] })], seeds);
    // Twenty of 60 s an hour, on one host in ten, half of whose requests fail.
    const expected = (20 * 60 * 0.5) / HOUR / 10;
    expect((seen.bad[0] + seen.bad[1]) / (seen.all[0] + seen.all[1]) / expected).toBeCloseTo(1, 0.5);
    const struck = seen.steps.map((step) => step.filter((bad) => bad > 0).length / 2);
    expect(struck.filter((count) => count > 0).every((count) => count <= 5)).toBe(true);
  });

  it('draws durations around the median of the operation, and slower ones for a slow candidate', () => {
    const operations = [{ name: 'GET /', ms: 100, errors: 0 }];
    const of = (slower: number) => ({ ...plain({ ...USUAL, candidate: { slower } }), operations });
    const seen = play([of(2)], [1], 600);
    expect(median(seen.histograms[BASELINE]) / 100).toBeCloseTo(1, 1);
    expect(median(seen.histograms[CANDIDATE]) / 100).toBeCloseTo(2, 0.5);
  });

  it('delays only the tail where only the tail is slow', () => {
    const operations = [{ name: 'GET /', ms: 100, errors: 0 }];
    const spec = { ...plain({ ...USUAL, candidate: { tail: { share: 0.05, factor: 5 } } }), operations };
    const { histograms } = play([spec], [1], 1800);
    const beyond = (histogram: Float64Array) =>
      histogram.reduce((sum, count, bin) => sum + ((BIN_MS[bin] as number) > 500 ? count : 0), 0) /
      histogram.reduce((a, b) => a + b);
    expect(beyond(histograms[BASELINE])).toBeLessThan(0.002);
    expect(beyond(histograms[CANDIDATE])).toBeCloseTo(0.025, 2);
  });

  it('lets nothing through to a candidate that is silent, though the deployment says so', () => {
    const row = allRows().find(({ effect }) => effect === 'nothing arrives');
    const seen = play(row?.services(0) ?? [], [1], 600);
    expect(seen.all[CANDIDATE]).toBe(0);
    expect(seen.all[BASELINE] / 600).toBeCloseTo(100, -1);
    expect(seen.weights).toEqual([0.2]);
  });

  it('tells its caller where the errors come from, and they travel to the right version for the most part', () => {
    const row = allRows().find(({ effect }) => effect === 'one x25');
    const specs = row?.services(1) ?? [];
    const culprit = row?.bad?.(1) as number;
    const seen = play(specs, [1], 1200);
    const origins = seen.extras.filter(({ kind, service }) => kind === 'origin' && service === culprit - 1);
    expect(new Set(origins.map(({ name }) => name))).toEqual(new Set([specs[culprit]?.name]));
    const failed = (cohort: CohortIndex) =>
      origins.filter((extra) => extra.cohort === cohort).reduce((sum, { bad }) => sum + bad, 0);
    // The candidate has a fifth of the requests, and by far the larger part of these errors.
    expect(failed(CANDIDATE)).toBeGreaterThan(failed(BASELINE));
    expect(seen.extras.some(({ kind, service }) => kind === 'origin' && service === specs.length - 1)).toBe(false);
  });

  it('samples the memory of every instance four times a minute', () => {
    const row = allRows().find(({ effect }) => effect === '3 % a minute');
    const seen = play(row?.services(0) ?? [], [1], 1800);
    const samples = seen.extras.filter(({ kind }) => kind === 'resource');
    expect(samples.length).toBe((10 * 1800) / 15);
    const last = samples.filter(({ cohort, second }) => cohort === CANDIDATE && second > 1700);
    const mean = last.reduce((sum, { value = 0 }) => sum + value, 0) / last.length / (500 * 2 ** 20);
    expect(mean).toBeCloseTo(1.03 ** 29.2, 0);
  });
});

/** Variance over mean of the failed requests in a step and cell. */
function dispersion({ steps }: Seen): number {
  const counts = steps.flat();
  const mean = counts.reduce((a, b) => a + b) / counts.length;
  return counts.reduce((sum, x) => sum + (x - mean) ** 2, 0) / counts.length / mean;
}

describe('the scenarios', () => {
  it('have each a null row, and names that tell the rows apart', () => {
    const rows = allRows();
    expect(new Set(rows.map(keyOf)).size).toBe(rows.length);
    for (const { scenario } of rows) expect(rows.some((row) => row.isNull && row.scenario === scenario)).toBe(true);
  });

  it('have the candidate serve other routes than the baseline where the mix shifts, at the same error ratios', () => {
    const row = allRows().find(({ scenario, isNull }) => scenario === 'mix of operations' && isNull);
    const seen = play(row?.services(0) ?? [], [1, 2]);
    expect(ratio(seen, CANDIDATE) / ratio(seen, BASELINE)).toBeGreaterThan(2);
  });

  it('are functions of the seed', () => {
    const spec = [plain({ ...USUAL, burst: 5 })];
    const once = play(spec, [5], 300);
    expect(play(spec, [5], 300)).toEqual(once);
    expect(play(spec, [6], 300)).not.toEqual(once);
  });
});
