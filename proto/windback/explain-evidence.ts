/** The parts of an explanation that show figures: what was compared, the table of evidence, and how sure it is. */
import type { CohortHealth, Evidence, Pair } from './decision.ts';
import { named } from './explain-advice.ts';
import type { ExplainableData } from './explain-event.ts';
import {
  amount,
  chance,
  clean,
  columns,
  field,
  moment,
  oneIn,
  PAGE_WIDTH,
  percent,
  times,
  wrapped,
} from './explain-words.ts';

const HOW = {
  concurrent: 'at the same time: what hits both versions alike cancels out',
  historical:
    'with its own past, since it was not at work at the same time: a change of everything else would look the same, so the bar is higher',
  chosen: 'with the version that the configuration names',
  silence: 'with the requests that its share of the traffic should bring, and with instances that stay up',
} as const;

export function compared({ candidate, baseline, baseline_kind, indicator, rollout }: ExplainableData): string[] {
  const isSilence = indicator === 'silence' && baseline_kind !== 'historical';
  const how = isSilence ? HOW.silence : baseline_kind === undefined ? undefined : HOW[baseline_kind];
  const known = rollout.known_by === 'deployment_event' ? 'a deployment event' : 'its first telemetry';
  return [
    ...field('candidate', cohort(candidate)),
    ...field('baseline', baseline === null ? 'none' : cohort(baseline)),
    ...(how === undefined ? [] : field('how', how)),
    ...field('since', `${moment(rollout.started_at)}, by ${known}`),
  ];
}

function cohort({ version, requests, errors, log_records, log_errors, instances, score }: CohortHealth): string {
  const served =
    requests > 0
      ? `${amount(requests)} requests, ${amount(errors)} failed (${percent(errors, requests)})`
      : 'no requests';
  const logs = log_records > 0 ? `, ${amount(log_errors)} ERROR logs of ${amount(log_records)}` : '';
  const from = `${amount(instances)} instance${instances === 1 ? '' : 's'}`;
  return `${clean(version)}: ${served}${logs}; ${from}${health(score)}`;
}

/** The score: `; health 3.8 of 100`, or by window where they differ: `; health 26.8 of 100 (1m), 26.2 (5m, 30m, 1h)`. */
function health(score: CohortHealth['score'] | undefined): string {
  const windows = new Map<string, string[]>();
  for (const [window, value] of Object.entries(score ?? {})) {
    if (typeof value !== 'number') continue;
    const shown = value.toFixed(1);
    windows.set(shown, [...(windows.get(shown) ?? []), window]);
  }
  const isOne = windows.size === 1;
  const parts = [...windows].map(
    ([value, names], i) => `${value}${i === 0 ? ' of 100' : ''}${isOne ? '' : ` (${names.join(', ')})`}`,
  );
  return parts.length === 0 ? '' : `; health ${parts.join(', ')}`;
}

/** What is counted as bad, of what. */
const MEANINGS: Readonly<Record<string, string>> = {
  errors: 'failed requests',
  log_errors: 'log records of severity ERROR and above',
  new_signatures: 'log records and exceptions of a kind that the baseline never had',
  calls: 'requests whose calls to others are outside what the baseline makes, counted once for each of the others',
  resource: 'samples above what the baseline uses',
  silence: 'requests that should have reached it and did not, or instances that died soon after their start',
};

function meanings(indicators: readonly string[]): string[] {
  const slow = indicators.filter((name) => name.startsWith('slow_'));
  return [
    ...indicators.flatMap((name) => {
      const own = name.startsWith('custom.') ? 'items that are bad by your own condition' : undefined;
      const said = own ?? (Object.hasOwn(MEANINGS, name) ? MEANINGS[name] : undefined);
      return said === undefined ? [] : [`${clean(name)}: ${said}`];
    }),
    ...(slow.length === 0
      ? []
      : [
          `${slow.map(clean).join(', ')}: requests slower than that percentile of the baseline, of the candidate by more than the margin`,
        ]),
  ];
}

