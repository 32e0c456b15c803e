"""Vectors for the Mann-Whitney test of bench/verdict, by scipy.

    python3 mannwhitney.py > mannwhitney.json && biome format --write mannwhitney.json

Made with scipy 1.17.1. `p` is two-sided by the normal approximation, with correction for ties and continuity. `lower`
and `upper` are where the one-sided test of the shifted sample crosses 1 %: the interval of the shift at 98 %.
"""

import json

import numpy as np
from scipy.optimize import brentq
from scipy.stats import mannwhitneyu, norm


def one_sided(x, y, shift, alternative):
    return mannwhitneyu(x - shift, y, alternative=alternative, method="asymptotic").pvalue - 0.01


def case(x, y):
    x, y = np.array(x, dtype=float), np.array(y, dtype=float)
    # Away from the samples' own differences, where the step function is not tied.
    low, high = x.min() - y.max() - 1e-3, x.max() - y.min() + 1e-3
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "p": mannwhitneyu(x, y, method="asymptotic").pvalue,
        "lower": brentq(lambda shift: one_sided(x, y, shift, "greater"), low, high, xtol=1e-12),
        "upper": brentq(lambda shift: one_sided(x, y, shift, "less"), low, high, xtol=1e-12),
    }


random = np.random.default_rng(20_231_114)
cases = []
for m, n, move in [(12, 12, 0), (30, 30, 0.5), (60, 60, 0.2), (8, 40, 1), (50, 10, -0.7), (25, 25, 3)]:
    cases.append(case(random.normal(move, 1, m).round(6), random.normal(0, 1, n).round(6)))
for rate in (0.3, 2, 10):
    cases.append(case(random.poisson(rate * 1.5, 40), random.poisson(rate, 40)))

normal = [{"p": p, "z": norm.ppf(p)} for p in (1e-6, 0.001, 0.01, 0.02425, 0.1, 0.4, 0.5, 0.7, 0.99, 0.99999)]
print(json.dumps({"cases": cases, "normal": normal}, indent=1))
