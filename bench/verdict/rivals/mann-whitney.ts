/**
 * The Mann-Whitney U test (Wilcoxon's rank sum), normal approximation with correction for ties and for continuity, and
 * the interval of the shift that it does not reject: what R's `wilcox.test(exact = FALSE, conf.int = TRUE)` computes,
 * and what Kayenta does in its own code.
 */
import { normalQuantile, normalTail } from '../normal.ts';

/** How far two samples lie apart, in standard deviations of U; `shift` is taken off the first one before. */
export function standardScore(x: readonly number[], y: readonly number[], shift = 0): number {
  return sortedScore(x.toSorted(ascending), y.toSorted(ascending), shift);
}

/** Two-sided p-value of "both samples come from one distribution". */
export function pValue(x: readonly number[], y: readonly number[]): number {
  return Math.min(1, 2 * normalTail(Math.abs(standardScore(x, y))));
}

export interface Shift {
  readonly lower: number;
  readonly upper: number;
  /** Hodges and Lehmann's: the shift that leaves no difference in ranks. */
  readonly estimate: number;
}

/** The interval of x - y at a confidence level. Both samples must have values, and not all may be one. */
export function shiftOf(x: readonly number[], y: readonly number[], confidence: number): Shift {
  const [a, b] = [x.toSorted(ascending), y.toSorted(ascending)];
  const least = (a[0] as number) - (b.at(-1) as number);
  const most = (a.at(-1) as number) - (b[0] as number);
  const z = -normalQuantile((1 - confidence) / 2);
  const root = (at: number) => crossing((shift) => sortedScore(a, b, shift) - at, least, most);
  return { lower: root(z), upper: root(-z), estimate: root(0) };
}

function ascending(a: number, b: number): number {
  return a - b;
}

/** Where a falling function crosses zero, within [least, most]; the end where it does not. By halving. */
function crossing(f: (x: number) => number, least: number, most: number): number {
  if (f(least) <= 0) return least;
  if (f(most) >= 0) return most;
  let [low, high] = [least, most];
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (f(middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** As `standardScore`, for samples in ascending order: one pass over both. */
function sortedScore(x: readonly number[], y: readonly number[], shift: number): number {
  const { length: m } = x;
  const { length: n } = y;
  let ranks = 0;
  let ties = 0;
  let [i, j] = [0, 0];
  while (i < m || j < n) {
    const value = Math.min(i < m ? (x[i] as number) - shift : Infinity, j < n ? (y[j] as number) : Infinity);
    const [fromX, fromY] = [i, j];
    while (i < m && (x[i] as number) - shift === value) i++;
    while (j < n && y[j] === value) j++;
    const tied = i - fromX + j - fromY;
    ranks += (i - fromX) * (fromX + fromY + (tied + 1) / 2);
    ties += tied ** 3 - tied;
  }
  const difference = ranks - (m * (m + 1)) / 2 - (m * n) / 2;
  const total = m + n;
  const deviation = Math.sqrt(((m * n) / 12) * (total + 1 - ties / (total * (total - 1))));
  return deviation === 0 ? 0 : (difference - Math.sign(difference) * 0.5) / deviation;
}
