/** The interval of the relative risk as a rollout goes on. */
import { RiskInterval } from '../../processors/verdict/evidence/interval.ts';
import { Random } from '../verdict/random.ts';
import { type Axis, panel, type Point, picture } from './svg.ts';
import { BLOCK, canaryBlock } from './terms.ts';

const MINUTES = 30;
const BLOCKS = (MINUTES * 60) / BLOCK;
const RATE = 0.01;
const TRUTH = 3;
const HIGHEST = 64;

const X: Axis = {
  label: 'minutes',
  from: 0,
  to: MINUTES,
  ticks: [0, 5, 10, 15, 20, 25, 30].map((at) => [at, String(at)]),
};
const Y: Axis = {
  label: 'times as often as the baseline',
  from: 1 / 8,
  to: HIGHEST,
  isLog: true,
  ticks: [
    [0.125, '1/8'],
    [0.25, '1/4'],
    [0.5, '1/2'],
    [1, '1'],
    [2, '2'],
    [4, '4'],
    [8, '8'],
    [16, '16'],
    [32, '32'],
    [64, '64'],
  ],
};

export function riskPicture(): string {
  const alt =
    'The interval of the relative risk over thirty minutes. It begins as wide as the chart, closes around the true value of 3, and excludes 1 after some minutes.';
  const on = panel({ left: 68, top: 30, width: 660, height: 230 }, 'A candidate that fails three times as often', X, Y);
  const { lower, upper, estimate } = followed(41);
  const last = (points: readonly Point[]) => points.at(-1) as Point;
  const [, low] = last(lower);
  const [, high] = last(upper);
  return picture(760, 310, alt, [
    on.axes,
    on.area(lower, upper, 'band'),
    on.level(TRUTH, 'red dash', ''),
    on.words([MINUTES, TRUTH], 'the truth: 3', '', 'end', [-4, 14]),
    on.level(1, 'ink dots', 'as often as the baseline', 'below'),
    on.line(estimate, 'blue'),
    on.words([MINUTES, high], `interval: ${low.toFixed(1)} to ${high.toFixed(1)}`, '', 'end', [-4, -8]),
  ]);
}

/** Bounds and estimate after every third block. */
export function followed(seed: number): { lower: Point[]; upper: Point[]; estimate: Point[] } {
  const random = new Random(seed);
  const interval = new RiskInterval();
  const sums = { candidate: 0, baseline: 0 };
  const [lower, upper, estimate]: [Point[], Point[], Point[]] = [[], [], []];
  for (let at = 1; at <= BLOCKS; at++) {
    const block = canaryBlock(random, RATE, TRUTH);
    interval.play(block);
    sums.candidate += (block.candidateBad[0] as number) / (block.candidateAll[0] as number);
    sums.baseline += (block.baselineBad[0] as number) / (block.baselineAll[0] as number);
    if (at % 3 !== 0) continue;
    const minute = (at * BLOCK) / 60;
    const [low, high] = interval.bounds;
    lower.push([minute, low]);
    upper.push([minute, high ?? HIGHEST]);
    if (sums.baseline > 0) estimate.push([minute, sums.candidate / sums.baseline]);
  }
  return { lower, upper, estimate };
}
