/** The standard normal distribution. */

/** Quantile of the standard normal distribution, to 1e-9. Source: Acklam's rational approximation (2003). */
export function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    return polynomial(TAIL_TOP, q) / (polynomial(TAIL_BOTTOM, q) * q + 1);
  }
  const q = p - 0.5;
  const r = q * q;
  return (polynomial(TOP, r) * q) / (polynomial(BOTTOM, r) * r + 1);
}

const TOP = [
  -3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1,
  2.506628277459239,
];
const BOTTOM = [
  -5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1,
];
const TAIL_TOP = [
  -7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
];
const TAIL_BOTTOM = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416];

function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
}

/** Upper tail of the standard normal distribution. Source: Numerical Recipes' `erfcc`, relative error below 1.2e-7. */
export function normalTail(z: number): number {
  const t = 1 / (1 + z / Math.SQRT2 / 2);
  const sum = ERFC.reduce((total, coefficient) => total * t + coefficient, 0);
  return (t * Math.exp((-z * z) / 2 + sum)) / 2;
}

/** From the highest power down. */
const ERFC = [
  0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
  -1.26551223,
];
