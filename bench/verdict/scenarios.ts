/** All scenarios: the rows of the table, in its order. */
import { bothFail, drifting, mixing, severalServices, swinging } from './scenarios-changing.ts';
import { latencies, leak, signatures, silence } from './scenarios-signals.ts';
import { byErrors, plain, type Row, row } from './scenario.ts';
import type { IncidentSpec } from './spec.ts';

const HOST_INCIDENT = { scope: 'host', perHour: 2, errors: 0.5 } as const;
const COMMON: IncidentSpec = { scope: 'service', perHour: 3, seconds: 90, errors: 0.2, slower: 1.5 };

function errorScenarios(): Row[] {
  const usual = { rps: 100, share: 0.1, errors: 0.005 };
  const tenHosts = { ...usual, hosts: { baseline: 9, candidate: 1 } };
  return [
    ...byErrors('independent', [4, 10], usual),
    ...byErrors('bursts of 2', [4, 10], { ...usual, burst: 2 }),
    ...byErrors('bursts of 5', [4, 10], { ...usual, burst: 5 }),
    ...byErrors('bursts of 20', [4, 10], {
      rps: 1000,
      share: 0.05,
      errors: 0.002,
      burst: 20,
      hosts: { baseline: 9, candidate: 1 },
    }),
    ...byErrors('bursts of 5, common incidents', [4, 10], { ...usual, burst: 5, incidents: [COMMON] }),
    ...byErrors('host incidents, 20 s', [4, 10], { ...tenHosts, incidents: [{ ...HOST_INCIDENT, seconds: 20 }] }),
    ...byErrors('host incidents, 60 s', [4, 10], { ...tenHosts, incidents: [{ ...HOST_INCIDENT, seconds: 60 }] }),
  ];
}

/** 15 requests a minute on the candidate, three times as many on the baseline. */
function lowTraffic(): Row[] {
  const low = { rps: 1, share: 0.25, errors: 0.001, hosts: { baseline: 3, candidate: 1 } };
  const fails = [0.2, 0.5, 1];
  return [
    row('low traffic', 'x1', plain(low), { isNull: true }),
    ...fails.map((share) =>
      row('low traffic', `fails ${share * 100} %`, plain({ ...low, candidate: { fails: share } })),
    ),
  ];
}

function shares(): Row[] {
  const most = { rps: 100, share: 0.9, errors: 0.005, hosts: { baseline: 1, candidate: 9 } };
  const half = { rps: 100, share: 0.5, errors: 0.005, hosts: { baseline: 5, candidate: 5 } };
  const candidate = { fails: 1 };
  return [
    ...byErrors('5000 rps, 1 % canary', [4, 10], {
      rps: 5000,
      share: 0.01,
      errors: 0.001,
      hosts: { baseline: 9, candidate: 1 },
    }),
    row('candidate has 90 %', 'x1', plain(most), { isNull: true }),
    row('candidate has 90 %', 'fails 100 %', plain({ ...most, candidate })),
    row('candidate has 50 %', 'x1', plain(half), { isNull: true }),
    row('candidate has 50 %', 'fails 100 %', plain({ ...half, candidate })),
  ];
}

export function allRows(): Row[] {
  return [
    ...errorScenarios(),
    ...swinging(),
    ...drifting(),
    ...mixing(),
    ...lowTraffic(),
    ...shares(),
    ...bothFail(),
    ...latencies(),
    ...leak(),
    ...silence(),
    ...signatures(),
    ...severalServices(),
  ];
}

export function keyOf({ scenario, effect }: Row): string {
  return `${scenario} | ${effect}`;
}
