import type { DecisionEvent, Evidence, Pair } from '../../proto/windback/decision.ts';
import type { VerdictConfig } from './config.ts';
import { customName, indicatorNames, partOf, termsOf } from './config-indicators.ts';
import type { HistoryIndicator } from './history-minute.ts';
import type { Comparison } from './evidence/comparison.ts';
import type { Rollout } from './rollout.ts';

type Guard = DecisionEvent['data']['guards'][number];

/** What one indicator says, and what had to hold beside the evidence itself. */
export interface Weighed {
  readonly indicator: string;
  /** The part of the way to the bar, on the log scale: 0 to 1 and above. */
  readonly progress: number;
  /** Whether it decides a rollback: beyond the bar, gating, and past every guard. */
  readonly fired: boolean;
  readonly isGating: boolean;
  /** Whether it was held against the past, for want of another baseline. */
  readonly isHistorical: boolean;
  /** What a person wants to know of it; made when somebody asks. */
  evidence(): Evidence;
  guards(): readonly Guard[];
}

/** Beyond this an e-value is only written as "very large": the largest double is near e^709. */
const MAX_LOG_E = 700;
/** With one host a version, or without its worst host, this part of the way to the bar must be left. */
const BREADTH_PART = 0.25;
/** Without its best stretch of the length of an incident, this part of the way to the bar must be left. */
const INCIDENT_PART = 0.2;
/** Placebos are expected to stay below their number over this, with this probability of error. */
const PLACEBO_ERROR = 0.05;

/** The evidence of every enabled indicator that has something to say. */
export function weigh(rollout: Rollout, config: VerdictConfig): Weighed[] {
  const all: Weighed[] = [];
  for (const name of indicatorNames(config.indicators)) {
    const { enabled, gating } = termsOf(config.indicators, name);
    if (!enabled) continue;
    const logBar = logBarOf(name, config);
    const weighed =
      name === 'silence' ? silence(rollout, logBar, gating) : compared(rollout, name, logBar, gating, config);
    const past = historical(rollout, name, logBar, gating, config);
    const stronger = past !== undefined && past.progress > (weighed?.progress ?? 0) ? past : (weighed ?? past);
    if (stronger !== undefined) all.push(stronger);
  }
  return all;
}

function compared(
  rollout: Rollout,
  name: string,
  logBar: number,
  isGating: boolean,
  config: VerdictConfig,
): Weighed | undefined {
  const comparison = rollout.comparisons.get(name);
  if (comparison === undefined || comparison.worse.blocks === 0) return undefined;
  const tempering = temperingOf(comparison);
  const logE = tempering * comparison.worse.logE;
  const guards = () => [
    ...guardsOf(comparison, name, { logE, logBar, tempering }, config),
    ...(name === 'new_signatures' ? [rewording(rollout, config)] : []),
  ];
  const fired = isGating && logE >= logBar && guards().every(({ passed }) => passed);
  const evidence = (): Evidence => ({
    indicator: name,
    ...figures(logE, logBar),
    blocks: comparison.worse.blocks,
    candidate: { ...comparison.candidate },
    baseline: { ...comparison.baseline },
    relative_risk: comparison.relativeRisk,
    interval: around(comparison.interval.bounds, comparison.relativeRisk),
    fired,
  });
  return {
    indicator: name,
    progress: Math.max(0, logE / logBar),
    fired,
    isGating,
    isHistorical: false,
    evidence,
    guards,
  };
}

function silence(rollout: Rollout, logBar: number, isGating: boolean): Weighed | undefined {
  const { silence: bets } = rollout;
  if (bets.blocks === 0 && bets.births === 0) return undefined;
  const { logE, isCrashLoop } = bets;
  const fired = isGating && logE >= logBar;
  const blocks = isCrashLoop ? bets.births : bets.blocks;
  const evidence = (): Evidence => ({
    indicator: 'silence',
    ...figures(logE, logBar),
    blocks,
    candidate: isCrashLoop
      ? { bad: bets.deaths, all: bets.births }
      : { bad: Math.round(bets.missing), all: Math.round(bets.expected) },
    baseline: { bad: 0, all: 0 },
    relative_risk: null,
    interval: null,
    fired,
  });
  const guards = () => [several(blocks)];
  return {
    indicator: 'silence',
    progress: Math.max(0, logE / logBar),
    fired,
    isGating,
    isHistorical: false,
    evidence,
    guards,
  };
}

/**
 * The interval with the estimate in it. The one weighs every block by itself, the other all of them together, and where
 * the baseline changed with the rollout they may part; a wider interval keeps its promise.
 */
function around([low, high]: Evidence['interval'] & {}, estimate: number | null): Evidence['interval'] {
  if (estimate === null) return [low, high];
  return [Math.min(low, estimate), high === null ? null : Math.max(high, estimate)];
}

/** The past has a bar of its own, higher by a factor; both together spend what the indicator may spend. */
function logBarOf(name: string, config: VerdictConfig): number {
  const { enabled, factor } = config.history;
  const both = enabled ? 1 + 1 / factor : 1;
  return Math.log(both / (config.false_rollback_rate * partOf(config.indicators, name)));
}

