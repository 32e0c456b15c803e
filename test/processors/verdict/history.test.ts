import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { History, noHistory } from '../../../processors/verdict/history.ts';
import { HistoricalBets } from '../../../processors/verdict/history-bets.ts';
import {
  HISTORY_INDICATORS,
  historyConfig,
  LATENCY_INDICATORS,
  MinuteSum,
} from '../../../processors/verdict/history-minute.ts';
import { Ratios } from '../../../processors/verdict/history-ratios.ts';
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

/** A past of `minutes` minutes that ends before `START`. */
function past(minutes: number, doing: (minute: number) => Doing): History {
  const history = new History();
  for (let minute = START - minutes; minute < START; minute++) history.learn(minuteOf(minute, doing(minute)));
  return history;
}

describe('what the past lets expect', () => {
  it('follows the mix of operations, so that a shift of it is no change', () => {
    const history = past(60, () => ({ search: { all: 900, bad: 9, ms: 10 }, pay: { all: 100, bad: 10, ms: 200 } }));
    const shifted = history.compare(
      minuteOf(START, { search: { all: 100, bad: 1, ms: 10 }, pay: { all: 900, bad: 90, ms: 200 } }),
    );
    expect(shifted.get('errors')).toMatchObject({ seen: 91 });
    expect(shifted.get('errors')?.ratio).toBeCloseTo(1, 1);
    for (const name of LATENCY_INDICATORS) expect(shifted.get(name)?.ratio).toBeCloseTo(1, 6);
    const worse = history.compare(minuteOf(START, { pay: { all: 900, bad: 270, ms: 600 } }));
    expect(worse.get('errors')?.ratio).toBeCloseTo(3, 0);
    expect(worse.get('slow_p90')?.ratio).toBeCloseTo(3, 1);
    expect(worse.get('errors')?.high).toBe(true);
    expect(shifted.get('errors')?.high).toBe(false);
  });

  it('is the rate of the service for an operation never seen, and nothing for its latency', () => {
    const history = past(40, () => ({ known: { all: 100, bad: 2, ms: 5 } }));
    const compared = history.compare(minuteOf(START, { brand_new: { all: 1000, bad: 20, ms: 5 } }));
    expect(compared.get('errors')?.expected).toBeCloseTo(20);
    expect(compared.has('slow_p50')).toBe(false);
  });

  it('says nothing where past or minute say nothing', () => {
    const history = new History();
    expect(history.compare(minuteOf(START, { a: { all: 5 } })).size).toBe(0);
    history.learn(minuteOf(START, { a: { all: 5 } }));
    const compared = history.compare(minuteOf(START + 1, {}));
    expect([...compared.keys()]).toEqual(['traffic']);
    expect(compared.get('traffic')?.ratio).toBeCloseTo(0.5 / 5.5);
  });

  it('takes a minute once, in order', () => {
    const history = past(40, () => ({ a: { all: 100, bad: 1 } }));
    const before = JSON.stringify(history.save());
    expect(history.learn(minuteOf(START - 1, { a: { all: 9000, bad: 9000 } }))).toBeUndefined();
    expect(JSON.stringify(history.save())).toBe(before);
    expect(history.newest).toBe(START - 1);
  });

  it('keeps a bounded number of operations and minutes', () => {
    const history = new History(10);
    for (let i = 0; i < 300; i++) {
      const names = Array.from({ length: 30 }, (_, n) => [`op-${i}-${n}`, { all: 5, bad: 1, ms: 3 }] as const);
      history.learn(minuteOf(START + i, Object.fromEntries(names)));
    }
    expect(history.overflowed).toBeGreaterThan(1000);
    expect(history.minutes).toBe(120);
    expect(JSON.stringify(history.save()).length).toBeLessThan(20_000);
  });

  it('knows the usual high of an hour from the same hour of other days', () => {
    const history = new History();
    const bad = (minute: number) => (Math.floor(minute / 60) % 24 === 3 ? 50 : 5);
    for (let m = START; m < START + DAY; m++) history.learn(minuteOf(m, { a: { all: 1000, bad: bad(m) } }));
    const nextDay = START + DAY;
    const at = (hour: number) => history.compare(minuteOf(nextDay + hour * 60 + 5, { a: { all: 1000, bad: 50 } }));
    expect(at(3).get('errors')?.usual).toBeGreaterThan(3);
    expect(at(2).get('errors')?.usual).toBeLessThan(1.5);
    // What happens every night at three is nobody's fault.
    const bets = HistoricalBets.against(history, 'errors', CONFIG);
    const night = historyConfig.parse({ stale_after: '1d' });
    const patient = HistoricalBets.against(history, 'errors', night)!;
    for (let m = nextDay + 180; m < nextDay + 200; m++) {
      patient.play(m, history.compare(minuteOf(m, { a: { all: 1000, bad: 50 } })).get('errors'));
      expect(bets?.play(m, at(3).get('errors'))).toBe(false);
    }
    expect(patient.minutes).toBe(20);
    expect(patient.bad).toBe(0);
  });

  it('is no different after a restart at any point, nor for operations in another order', () => {
    const doing = fc.dictionary(
      fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      fc.record({ all: fc.nat(500), bad: fc.nat(20), ms: fc.integer({ min: 1, max: 900 }) }),
    );
    const minute = fc.record({ doing, logs: fc.record({ all: fc.nat(90), bad: fc.nat(9) }), gap: fc.nat(50) });
    fc.assert(
      fc.property(fc.array(minute, { minLength: 1, maxLength: 150 }), fc.nat(149), (minutes, restartAt) => {
        const straight = new History(3);
        let restarted = new History(3);
        let at = START;
        minutes.forEach(({ doing, logs, gap }, i) => {
          at += 1 + gap;
          const reversed = Object.fromEntries(Object.entries(doing).reverse());
          const expected = straight.learn(minuteOf(at, doing, logs));
          const sum = MinuteSum.restore(JSON.parse(JSON.stringify(minuteOf(at, reversed, logs).save())));
          expect(restarted.learn(sum)).toEqual(expected);
          if (i === restartAt) restarted = History.restore(JSON.parse(JSON.stringify(restarted.save())), 3);
        });
        expect(restarted.save()).toEqual(straight.save());
      }),
      { seed: 7, numRuns: 60 },
    );
  });
});

