import type { CohortHealth, DecisionEvent, Evidence } from '../../proto/windback/decision.ts';
import { GOOD, nameOf } from './cast.ts';
import type { Outcome } from './play.ts';
import { grouped, type Paint, percent, seconds, wrapped } from './style.ts';

const WIDTH = 96;
/** Traces named; the event has up to ten. */
const MAX_TRACES = 3;

/** A decision as its event explains it: the sentence, what it rests on, how sure it is, and where to look. */
export function explained({ data }: DecisionEvent, paint: Paint): string[] {
  const { service, candidate, baseline, rollout, evidence, indicator, policy, exemplars } = data;
  const decisive = evidence.find((one) => one.indicator === indicator);
  const lines = [
    paint('bold', `Why ${service.name} ${candidate.version} was rolled back`),
    ...wrapped(data.reason, WIDTH).map((line) => `  ${line}`),
    '',
    paint('dim', '  evidence         candidate          baseline  blocks        e-value     decides at'),
    ...evidence.map((one) => evidenceLine(one, indicator, paint)),
    '',
    ...(decisive === undefined ? [] : field('how sure', howSure(decisive, policy), paint)),
    ...field(
      'when',
      `${rollout.elapsed_seconds} s of event time after the rollout began (${rollout.started_at})`,
      paint,
    ),
    ...field('health', healthWords(candidate, baseline), paint),
  ];
  if (exemplars.length > 0) {
    const [first = '', ...more] = exemplars.slice(0, MAX_TRACES);
    lines.push(...field('traces', `${first}  (of requests that failed)`, paint));
    lines.push(...more.map((id) => `  ${' '.repeat(LABEL_WIDTH)}${id}`));
  }
  return lines;
}

const LABEL_WIDTH = 10;

/** `  label     text`, continued below the text. */
export function field(label: string, text: string, paint: Paint): string[] {
  return wrapped(text, WIDTH - LABEL_WIDTH).map(
    (line, i) => `  ${paint('dim', (i === 0 ? label : '').padEnd(LABEL_WIDTH))}${line}`,
  );
}

function evidenceLine(one: Evidence, decisive: string | null, paint: Paint): string {
  const pair = ({ bad, all }: Evidence['candidate']) => (all === 0 ? '-' : `${grouped(bad)} of ${grouped(all)}`);
  const line = [
    one.indicator.padEnd(12),
    pair(one.candidate).padStart(14),
    pair(one.baseline).padStart(18),
    String(one.blocks).padStart(8),
    amount(one.e).padStart(15),
    amount(one.bar).padStart(15),
  ].join('');
  return one.indicator === decisive ? `  ${paint('bold', line)}  ${paint('red', 'decided')}` : `  ${line}`;
}

function amount(value: number): string {
  if (value >= 1e9) return 'over 10^9';
  return value >= 100 ? grouped(Math.round(value)) : value.toFixed(2);
}

function howSure({ bar }: Evidence, policy: DecisionEvent['data']['policy']): string {
  const tolerated = percent(policy.tolerance, 1).replace('.0', '');
  const once = grouped(Math.round(1 / policy.false_rollback_rate));
  return (
    `a version that is at most ${tolerated} worse gets to an e-value of ${grouped(Math.round(bar))} in fewer than 1 of ` +
    `${grouped(Math.round(bar))} rollouts, however long one watches; over all indicators, fewer than 1 in ${once} ` +
    'sound rollouts is rolled back'
  );
}

function healthWords(candidate: CohortHealth, baseline: CohortHealth | null): string {
  const one = ({ version, score }: CohortHealth) => `${version} ${score['1m']?.toFixed(1) ?? '-'}`;
  const both = [candidate, ...(baseline === null ? [] : [baseline])].map(one).join(', ');
  return `${both} (1 minute; 100 is perfect, 50 burns the error budget as fast as the objective allows)`;
}

/** What is said of the version that was left alone. */
export function leftAlone({ watchedMs, requests, failed, doubts }: Outcome['good'], paint: Paint): string[] {
  const watched =
    `watched for ${seconds(watchedMs)}, longer than it took to decide about the other: ` +
    `${grouped(failed)} of ${grouped(requests)} requests failed`;
  const kinds = doubts.map(({ data }) => data.decision).join(', then ');
  return [
    paint('bold', `${doubts.length === 0 ? 'No decision about' : 'No rollback of'} ${nameOf(GOOD)}`),
    ...wrapped(
      `It was ${watched}, ${kinds === '' ? 'and nothing speaks against it' : `with some doubt: ${kinds}`}.`,
      WIDTH,
    ).map((line) => `  ${line}`),
  ];
}