function historical(
  rollout: Rollout,
  name: string,
  concurrentLogBar: number,
  isGating: boolean,
  { history }: VerdictConfig,
): Weighed | undefined {
  const bets = rollout.historical.get((name === 'silence' ? 'traffic' : name) as HistoryIndicator);
  if (bets === undefined || bets.minutes === 0) return undefined;
  const { logE } = bets;
  const logBar = concurrentLogBar + Math.log(history.factor);
  const fired = isGating && bets.fires(Math.exp(concurrentLogBar));
  const evidence = (): Evidence => ({
    indicator: name,
    ...figures(logE, logBar),
    blocks: bets.minutes,
    candidate: { bad: bets.bad, all: bets.minutes },
    baseline: { bad: 0, all: bets.historyMinutes },
    relative_risk: bets.expected > 0 ? bets.seen / bets.expected : null,
    interval: null,
    fired,
  });
  const guards = (): Guard[] => [several(bets.minutes), enoughMinutes(bets.minutes, history.min_minutes)];
  return {
    indicator: name,
    progress: Math.max(0, logE / logBar),
    fired,
    isGating,
    isHistorical: true,
    evidence,
    guards,
  };
}

function enoughMinutes(minutes: number, wanted: number): Guard {
  return {
    guard: 'minutes_against_the_past',
    passed: minutes >= wanted,
    detail: `${minutes} minutes were held against the past, in which other services were as ever; ${wanted} are needed`,
  };
}

function figures(logE: number, logBar: number): Pick<Evidence, 'e' | 'bar' | 'progress'> {
  return {
    e: Math.exp(Math.min(logE, MAX_LOG_E)),
    bar: Math.exp(logBar),
    progress: Math.max(0, logE / logBar),
  };
}

/**
 * How far the evidence is to be believed, 0 to 1: if hosts of one and the same version differ from one another as much
 * as a fault would make them, the difference of the candidate says less. Raises the bar only, and so keeps its promise.
 */
function temperingOf(comparison: Comparison): number {
  const expected = Math.log(Math.max(1, comparison.placebos) / PLACEBO_ERROR);
  return Math.min(1, expected / Math.max(expected, comparison.logPlacebo));
}

function guardsOf(
  comparison: Comparison,
  name: string,
  { logE, logBar, tempering }: { logE: number; logBar: number; tempering: number },
  config: VerdictConfig,
): Guard[] {
  return [
    several(comparison.worse.blocks),
    incident(tempering * comparison.endurance.left, logBar, config),
    breadth(comparison, name, tempering, logBar),
    placebo(comparison, tempering),
    average(comparison),
    floor(comparison, name, config),
  ].filter((guard) => guard !== undefined && (logE > 0 || guard.passed)) as Guard[];
}

function several(blocks: number): Guard {
  return {
    guard: 'evidence_in_several_blocks',
    passed: blocks > 1,
    detail: `${blocks} ${blocks === 1 ? 'stretch' : 'stretches'} of event time had something to say`,
  };
}

function incident(left: number, logBar: number, { incident: lengthMs }: VerdictConfig): Guard {
  const passed = left >= INCIDENT_PART * logBar;
  const length = `${lengthMs / 1000} s`;
  return {
    guard: 'longer_than_an_incident',
    passed,
    detail: passed
      ? `the evidence lasts, or comes again and again: it does not rest on incidents of ${length}`
      : `the evidence rests on stretches of ${length}, which may have been incidents of a host`,
  };
}

function breadth(comparison: Comparison, name: string, tempering: number, logBar: number): Guard {
  const guard = 'breadth';
  const without = comparison.logWithoutWorst;
  if (without === undefined) {
    // A level of a gauge tells one host from another as easily as one version from another.
    const passed = name !== 'resource';
    return { guard, passed, detail: 'the candidate has one instance: it cannot be told from its host' };
  }
  const passed = tempering * without >= BREADTH_PART * logBar;
  return {
    guard,
    passed,
    detail: passed
      ? 'the evidence remains without the instance that weighs most'
      : 'the evidence rests on one instance alone: a bad host is not a bad version',
  };
}

function placebo(comparison: Comparison, tempering: number): Guard | undefined {
  if (comparison.placebos === 0) return undefined;
  return {
    guard: 'placebo',
    passed: true,
    detail:
      tempering === 1
        ? 'instances of the baseline do not differ from one another like this'
        : `instances of the baseline differ from one another too: the evidence counts ${Math.round(tempering * 100)} % (on the log scale)`,
  };
}

/** A message that is worded anew is new and takes the place of the old one: that is no more errors than before. */
function rewording({ signed }: Rollout, { indicators, tolerance }: VerdictConfig): Guard {
  const rate = ({ bad, all }: Pair) => (all === 0 ? 0 : bad / all);
  const candidate = rate(signed.candidate);
  const baseline = rate(signed.baseline);
  const passed = candidate > baseline * (1 + tolerance) && candidate - baseline >= indicators.new_signatures.floor;
  return {
    guard: 'more_errors_in_all',
    passed,
    detail: passed
      ? 'errors and exceptions of all kinds together have become more'
      : 'errors and exceptions of all kinds together have not become more: known ones may only be worded anew',
  };
}

function average(comparison: Comparison): Guard {
  const passed = comparison.isWorseOnAverage;
  return {
    guard: 'worse_on_average',
    passed,
    detail: passed
      ? 'the candidate is worse than tolerated on the average of the last hour too'
      : 'on the average of the last hour the candidate is no worse than tolerated: one version fails evenly, the other in bursts',
  };
}

function floor(comparison: Comparison, name: string, { indicators }: VerdictConfig): Guard | undefined {
  const own = customName(name);
  const terms = own === undefined ? indicators[name as 'errors'] : indicators.custom[own];
  // Latency has its floor in the bound beyond which a request is slow.
  if (name.startsWith('slow_') || terms === undefined || terms.floor === 0) return undefined;
  const passed = comparison.excess >= terms.floor;
  const points = (value: number) => `${Number((value * 100).toPrecision(2))} percentage points`;
  return {
    guard: 'large_enough_to_matter',
    passed,
    detail: `${points(Math.max(0, comparison.excess))} of all events more are bad than of the baseline; ${points(terms.floor)} would matter`,
  };
}