/** What decided comes first, then what is nearest to its bar. */
export function evidenceTable(data: ExplainableData): string[] {
  const { evidence, indicator, baseline_kind } = data;
  const isDecisive = (one: Evidence) => one.indicator === indicator;
  const shown = evidence
    .filter((one) => isDecisive(one) || one.candidate.all > 0 || one.baseline.all > 0)
    .toSorted((a, b) => Number(isDecisive(b)) - Number(isDecisive(a)) || b.progress - a.progress);
  if (shown.length === 0) return [];
  const header = ['', 'candidate', 'baseline', 'times as often', 'chance 1 in', 'bar 1 in'];
  const rows = shown.map((one) => {
    const mark = isDecisive(one) ? '> ' : one.fired ? '* ' : '  ';
    const { candidate, baseline, e, bar } = one;
    return [`${mark}${clean(one.indicator)}`, pair(candidate), pair(baseline), risk(one), oneIn(e), oneIn(bar)];
  });
  const legend = [
    ...(shown.some(isDecisive) ? ['> decided'] : []),
    ...(shown.some((one) => one.fired && !isDecisive(one)) ? ['* would have decided too'] : []),
    ...(baseline_kind === 'historical' ? ['counted are minutes that were out of the ordinary'] : []),
    ...meanings(shown.map((one) => one.indicator)),
  ];
  const note = `${legend.join('; ')}.${leftOut(data)}`;
  return [...columns([header, ...rows]), ...wrapped(note, PAGE_WIDTH - 4).map((line) => `    ${line}`)];
}

/** Why requests above are more than those here, where they are. */
function leftOut({ evidence, candidate, baseline_kind }: ExplainableData): string {
  const ofRequests = evidence.filter(({ indicator }) => indicator === 'errors' || indicator.startsWith('slow_'));
  const isLess = baseline_kind !== 'historical' && ofRequests.some((one) => one.candidate.all < candidate.requests);
  return isLess
    ? ' Left out are requests that cannot be compared: the other version did not serve the operation at the time, or (latency) the instance had just started.'
    : '';
}

/** Bad of all, and the share. */
export function pair({ bad, all }: Pair): string {
  return all > 0 ? `${amount(bad)} of ${amount(all)} ${percent(bad, all).padStart(6)}` : '-';
}

function risk({ relative_risk, interval }: Evidence): string {
  if (relative_risk === null) return '-';
  if (interval === null) return times(relative_risk);
  const [lower, upper] = interval;
  const range = upper === null ? `${times(lower)}+` : `${times(lower)} to ${times(upper)}`;
  return `${times(relative_risk)} (${range})`;
}

export function howSure(data: ExplainableData): string[] {
  const { evidence, indicator, policy, decision, candidate } = data;
  const decisive = evidence.find((one) => one.indicator === indicator);
  const lines: string[] = [];
  if (decisive !== undefined) {
    const { e, bar, blocks } = decisive;
    const odds = decision === 'rollback' ? `${chance(bar)} is enough` : `a rollback needs ${chance(bar)}`;
    const stretches = `${amount(blocks)} separate stretch${blocks === 1 ? '' : 'es'} of time`;
    lines.push(
      `If ${named(candidate.version, data)} were no worse than tolerated, evidence like that of ${clean(decisive.indicator)} would ever come about in at most ${chance(e)} rollouts, however often one looks; ${odds}. It comes from ${stretches}.`,
    );
  }
  const tolerated = `${Number((policy.tolerance * 100).toPrecision(3))} % more than the baseline unless an indicator has a margin of its own`;
  lines.push(
    `Policy: of rollouts that are no worse than tolerated (${tolerated}), at most ${chance(1 / policy.false_rollback_rate)} is rolled back, over all indicators and however long it is watched. Configuration ${clean(policy.digest)}.`,
  );
  return lines.flatMap((line) => wrapped(line, PAGE_WIDTH - 2)).map((line) => `  ${line}`);
}