describe('a minute', () => {
  it('is the sum of its blocks, however they are cut and in whatever order they come', () => {
    const block = fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      all: fc.nat(99),
      bad: fc.nat(9),
      ms: fc.integer({ min: 1, max: 9 }),
      logs: fc.record({ all: fc.nat(9), bad: fc.nat(3) }),
    });
    fc.assert(
      fc.property(fc.array(block, { maxLength: 20 }), (blocks) => {
        const sumOf = (order: typeof blocks) => {
          const sum = new MinuteSum(START);
          for (const { name, all, bad, ms, logs } of order) {
            sum.add(new Map([[name, { all, bad, bins: new Map([[binOf(ms * 1e6), all]]) }]]), logs);
          }
          return sum.save();
        };
        expect(JSON.stringify(sumOf(blocks.toReversed()))).toBe(JSON.stringify(sumOf(blocks)));
        const { requests } = sumOf(blocks) as { requests: number };
        expect(requests).toBe(blocks.reduce((sum, { all }) => sum + all, 0));
      }),
      { seed: 8, numRuns: 200 },
    );
  });

  it('counts the requests of the whole service where they are given', () => {
    const sum = new MinuteSum(START);
    sum.add(new Map([['a', { all: 5, bad: 0, bins: new Map() }]]), NO_LOGS, 50);
    expect(sum.requests).toBe(50);
  });
});

