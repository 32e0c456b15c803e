import { describe, expect, it } from 'vitest';
import { History } from '../../../processors/verdict/history.ts';
import { HistoricalBets } from '../../../processors/verdict/history-bets.ts';
import { historyConfig, type Minute, MinuteSum } from '../../../processors/verdict/history-minute.ts';
import { binOf } from '../../../proto/windback/latency-bins.ts';
import { Random } from '../../support/random.ts';

const CONFIG = historyConfig.parse({});
/** A Monday, 00:00 UTC, in minutes. */
const START = 28_405_440 + 60 * 24 * 4;
const DAY = 24 * 60;
const NO_LOGS = { all: 0, bad: 0 };

type Doing = Readonly<Record<string, { readonly all: number; readonly bad?: number; readonly ms?: number }>>;

function minuteOf(minute: number, doing: Doing, logs = NO_LOGS): MinuteSum {
  const sum = new MinuteSum(minute);
  const operations = Object.entries(doing).map(([name, { all, bad = 0, ms }]) => {
    const bins = new Map(ms === undefined ? [] : [[binOf(ms * 1e6), all] as const]);
    return [name, { all, bad, bins }] as const;
  });
  sum.add(new Map(operations), logs);
  return sum;
}

/** The error rate, and the requests, of the minute. */
type World = (random: Random, minute: number) => { readonly rate: number; readonly all: number };

/** Incidents that begin with probability `start` a minute and end with `end`. */
function incidents(start: number, end: number): { world: World; isOn: () => boolean } {
  let on = false;
  const world: World = (random) => {
    on = on ? !random.chance(end) : random.chance(start);
    return { rate: on ? 0.1 : 0.01, all: 600 };
  };
  return { world, isOn: () => on };
}

function play(random: Random, minute: number, world: World, factor: number): Minute {
  const { rate, all } = world(random, minute);
  const requests = random.poisson(all);
  const search = random.binomial(requests, 0.7);
  const bad = (n: number, times: number) => random.binomial(n, Math.min(1, rate * factor * times));
  const pay = requests - search;
  return minuteOf(minute, { search: { all: search, bad: bad(search, 1) }, pay: { all: pay, bad: bad(pay, 2) } });
}

interface Trial {
  readonly world: World;
  readonly history: number;
  readonly factor?: number;
  readonly minutes?: number;
  readonly elsewhere?: () => number;
  readonly rate?: number;
}

/** The minute at which the candidate was found worse, or Infinity. */
function decidedAfter(
  seed: number,
  { world, history: known, factor = 1, minutes = 60, elsewhere, rate = 0.01 }: Trial,
): number {
  const random = new Random(seed);
  const history = new History();
  const start = START + random.below(DAY);
  for (let m = start; m < start + known; m++) history.learn(play(random, m, world, 1));
  const bets = HistoricalBets.against(history, 'errors', CONFIG)!;
  for (let m = start + known; m < start + known + minutes; m++) {
    bets.play(m, history.compare(play(random, m, world, factor)).get('errors'), elsewhere?.());
    if (bets.fires(1 / rate)) return bets.minutes;
  }
  return Number.POSITIVE_INFINITY;
}

const RUNS = 2000;
const falseAlarms = (trial: Trial): number =>
  Array.from({ length: RUNS }, (_, i) => decidedAfter(7919 * i + 1, trial)).filter(Number.isFinite).length;

const steady: World = () => ({ rate: 0.01, all: 600 });
const overdispersed: World = (random) => ({ rate: 0.005 * Math.exp(0.8 * random.normal()), all: 600 });
const swinging: World = (_, minute) => {
  const swing = Math.sin((2 * Math.PI * minute) / DAY);
  return { rate: 0.01 * (1 + 0.8 * swing), all: 600 * (1 - 0.5 * swing) };
};

describe('bets of a candidate against the past, at a rate of 1 in 100', () => {
  it('are wrong less often than that where minutes are independent, however noisy', { timeout: 120_000 }, () => {
    expect(falseAlarms({ world: steady, history: 31 })).toBeLessThanOrEqual(0.01 * RUNS);
    expect(falseAlarms({ world: overdispersed, history: 31 })).toBeLessThanOrEqual(0.01 * RUNS);
  });

  it('are wrong less often than that over a daily swing', { timeout: 120_000 }, () => {
    expect(falseAlarms({ world: swinging, history: 61 })).toBeLessThanOrEqual(0.01 * RUNS);
  });

  it('are wrong less often than that with rare incidents of some minutes', { timeout: 120_000 }, () => {
    const { world } = incidents(1 / 480, 1 / 3);
    expect(falseAlarms({ world, history: 61 })).toBeLessThanOrEqual(0.01 * RUNS);
  });

  it('are not deceived by long incidents that other services see too', { timeout: 120_000 }, () => {
    const { world, isOn } = incidents(1 / 120, 1 / 20);
    const alone = falseAlarms({ world, history: 31 });
    const common = falseAlarms({ world, history: 31, elsewhere: () => (isOn() ? 0.6 : 0.1) });
    expect(common).toBeLessThanOrEqual(0.01 * RUNS);
    // What nothing but the candidate's service sees is what a bad version looks like.
    expect(alone).toBeGreaterThan(0.01 * RUNS);
  });

  it('find three times the errors within ten minutes, with the default rate and weight', { timeout: 120_000 }, () => {
    const rate = 0.001 * 0.3;
    const found = (trial: Trial) =>
      Array.from({ length: 200 }, (_, i) => decidedAfter(7919 * i + 1, { rate, ...trial })).sort((a, b) => a - b)[100]!;
    expect(found({ world: steady, history: 61, factor: 3 })).toBeLessThanOrEqual(10);
    expect(found({ world: overdispersed, history: 121, factor: 10 })).toBeLessThanOrEqual(10);
  });
});
