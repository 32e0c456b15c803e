/** Scenarios in which traffic changes under the judge's eyes. */
import { byErrors, constant, HOUR, plain, type Row, row } from './scenario.ts';
import type { ServiceSpec } from './spec.ts';
import { BASELINE, type CohortIndex } from './world.ts';

/** A day in an hour: requests between 30 % and 170 %, errors between half and double, not in step with each other. */
export function swinging(): Row[] {
  const phase = (second: number) => (2 * Math.PI * second) / HOUR;
  const service = (errors: number): ServiceSpec => ({
    ...plain({ rps: 100, share: 0.1, errors: 0.005, candidate: { errors } }),
    rate: (second) => 100 * (1 + 0.7 * Math.sin(phase(second))),
    errorLevel: (second) => 2 ** Math.sin(phase(second) + 1),
    announces: 0.01,
  });
  return [1, 4, 10].map((factor) => row('daily swing', `x${factor}`, service(factor), { isNull: factor === 1 }));
}

/** The candidate's share grows from 1 % to 50 % in 40 minutes, a little every minute. */
export function drifting(): Row[] {
  const service = (errors: number): ServiceSpec => ({
    ...plain({ rps: 100, share: 0, errors: 0.005, hosts: { baseline: 5, candidate: 5 }, candidate: { errors } }),
    share: (second) => Math.min(0.5, 0.01 + (0.49 * Math.floor(second / 60)) / 40),
    announces: 0.01,
  });
  return [1, 4, 10].map((factor) => row('share 1 to 50 %', `x${factor}`, service(factor), { isNull: factor === 1 }));
}

const OPERATIONS = [
  { name: 'GET /list', ms: 50, errors: 0.001 },
  { name: 'POST /search', ms: 200, errors: 0.01 },
  { name: 'GET /report', ms: 600, errors: 0.03 },
];
const USUAL_MIX = [0.7, 0.25, 0.05];
const SHIFTED_MIX = [0.2, 0.4, 0.4];

/** The candidate comes to serve the slow routes that often fail: pooled, it looks bad, and is not (Simpson). */
export function mixing(): Row[] {
  const mix = (second: number, cohort: CohortIndex) => {
    const shifted = cohort === BASELINE ? 0 : Math.min(1, Math.max(0, second) / 1200);
    return USUAL_MIX.map((share, i) => share + shifted * ((SHIFTED_MIX[i] as number) - share));
  };
  const service = (errors: number): ServiceSpec => ({
    ...plain({ rps: 100, share: 0.1, errors: 0, candidate: { errors } }),
    operations: OPERATIONS,
    mix,
  });
  return [1, 4, 10].map((factor) => row('mix of operations', `x${factor}`, service(factor), { isNull: factor === 1 }));
}

/** Ten minutes in, a dependency fails both versions for five minutes. */
export function bothFail(): Row[] {
  const outage = { scope: 'service', perHour: 1, seconds: 300, errors: 0.6, slower: 3, at: 600 } as const;
  return byErrors('outage of both', [4], { rps: 100, share: 0.1, errors: 0.005, incidents: [outage] });
}

const CHAIN = ['gateway', 'orders', 'payment', 'stock'];

/** Four services that call one another deploy in the same minute; one is bad, and its callers' errors are its. */
export function severalServices(): Row[] {
  const link = (name: string, i: number, errors: number): ServiceSpec => {
    const calls = CHAIN[i + 1];
    return {
      ...plain({ rps: 100, share: 0.2, errors: 0.002, hosts: { baseline: 4, candidate: 2 }, candidate: { errors } }),
      name,
      rate: constant(100),
      operations: [{ name: `POST /${name}`, ms: 100, errors: 0.002 }],
      announces: 0.01,
      ...(calls === undefined ? {} : { calls }),
    };
  };
  // The gateway calls all others and is called by none: the bad one is one of these.
  const bad = (run: number) => 1 + (run % (CHAIN.length - 1));
  const services = (factor: number) => (run: number) =>
    CHAIN.map((name, i) => link(name, i, i === bad(run) ? factor : 1));
  const common = { scenario: 'four services at once', signal: 'errors', seconds: HOUR } as const;
  return [
    { ...common, effect: 'x1', isNull: true, services: services(1) },
    { ...common, effect: 'one x25', isNull: false, services: services(25), bad },
  ];
}
