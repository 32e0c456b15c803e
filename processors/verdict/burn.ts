import { z } from 'zod';
import type { Pair } from '../../proto/windback/decision.ts';
import type { BurnWindowName } from './windows.ts';

/**
 * Burn rates that are too fast, the fastest first. 1 uses the error budget up in exactly 30 days; 14.4 uses 2 % of it
 * in an hour, 6 uses 5 % in six hours, 3 uses 10 % in a day. The short window shows that it is still going on.
 * Source: Google, "The Site Reliability Workbook", chapter 5, multiwindow multi-burn-rate alerts.
 */
export const BURN_RATES = [
  { rate: 14.4, long: '1h', short: '5m' },
  { rate: 6, long: '6h', short: '30m' },
  { rate: 3, long: '1d', short: '2h' },
] as const satisfies readonly { rate: number; long: BurnWindowName; short: BurnWindowName }[];

/** The fragment of the configuration for the guard. */
export const burnConfig = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('Whether a version may be held for using up its error budget too fast, whatever the baseline does.'),
    min_events: z
      .int()
      .min(1)
      .default(100)
      .describe('Events that both windows of a burn rate must hold before it is looked at.'),
  })
  .prefault({})
  .describe("Burn rates of the objectives' error budgets, for where there is no baseline or both versions are bad.");

export type BurnConfig = z.output<typeof burnConfig>;

/** One window that burns. */
export interface BurningWindow extends Pair {
  readonly window: BurnWindowName;
  /** How many times as fast as allowed: (bad / all) / (1 - objective). */
  readonly burn: number;
  /** The same, of the lower bound of the rate. */
  readonly atLeast: number;
}

/** A pair of windows that burns. */
export interface Burning {
  /** The rate that both windows exceed. */
  readonly rate: number;
  readonly long: BurningWindow;
  readonly short: BurningWindow;
}

/**
 * The fastest of the burn rates that both of its windows exceed beyond doubt, or undefined. Beyond doubt: both hold
 * `min_events`, and in both the exact lower bound of the rate exceeds it too, so that one bad event out of few is no
 * fire. A service younger than a window is judged by what there is of it. An objective below 1 - 1 / rate can never
 * burn at that rate: not even all events being bad is that fast.
 */
export function burning(
  get: (window: BurnWindowName) => Pair,
  objective: number,
  { enabled, min_events }: BurnConfig,
): Burning | undefined {
  if (!enabled) return undefined;
  for (const { rate, long, short } of BURN_RATES) {
    const exceeding = (window: BurnWindowName) => {
      const pair = get(window);
      return pair.all >= min_events ? exceedingWindow(window, pair, objective, rate) : undefined;
    };
    const over = exceeding(long);
    const now = over && exceeding(short);
    if (over !== undefined && now !== undefined) return { rate, long: over, short: now };
  }
  return undefined;
}

/** What burns, as part of a sentence: `burns its error budget 21.0 times as fast as allowed over 1h (…) and …`. */
export function burnSentence({ long, short }: Burning): string {
  const part = ({ window, bad, all }: BurningWindow) => `over ${window} (${grouped(bad)} of ${grouped(all)})`;
  const times = (burn: number) => (burn >= 10 ? String(Math.round(burn)) : burn.toFixed(1));
  return `burns its error budget ${times(long.burn)} times as fast as allowed ${part(long)} and ${times(short.burn)} times ${part(short)}`;
}

/** A window that burns faster than `rate` beyond doubt. Most do not at all, and then their bound need not be sought. */
function exceedingWindow(
  window: BurnWindowName,
  { bad, all }: Pair,
  objective: number,
  rate: number,
): BurningWindow | undefined {
  const budget = 1 - objective;
  const burn = all === 0 ? 0 : bad / all / budget;
  if (burn <= rate) return undefined;
  const atLeast = lowerBound(bad, all) / budget;
  return atLeast > rate ? { window, bad, all, burn, atLeast } : undefined;
}

/**
 * The lower end of the exact 95 % interval of a rate (Clopper and Pearson): the p with P(at least `bad` of `all`) =
 * 2.5 %. Wilson's is too low a bar here: one bad event of 100 would prove a rate of 0.18 %, the exact one 0.025 %.
 */
export function lowerBound(bad: number, all: number, error = 0.025): number {
  if (bad <= 0) return 0;
  let low = 0;
  let high = Math.min(1, bad / all);
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (incompleteBeta(middle, bad, Math.max(0, all - bad) + 1) < error) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * The regularised incomplete beta function I_x(a, b): P(at least a of n = a + b - 1) at rate x. By its continued
 * fraction. Source: Abramowitz & Stegun 26.5.8, evaluated by Lentz's method.
 */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  const TINY = 1e-300;
  let c = 1;
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1), TINY);
  let fraction = d;
  for (let m = 1; m < 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonZero(1 + even * d, TINY);
    c = nonZero(1 + even / c, TINY);
    fraction *= c * d;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonZero(1 + odd * d, TINY);
    c = nonZero(1 + odd / c, TINY);
    const change = c * d;
    fraction *= change;
    if (Math.abs(change - 1) < 1e-14) break;
  }
  return front * fraction;
}

function nonZero(value: number, tiny: number): number {
  return Math.abs(value) < tiny ? tiny : value;
}

/** log Γ(x) for x ≥ 1, by Stirling's series after shifting x above 10: twelve digits. Source: Abramowitz & Stegun 6.1.41. */
function logGamma(x: number): number {
  let shift = 0;
  let y = x;
  for (; y < 10; y++) shift += Math.log(y);
  const inverse = 1 / y;
  const square = inverse * inverse;
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)));
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series - shift;
}

/** 9340 as `9 340`. */
function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ' ');
}