describe('the ratios of the past', () => {
  const WEEK = 7 * DAY;
  /** One hour's minutes, each with this ratio. */
  const hour = (ratios: Ratios, from: number, ratio: number, minutes = 60) => {
    for (let m = from; m < from + minutes; m++) ratios.learn(m, ratio);
  };

  it('have a usual high that rises at once and falls by a quarter a week', () => {
    const ratios = new Ratios();
    const usual: (number | undefined)[] = [];
    [2, 4, 1, 1].forEach((ratio, week) => {
      hour(ratios, START + week * WEEK, ratio);
      hour(ratios, START + week * WEEK + 60, 9, 19);
      usual.push(ratios.usual(START + (week + 1) * WEEK));
    });
    // The hour is over only when the next one has begun.
    expect(usual).toEqual([2, 4, 3.25, 2.6875]);
    // 19 minutes are no hour; of other days, the same hour counts.
    expect(ratios.usual(START + 60)).toBeUndefined();
    expect(ratios.usual(START + DAY)).toBe(2.6875);
  });

  it('know the rank-th largest of the last 120, and how many runs are beyond it', () => {
    const ratios = new Ratios();
    for (let m = 0; m < 300; m++) ratios.learn(m, m % 10 < 2 ? 5 + m / 1000 : 1);
    expect(ratios.count).toBe(120);
    expect(ratios.largest(1)).toBeCloseTo(5.291, 5);
    expect(ratios.largest(25)).toBe(1);
    expect(ratios.atLeast(5)).toBe(24);
    expect(ratios.runs(5)).toBe(12);
  });
});

