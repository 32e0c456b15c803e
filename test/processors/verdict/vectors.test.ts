/** Our arithmetic against independent implementations: `vectors/make-vectors.py` says which, and made the numbers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CountedErrors } from '../../../bench/verdict/rivals/e-process.ts';
import { lowerBound } from '../../../processors/verdict/burn.ts';
import { Bets, logSumExp, WORSE } from '../../../processors/verdict/evidence/bets.ts';
import { ObjectiveBets } from '../../../processors/verdict/evidence/objective.ts';
import { SilenceBets } from '../../../processors/verdict/evidence/silence.ts';
import { factors } from '../../support/evidence.ts';
import { HistoricalBets } from '../../../processors/verdict/history-bets.ts';
import { historyConfig } from '../../../processors/verdict/history-minute.ts';

/** Capital after each block, by what tells one gambler from another. */
type Capitals = Readonly<Record<string, readonly number[]>>;
interface Vectors {
  readonly bets: readonly {
    readonly candidateAll: number;
    readonly baselineAll: number;
    readonly risk: number;
    readonly blocks: readonly (readonly [candidateBad: number, baselineBad: number])[];
    readonly share: Capitals;
    readonly rate: Capitals;
  }[];
  readonly order: { readonly all: number; readonly tail: number; readonly over: number[]; readonly capital: Capitals };
  readonly silence: {
    readonly share: number;
    readonly weight: number;
    readonly rows: readonly (readonly [total: number, got: number])[];
    readonly capital: Capitals;
    readonly births: readonly number[];
    readonly crashCapital: Capitals;
  };
  readonly objective: readonly { bad: number; all: number; budget: number; logs: number[] }[];
  readonly lowerBounds: readonly { bad: number; all: number; low: number }[];
  readonly logSums: readonly { values: number[]; sum: number }[];
  readonly countedErrors: readonly { share: number; isCandidate: number[]; logE: number[] }[];
  readonly urns: readonly { rank: number; minutes: number; probability: number[] }[];
}

const VECTORS = JSON.parse(readFileSync(join(import.meta.dirname, 'vectors/evidence.json'), 'utf8')) as Vectors;

/** By ascending key, as the gamblers are kept; JSON sorts the whole numbers first. */
function inOrder(capitals: Capitals): (readonly number[])[] {
  return Object.entries(capitals)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, series]) => series);
}

/** The logarithm of each gambler's capital, as if he had begun with 1: what he was dealt is what he had at first. */
function gains(logs: readonly number[], dealt: readonly number[]): number[] {
  return logs.map((log, i) => log - dealt[i]!);
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  // Ten digits: both multiply some dozens of factors, one of them as a sum of logarithms.
  actual.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-10 * (1 + Math.abs(value))));
}

/** Historical bets as saved before the first minute. */
const FRESH = {
  indicator: 'errors',
  threshold: 1,
  run: 1,
  newest: 0,
  logCapitals: [0, 0, 0],
  played: 0,
  bad: 0,
  beyond: 0,
  seen: 0,
  expected: 0,
};

const one = (all: number, bad: number, baselineAll: number, baselineBad: number, over: number[] = []) => ({
  candidateAll: [all],
  candidateBad: [bad],
  baselineAll: [baselineAll],
  baselineBad: [baselineBad],
  candidateOver: over,
});

describe('bets against confseq', () => {
  /** What a gambler has after a block, of 1 that he had before it. */
  const factor = (series: readonly number[], at: number) => (series[at] as number) / (series[at - 1] ?? 1);

  it.each(VECTORS.bets)('share and rate: $candidateAll against $baselineAll at risk $risk', (vector) => {
    const bets = new Bets(vector.risk);
    const share = WORSE.map((worse) => vector.share[worse] ?? expect.fail(`no vector: add ${worse} to SHARE_GRID`));
    const expected = [...share, ...inOrder(vector.rate)];
    vector.blocks.forEach(([candidateBad, baselineBad], at) => {
      const before = bets.save();
      bets.play(one(vector.candidateAll, candidateBad, vector.baselineAll, baselineBad));
      const after = bets.save();
      expectClose(
        factors(before, after),
        expected.map((series) => factor(series, at)),
      );
      expect(bets.logE).toBeCloseTo(Math.log(after.logs.reduce((sum, log) => sum + Math.exp(log), after.kept)), 9);
    });
  });

  it('order', () => {
    const { all, tail, over, capital } = VECTORS.order;
    const bets = new Bets(1.25, tail);
    over.forEach((count, at) => {
      const before = bets.save();
      bets.play(one(all, 0, all, 0, [count]));
      expectClose(
        factors(before, bets.save(), tail).slice(-3),
        inOrder(capital).map((series) => factor(series, at)),
      );
    });
  });

  it('silence and crashes', () => {
    const { share, weight, rows, capital, births, crashCapital } = VECTORS.silence;
    const bets = new SilenceBets(share);
    const dealt = bets.save();
    rows.forEach(([total, got], block) => {
      bets.play(weight, got, total);
      const expected = inOrder(capital).map((series) => Math.log(series[block]!));
      expectClose(gains(bets.save().logs, dealt.logs), expected);
    });
    births.forEach((died, block) => {
      bets.playBirth(died === 1);
      const expected = inOrder(crashCapital).map((series) => Math.log(series[block]!));
      expectClose(gains(bets.save().crashLogs, dealt.crashLogs), expected);
    });
  });

  it("the rival's beta-binomial mixture", () => {
    for (const { share, isCandidate, logE } of VECTORS.countedErrors) {
      const errors = new CountedErrors();
      const logs = isCandidate.map((is) => {
        errors.add(is, 1 - is, share);
        return errors.logE;
      });
      expectClose(logs, logE);
    }
  });
});

describe('arithmetic against scipy', () => {
  it('likelihood ratios of the objective', () => {
    for (const { bad, all, budget, logs } of VECTORS.objective) {
      const bets = new ObjectiveBets(budget);
      const dealt = bets.save().logs;
      bets.play(bad, all);
      gains(bets.save().logs, dealt).forEach((log, i) => expect(log).toBeCloseTo(logs[i]!, 7));
    }
  });

  it('the exact lower bound of a rate', () => {
    for (const { bad, all, low } of VECTORS.lowerBounds) {
      const bound = lowerBound(bad, all);
      expect(Math.abs(bound - low)).toBeLessThanOrEqual(1e-9 * low);
    }
  });

  it('sums of exponentials', () => {
    for (const { values, sum } of VECTORS.logSums) expect(logSumExp(Float64Array.from(values))).toBeCloseTo(sum, 12);
  });

  it.each(VECTORS.urns)(
    'historical bets are fair on the urn of $rank in $minutes',
    ({ rank, minutes, probability }) => {
      const config = historyConfig.parse({ margin: 0 });
      let expectation = 0;
      for (let sequence = 0; sequence < 256; sequence++) {
        const bets = HistoricalBets.restore({ ...FRESH, rank, minutes }, config);
        for (let t = 0; t < 8; t++) {
          bets.play(t, { ratio: (sequence >> t) & 1 ? 2 : 0.5, seen: 0, expected: 0, usual: undefined, high: false });
        }
        expectation += probability[bets.bad]! * Math.exp(bets.logE);
      }
      expect(expectation).toBeCloseTo(1, 12);
    },
  );
});
