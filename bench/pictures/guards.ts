/** An incident of one host against a bad version: what the guards let through. */
import { Comparison } from '../../processors/verdict/evidence/comparison.ts';
import type { Counts } from '../../processors/verdict/evidence/strata.ts';
import { Random } from '../verdict/random.ts';
import { type Axis, type Panel, panel, type Point, picture } from './svg.ts';
import { BAR, BLOCK, CONFIG, RISK } from './terms.ts';

const MINUTES = 4;
const HOSTS = { candidate: 3, baseline: 12 } as const;
/** Requests of a host in a block, and the part of them that fails in any case. */
const REQUESTS = 10 * BLOCK;
const RATE = 0.005;
/** As `weighing.ts` has them: the part of the way to the bar that must be left. */
export const LEFT = { withoutHost: 0.25, withoutIncidents: 0.2 } as const;

/** The error rate of a candidate's host in a block. */
type Fault = (host: number, second: number) => number;
const hostIncident: Fault = (host, second) => (host === 0 && second >= 15 && second < 65 ? 0.9 : RATE);
const badVersion: Fault = () => 0.05;

const X: Axis = { label: 'minutes', from: 0, to: MINUTES, ticks: [0, 1, 2, 3, 4].map((at) => [at, String(at)]) };
const Y: Axis = {
  label: 'part of the way to the bar',
  from: 0,
  to: 2.5,
  ticks: [
    [0, '0'],
    [0.5, '0.5'],
    [1, '1'],
    [1.5, '1.5'],
    [2, '2'],
    [2.5, '2.5'],
  ],
};

export function guardsPicture(): string {
  const alt =
    'Two charts of evidence over four minutes. In an incident of one host the evidence crosses the bar, but without that host, and without the best stretch of a minute, nothing is left of it. With a bad version all three lines rise past what they need.';
  const frame = (i: number) => ({ left: 62 + i * 352, top: 30, width: 320, height: 230 });
  const incident = panel(frame(0), 'one of three hosts fails for 50 s', X, Y);
  const version = panel(frame(1), 'the version fails on all hosts', X, { ...Y, label: '' });
  return picture(760, 342, alt, [...drawn(incident, hostIncident, 21), ...drawn(version, badVersion, 22), ...legend()]);
}

function drawn(on: Panel, fault: Fault, seed: number): string[] {
  const lines = { evidence: [] as Point[], withoutHost: [] as Point[], withoutIncidents: [] as Point[] };
  let decided: Point | undefined;
  for (const { minute, evidence, withoutHost, withoutIncidents } of played(fault, seed)) {
    lines.evidence.push([minute, evidence]);
    lines.withoutHost.push([minute, withoutHost]);
    lines.withoutIncidents.push([minute, withoutIncidents]);
    const isDecided = evidence >= 1 && withoutHost >= LEFT.withoutHost && withoutIncidents >= LEFT.withoutIncidents;
    if (isDecided) decided ??= [minute, evidence];
  }
  return [
    on.axes,
    on.level(1, 'red dash', 'bar', 'below'),
    on.level(LEFT.withoutHost, 'gold dots', '', 'above'),
    on.level(LEFT.withoutIncidents, 'ink dots', '', 'above'),
    on.line(lines.evidence, 'blue'),
    on.line(lines.withoutHost, 'gold'),
    on.line(lines.withoutIncidents, 'ink'),
    ...(decided === undefined
      ? [on.words([MINUTES / 2, 1], 'held, not rolled back', '', 'middle', [0, -46])]
      : [on.dot(decided, 'red-fill'), on.words(decided, 'rollback', '', 'end', [-8, -6])]),
  ];
}

interface Moment {
  readonly minute: number;
  /** Parts of the way to the bar. */
  readonly evidence: number;
  readonly withoutHost: number;
  readonly withoutIncidents: number;
}

/** The real comparison, block by block. */
export function played(fault: Fault, seed: number): Moment[] {
  const random = new Random(seed);
  const comparison = new Comparison({
    risk: RISK,
    promotionRisk: 1 + CONFIG.promotion.margin,
    budget: 1 - CONFIG.indicators.errors.objective,
    tail: undefined,
    incident: CONFIG.incident / 1000,
    block: BLOCK,
  });
  const host = (rate: number): Counts => ({ all: [REQUESTS], bad: [random.binomial(REQUESTS, rate)], over: [] });
  return Array.from({ length: (MINUTES * 60) / BLOCK }, (_, at) => {
    const candidate = Array.from({ length: HOSTS.candidate }, (_, i) => host(fault(i, at * BLOCK)));
    const baseline = Array.from({ length: HOSTS.baseline }, () => host(RATE));
    comparison.take({ strata: ['POST /pay'], candidate, baseline, suspects: baseline }, (at + 1) * BLOCK);
    const part = (log: number) => Math.max(0, log / Math.log(BAR));
    return {
      minute: ((at + 1) * BLOCK) / 60,
      evidence: part(comparison.worse.logE),
      withoutHost: part(comparison.logWithoutWorst as number),
      withoutIncidents: part(comparison.endurance.left),
    };
  });
}

function legend(): string[] {
  const key = panel(
    { left: 62, top: 318, width: 672, height: 1 },
    '',
    { ...X, ticks: [], label: '' },
    { ...Y, ticks: [], label: '' },
  );
  const entry = (at: number, look: string, name: string) => [
    key.line(
      [
        [at, 0],
        [at + 0.16, 0],
      ],
      look,
    ),
    key.words([at + 0.2, 0], name, '', 'start', [0, 4]),
  ];
  return [
    ...entry(0, 'blue', 'evidence (needs 1)'),
    ...entry(1.05, 'gold', `without the worst host (needs ${LEFT.withoutHost})`),
    ...entry(2.62, 'ink', `without its best minute (needs ${LEFT.withoutIncidents})`),
  ];
}
