/** How often a sound candidate is found bad by now, if one looks again and again. */
import { Bets } from '../../processors/verdict/evidence/bets.ts';
import { Random } from '../verdict/random.ts';
import { type Axis, panel, type Point, picture } from './svg.ts';
import { block } from './terms.ts';

const RUNS = 1000;
const LOOKS = 200;
/** What both tests are told to keep: one in twenty. */
const ERROR = 0.05;
/** A one-sided test of 5 % rejects beyond this many standard errors. */
const BEYOND = 1.645;
/** Requests of candidate and baseline in a block, and the part of them that fails. */
const [ALL, BASELINE_ALL, RATE] = [50, 450, 0.02];

const X: Axis = {
  label: 'looks, one after every block',
  from: 0,
  to: LOOKS,
  ticks: [
    [0, '0'],
    [50, '50'],
    [100, '100'],
    [150, '150'],
    [200, '200'],
  ],
};
const Y: Axis = {
  label: 'sound candidates found bad by then',
  from: 0,
  to: 1,
  ticks: [
    [0, '0 %'],
    [0.25, '25 %'],
    [0.5, '50 %'],
    [0.75, '75 %'],
    [1, '100 %'],
  ],
};

/** What a test knows of one rollout; true once it has found the candidate bad. */
type Test = (bad: number, baselineBad: number) => boolean;

export function looksPicture(): string {
  const alt =
    'False alarms against the number of looks. A test of two proportions at 5 %, repeated after every block, finds more and more sound candidates bad, and most of them where errors come in bursts of five; the e-process stays below 5 % in both cases.';
  const on = panel({ left: 68, top: 30, width: 480, height: 250 }, 'One-in-twenty tests, repeated', X, Y);
  const curves = [
    { name: 'z test, bursts of 5', look: 'red', shift: [8, 4], rate: alarms(proportions, 5, 31) },
    { name: 'z test, single errors', look: 'red dash', shift: [8, 4], rate: alarms(proportions, 1, 32) },
    { name: 'bets, single errors', look: 'blue', shift: [8, -6], rate: alarms(betting, 1, 33) },
    { name: 'bets, bursts of 5', look: 'blue dash', shift: [8, 10], rate: alarms(betting, 5, 34) },
  ] as const;
  const lines = curves.flatMap(({ name, look, shift, rate }) => {
    const points = rate.map((part, i): Point => [i + 1, part]);
    const last = points.at(-1) as Point;
    return [on.line(points, look), on.words(last, `${name}: ${(100 * last[1]).toFixed(1)} %`, '', 'start', shift)];
  });
  return picture(760, 330, alt, [on.axes, on.level(ERROR, 'ink dots', '5 %, as promised'), ...lines]);
}

/** The share of runs that have alarmed by each look. Both versions fail at the same rate, errors coming `burst` at a time. */
export function alarms(make: () => Test, burst: number, seed: number): number[] {
  const random = new Random(seed);
  const first = new Float64Array(LOOKS);
  for (let run = 0; run < RUNS; run++) {
    const test = make();
    for (let look = 0; look < LOOKS; look++) {
      const bad = (all: number) => Math.min(all, burst * random.poisson((all * RATE) / burst));
      if (!test(bad(ALL), bad(BASELINE_ALL))) continue;
      first[look] = (first[look] as number) + 1;
      break;
    }
  }
  let sum = 0;
  return [...first].map((count) => (sum += count) / RUNS);
}

/** The usual test of two proportions on all that was seen so far. */
export function proportions(): Test {
  const seen = { bad: 0, all: 0, baselineBad: 0, baselineAll: 0 };
  return (bad, baselineBad) => {
    seen.bad += bad;
    seen.all += ALL;
    seen.baselineBad += baselineBad;
    seen.baselineAll += BASELINE_ALL;
    const pooled = (seen.bad + seen.baselineBad) / (seen.all + seen.baselineAll);
    const error = Math.sqrt(pooled * (1 - pooled) * (1 / seen.all + 1 / seen.baselineAll));
    return error > 0 && (seen.bad / seen.all - seen.baselineBad / seen.baselineAll) / error > BEYOND;
  };
}

/** The same hypothesis, no worse at all, by betting. */
export function betting(): Test {
  const bets = new Bets(1);
  return (bad, baselineBad) => {
    bets.play(block(ALL, bad, BASELINE_ALL, baselineBad));
    return bets.logE >= Math.log(1 / ERROR);
  };
}
