"""Writes evidence.json: our arithmetic, computed by confseq (betting, boundaries) and scipy.

    python3 make-vectors.py && biome format --write evidence.json

Made with Python 3.11, numpy 1.26.4, scipy 1.17.1 and confseq 0.0.11, whose C++ part was compiled with
pybind11 3.1 since the one it brings does not know Python 3.11. Seeds are fixed: the same versions write the same file.
"""

import json
import pathlib

import numpy as np
from confseq import boundaries
from confseq.betting import betting_mart
from scipy import special, stats

# More than `WORSE` of evidence/bets.ts has: the test takes those that are in use.
SHARE_GRID = [1.25, 1.4, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20, 25, 40, 60, 100]

RANDOM = np.random.default_rng(20_240_607)


def capital(x, m, stake):
    """The capital process of a gambler with a constant stake, which never loses everything."""
    return betting_mart(
        np.asarray(x, float),
        m,
        lambdas_fn_positive=lambda x, m: np.full(len(x), stake),
        theta=1,
        trunc_scale=1,
        m_trunc=True,
    ).tolist()


def blocks(candidate_all, baseline_all, rate, worse, size):
    bad = zip(
        RANDOM.binomial(candidate_all, rate * worse, size).tolist(),
        RANDOM.binomial(baseline_all, rate, size).tolist(),
    )
    return [[k, l] for k, l in bad if k + l > 0]


def bets():
    cases = []
    for candidate_all, baseline_all, risk, rate, worse in [
        (100, 900, 1.25, 0.005, 4),
        (50, 50, 1.25, 0.02, 1),
        (300, 40, 1.5, 0.05, 3),
        (20, 2000, 1.0, 0.01, 10),
    ]:
        played = blocks(candidate_all, baseline_all, rate, worse, 40)

        def share(times):
            return candidate_all * times / (candidate_all * times + baseline_all)

        # What the hypothesis allows: see `allowedShare` in evidence/bets.ts.
        p0 = share(risk)
        leaning = 1.15 * p0 * (1 - p0) * (risk - 1) / (candidate_all + baseline_all - 1)
        p0 += min((1 - p0) / 2, leaning)
        shares = [k / (k + l) for k, l in played]
        # A difference d in [-risk, 1] of mean 0 or less, moved into [0, 1].
        differences = [k / candidate_all - risk * l / baseline_all for k, l in played]
        moved = [(d + risk) / (1 + risk) for d in differences]
        cases.append(
            {
                "candidateAll": candidate_all,
                "baselineAll": baseline_all,
                "risk": risk,
                "blocks": played,
                "share": {
                    str(theta): capital(shares, p0, (share(risk * theta) - p0) / (p0 * (1 - p0)))
                    for theta in SHARE_GRID
                },
                "rate": {
                    str(part): capital(moved, risk / (1 + risk), part / risk * (1 + risk))
                    for part in [0.2, 0.5, 0.9]
                },
            }
        )
    return cases


def order():
    """How many of the candidate's 100 requests were beyond the quantile of which 10 should be; every other block."""
    over = RANDOM.binomial(100, 0.12, 30).tolist()
    x = [1.0 if count > 10.5 else 0.0 for count in over]
    return {
        "all": 100,
        "tail": 0.1,
        "over": over,
        "capital": {str(part): capital(x, 0.5, part / 0.5) for part in [0.3, 0.6, 0.9]},
    }


def silence():
    share, weight = 0.3, 0.2
    rows = [[int(total), int(RANDOM.binomial(total, 0.04))] for total in RANDOM.poisson(200, 25)]
    missing = [1 - min(1, got / (weight * total)) for total, got in rows]
    births = RANDOM.binomial(1, 0.5, 20).tolist()
    return {
        "share": share,
        "weight": weight,
        "rows": rows,
        "capital": {str(part): capital(missing, 1 - share, part / (1 - share)) for part in [0.25, 0.5, 0.9]},
        "births": births,
        "crashCapital": {str(part): capital(births, 0.2, part / 0.2) for part in [0.25, 0.5, 0.9]},
    }


def objective():
    rows = []
    for bad, all_, budget in [(0, 1000, 0.005), (3, 2000, 0.005), (40, 4000, 0.01), (1, 50, 0.1)]:
        null = stats.binom.logpmf(bad, all_, budget)
        logs = [float(stats.binom.logpmf(bad, all_, part * budget) - null) for part in [0.02, 0.2, 0.5]]
        rows.append({"bad": bad, "all": all_, "budget": budget, "logs": logs})
    return rows


def lower_bounds():
    """As binomtest(k, n).proportion_ci(0.95, "exact").low, but to more than its 12 decimal places."""
    pairs = [(0, 10), (1, 10), (1, 100), (5, 5), (50, 50), (3, 1000), (120, 5000), (4999, 5000), (7000, 1_000_000)]
    return [
        {"bad": k, "all": n, "low": float(stats.beta.ppf(0.025, k, n - k + 1)) if k > 0 else 0}
        for k, n in pairs
    ]


def log_sums():
    rows = [[0.0, 0.0], [-1000.0, -1001.0, -999.5], [700.0, 710.0, -5.0], RANDOM.normal(0, 50, 12).tolist()]
    return [{"values": row, "sum": float(special.logsumexp(row))} for row in rows]


def counted_errors():
    """The beta-binomial mixture of confseq, with v_opt chosen so that its prior is beta(10 p, 10 (1 - p))."""
    cases = []
    for p, true in [(0.1, 0.1), (0.2, 0.5), (0.6, 0.3)]:
        x = RANDOM.binomial(1, true, 60)
        k, n = np.cumsum(x), np.arange(1, 61)
        doubt = 2 * np.log(1 / 0.05)
        v_opt = 11 * p * (1 - p) * (doubt + np.log1p(doubt))
        logs = boundaries.beta_binomial_log_mixture(
            k - n * p, n * p * (1 - p), v_opt, p, 1 - p, alpha_opt=0.05, is_one_sided=False
        )
        cases.append({"share": p, "isCandidate": x.tolist(), "logE": np.asarray(logs).tolist()})
    return cases


def urns():
    """The probability of any one sequence of 8 minutes with j beyond the threshold, if all are exchangeable."""
    return [
        {
            "rank": rank,
            "minutes": minutes,
            "probability": [
                float(np.exp(special.betaln(rank + j, minutes + 1 - rank + 8 - j) - special.betaln(rank, minutes + 1 - rank)))
                for j in range(9)
            ],
        }
        for rank, minutes in [(1, 30), (3, 30), (12, 120)]
    ]


pathlib.Path(__file__).with_name("evidence.json").write_text(
    json.dumps(
        {
            "bets": bets(),
            "order": order(),
            "silence": silence(),
            "objective": objective(),
            "lowerBounds": lower_bounds(),
            "logSums": log_sums(),
            "countedErrors": counted_errors(),
            "urns": urns(),
        },
        indent=1,
    )
    + "\n"
)
