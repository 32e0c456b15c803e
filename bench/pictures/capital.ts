/** The capital of the gamblers against a sound, a somewhat bad and a failing candidate. */
import { Bets } from '../../processors/verdict/evidence/bets.ts';
import { Random } from '../verdict/random.ts';
import { type Axis, type Panel, panel, type Point, picture } from './svg.ts';
import { BAR, BLOCK, canaryBlock, RISK } from './terms.ts';

const MINUTES = 15;
const BLOCKS = (MINUTES * 60) / BLOCK;
/** Of the baseline's requests 1 % fail. */
const RATE = 0.01;
const CANDIDATES = [
  { ratio: 1, title: 'sound: fails as often', seed: 11 },
  { ratio: 2, title: 'fails twice as often', seed: 12 },
  { ratio: 30, title: 'fails 30 times as often', seed: 13 },
] as const;

const X: Axis = {
  label: 'minutes',
  from: 0,
  to: MINUTES,
  ticks: [
    [0, '0'],
    [5, '5'],
    [10, '10'],
    [15, '15'],
  ],
};
const Y: Axis = {
  label: 'capital (the stake of all is 1)',
  from: 1e-4,
  to: 1e6,
  isLog: true,
  ticks: [
    [1e-4, '0.0001'],
    [1e-2, '0.01'],
    [1, '1'],
    [1e2, '100'],
    [1e4, '10 000'],
    [1e6, '1 000 000'],
  ],
};

export function capitalPicture(): string {
  const alt =
    'Three charts of capital over fifteen minutes. Against a sound candidate the gamblers lose; against one that fails twice as often the sum of their capitals crosses the bar after some minutes; against a failing one at once.';
  const parts = CANDIDATES.flatMap(({ ratio, title, seed }, i) => {
    const frame = { left: 96 + i * 222, top: 30, width: 204, height: 220 };
    const y = i === 0 ? Y : { ...Y, label: '', ticks: Y.ticks.map(([at]) => [at, ''] as const) };
    const one = panel(frame, title, X, y);
    const name = i === 0 ? `bar: ${Math.round(BAR)}` : '';
    return [one.axes, one.level(BAR, 'red dash', name), ...capitals(one, ratio, seed)];
  });
  return picture(760, 300, alt, parts);
}

function capitals(on: Panel, ratio: number, seed: number): string[] {
  const random = new Random(seed);
  const bets = new Bets(RISK);
  const history = [bets.save().logs];
  const sums: Point[] = [[0, 1]];
  for (let at = 1; at <= BLOCKS; at++) {
    bets.play(canaryBlock(random, RATE, ratio));
    history.push(bets.save().logs);
    sums.push([minutes(at), Math.exp(bets.logE)]);
  }
  const gamblers = (history[0] as readonly number[]).map((_, gambler) => {
    const points = history.map((logs, at): Point => [minutes(at), Math.exp(logs[gambler] as number)]);
    // Every second block will do for a line this thin.
    return on.line(
      points.filter((_, at) => at % 2 === 0),
      'thin',
    );
  });
  return [...gamblers, on.line(sums, 'blue')];
}

function minutes(blocks: number): number {
  return (blocks * BLOCK) / 60;
}