describe('historical bets', () => {
  const flat = () => ({ a: { all: 600, bad: 6, ms: 50 } });

  it('need a past that is long enough', () => {
    const short = past(30, flat);
    expect(HistoricalBets.against(short, 'errors', CONFIG)).toBeUndefined();
    expect(noHistory(short, CONFIG.min_history)).toBe('no baseline: history of only 29 minutes');
    expect(noHistory(new History(), 30)).toBe('no baseline: history of only 0 minutes');
    const enough = past(31, flat);
    expect(noHistory(enough, CONFIG.min_history)).toBeUndefined();
    expect(HistoricalBets.against(enough, 'errors', CONFIG)?.historyMinutes).toBe(30);
    expect(HistoricalBets.against(enough, 'log_errors', CONFIG)).toBeUndefined();
    expect(HistoricalBets.against(enough, 'errors', historyConfig.parse({ enabled: false }))).toBeUndefined();
  });

  it('hold the capital of an urn: 1 - κ + κ x / p, with p = (rank + j) / (n + 1 + t)', () => {
    const history = past(61, (minute) => ({ a: { all: 600, bad: 6 + (minute % 3) } }));
    const bets = HistoricalBets.against(history, 'errors', CONFIG)!;
    const { rank, run } = history.yardstick('errors', CONFIG.quantile, 30)!;
    expect(rank).toBe(6);
    const capitals = [1, 1, 1];
    let beyond = 0;
    [60, 60, 6, 60].forEach((bad, t) => {
      bets.play(START + t, history.compare(minuteOf(START + t, { a: { all: 600, bad } })).get('errors'));
      const p = (rank + beyond) / (61 + t);
      [0.25, 0.5, 0.9].forEach((stake, i) => {
        capitals[i] = capitals[i]! * (1 - stake + (bad > 10 ? stake / p : 0));
      });
      if (bad > 10) beyond++;
    });
    expect(bets.logE).toBeCloseTo(Math.log(capitals.reduce((a, b) => a + b) / 3) / run, 10);
    expect(bets).toMatchObject({ minutes: 4, bad: 3, seen: 186 });
  });

  it('are fair on the average: exchangeable minutes neither win nor lose', () => {
    // With the stake of one gambler and no margin, capital is a martingale: its mean stays 1.
    const config = historyConfig.parse({ margin: 0 });
    let sum = 0;
    for (let seed = 0; seed < 4000; seed++) {
      const random = new Random(seed * 31 + 7);
      const ratio = () => ({ ratio: random.next(), seen: 0, expected: 0, usual: undefined, high: false });
      const threshold = Array.from({ length: 40 }, () => Math.fround(random.next())).sort((a, b) => b - a)[3]!;
      const bets = HistoricalBets.restore(
        {
          indicator: 'errors',
          threshold,
          rank: 4,
          minutes: 40,
          run: 1,
          newest: START,
          logCapitals: [0, 0, 0],
          played: 0,
          bad: 0,
          beyond: 0,
          seen: 0,
          expected: 0,
        },
        config,
      );
      for (let t = 1; t <= 5; t++) bets.play(START + t, ratio());
      sum += Math.exp(bets.logE);
    }
    expect(sum / 4000).toBeGreaterThan(0.8);
    expect(sum / 4000).toBeLessThan(1.2);
  });

  it('take what comes in runs for less: three minutes in a row as one', () => {
    const at = (i: number) => Math.floor(i / 3) % 10 === 0;
    const inRuns = past(121, (minute) => ({ a: { all: 600, bad: at(minute - START + 300) ? 60 : 6 } }));
    const alone = past(121, (minute) => ({ a: { all: 600, bad: (minute - START + 300) % 10 === 0 ? 60 : 6 } }));
    expect(inRuns.yardstick('errors', 0.9, 30)?.run).toBeCloseTo(3 * 0.9, 0);
    expect(alone.yardstick('errors', 0.9, 30)?.run).toBe(1);
  });

  it('wait for five minutes, and for a bar ten times as high', () => {
    const history = past(121, flat);
    const bets = HistoricalBets.against(history, 'errors', CONFIG)!;
    const firedAt: number[] = [];
    for (let t = 0; t < 8; t++) {
      bets.play(START + t, history.compare(minuteOf(START + t, { a: { all: 600, bad: 300 } })).get('errors'));
      if (bets.fires(10)) firedAt.push(t + 1);
    }
    expect(firedAt[0]).toBe(5);
    expect(bets.fires(Math.exp(bets.logE) / 9)).toBe(false);
    expect(bets.fires(Math.exp(bets.logE) / 11)).toBe(true);
  });

  it('do not count a minute in which other services suffer, nor one against a stale past', () => {
    const history = past(61, flat);
    const bets = HistoricalBets.against(history, 'errors', CONFIG)!;
    const compared = history.compare(minuteOf(START, { a: { all: 600, bad: 300 } })).get('errors');
    expect(bets.play(START, compared, 0.21)).toBe(false);
    expect(bets.play(START, compared, 0.2)).toBe(true);
    expect(bets.play(START, undefined)).toBe(false);
    expect(bets.play(START + 59, compared)).toBe(true);
    expect(bets.play(START + 60, compared)).toBe(false);
    expect(bets.minutes).toBe(2);
  });

  it('call a latency bad only beyond margin and floor', () => {
    const history = past(61, flat);
    const after = (ms: number, floorMs: number) => {
      const bets = HistoricalBets.against(history, 'slow_p90', CONFIG, floorMs)!;
      bets.play(START, history.compare(minuteOf(START, { a: { all: 600, ms } })).get('slow_p90'));
      return bets.bad;
    };
    expect([after(60, 0), after(70, 0), after(70, 30), after(90, 30)]).toEqual([0, 1, 0, 1]);
  });

  it('see that requests stay away', () => {
    const history = past(61, (minute) => ({ a: { all: 500 + (minute % 50) } }));
    const bets = HistoricalBets.against(history, 'traffic', CONFIG)!;
    const half = HistoricalBets.against(history, 'traffic', CONFIG)!;
    for (let t = 0; t < 10; t++) {
      bets.play(START + t, history.compare(minuteOf(START + t, {})).get('traffic'));
      half.play(START + t, history.compare(minuteOf(START + t, { a: { all: 260 } })).get('traffic'));
    }
    expect(bets.fires(1 / (0.001 * 0.25))).toBe(true);
    expect(half.bad).toBe(0);
  });

  it('are no different after a restart', () => {
    const history = past(61, flat);
    for (const indicator of HISTORY_INDICATORS.filter((name) => name !== 'log_errors')) {
      const straight = HistoricalBets.against(history, indicator, CONFIG)!;
      let restarted = HistoricalBets.against(history, indicator, CONFIG)!;
      for (let t = 0; t < 20; t++) {
        const compared = history.compare(minuteOf(START + t, { a: { all: 600, bad: t * 3, ms: 10 * t + 1 } }));
        straight.play(START + t, compared.get(indicator));
        restarted = HistoricalBets.restore(JSON.parse(JSON.stringify(restarted.save())), CONFIG);
        restarted.play(START + t, compared.get(indicator));
        expect(restarted.save()).toEqual(straight.save());
        expect(restarted.logE).toBe(straight.logE);
      }
    }
  });
});
