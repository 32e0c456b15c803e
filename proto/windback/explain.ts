import type { DecisionKind } from './decision.ts';
import { advice, named } from './explain-advice.ts';
import { compared, evidenceTable, howSure, pair } from './explain-evidence.ts';
import type { Explainable, ExplainableData } from './explain-event.ts';
import { amount, clean, clip, columns, duration, field, moment, PAGE_WIDTH, wrapped } from './explain-words.ts';

/**
 * Everything that a decision rests on, on one page of plain text of at most 100 columns: what was decided, what was
 * compared, how sure it is, where to look and what to do. A function of the event alone.
 */
export function explain(event: Explainable): string {
  const { data } = event;
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ['', headline(event)],
    ['What was compared', compared(data)],
    ['Evidence', evidenceTable(data)],
    ['How sure', howSure(data)],
    ['Operations that stand out', operations(data)],
    ['New in the candidate', signatures(data)],
    ['Checks against a false alarm', guards(data)],
    ['Other rollouts at the time', others(data)],
    [`Traces of what went wrong`, traces(data)],
    ['What to do', advice(event)],
  ];
  const shown = sections.filter(([, lines]) => lines.length > 0);
  const pages = shown.map(([title, lines]) => (title === '' ? lines : [title, ...lines]).join('\n'));
  return `${pages.join('\n\n')}\n`;
}

const HEADLINES: Readonly<Record<DecisionKind, (candidate: string, baseline: string | undefined) => string>> = {
  rollback: (candidate, baseline) => `ROLL BACK ${candidate}${baseline === undefined ? '' : ` to ${baseline}`}`,
  hold: (candidate) => `HOLD ${candidate}: it keeps the traffic it has for now`,
  resume: (candidate) => `RESUME ${candidate}: the doubt has gone`,
  promote: (candidate) => `PROMOTE ${candidate}: it may take all traffic`,
};

function headline({ id, data }: Explainable): string[] {
  const { decision, service, candidate, baseline, rollout, dry_run } = data;
  const versions = HEADLINES[decision](
    named(candidate.version, data),
    baseline === null ? undefined : named(baseline.version, data),
  );
  const where = [service.namespace, service.environment].filter((part) => part !== '').map(clean);
  const title = `${clean(service.name)}: ${versions}${where.length === 0 ? '' : `  (${where.join(', ')})`}`;
  const elapsed = duration(rollout.elapsed_seconds);
  return [
    clip(title, PAGE_WIDTH),
    '='.repeat(Math.min(title.length, PAGE_WIDTH)),
    ...wrapped(`${clean(data.reason)}.`, PAGE_WIDTH),
    '',
    ...field('decided', `${moment(rollout.decided_at)}, ${elapsed} after the rollout began, by the telemetry's clock`),
    ...field('decision', clean(id)),
    ...(dry_run ? field('dry run', 'yes: no consumer may act on it') : []),
    ...(data.inconclusive == null ? [] : field('open', `inconclusive: ${clean(data.inconclusive)}`)),
  ];
}

function operations({ operations: all = [] }: ExplainableData): string[] {
  if (all.length === 0) return [];
  const rows = all.map((one) => [clean(one.operation), clean(one.indicator), pair(one.candidate), pair(one.baseline)]);
  return columns([['', '', 'candidate', 'baseline'], ...rows]);
}

function signatures({ signatures: all = [] }: ExplainableData): string[] {
  const rows = all.map(({ signature, count }) => `${amount(count).padStart(8)} times  ${clean(signature)}`);
  return rows.map((row) => clip(`  ${row}`, PAGE_WIDTH));
}

/** Why a guard is there. */
const GUARDS: Readonly<Record<string, string>> = {
  evidence_in_several_blocks: 'one bad moment cannot decide',
  longer_than_an_incident: 'a short incident of one host cannot decide',
  large_enough_to_matter: 'a difference that nobody would notice cannot decide',
  placebo: 'noise that is there between instances of the baseline too cannot decide',
  breadth: 'one bad host cannot decide',
  more_errors_in_all: 'an error that is only worded anew cannot decide',
  worse_on_average: 'errors that come in bursts in one version and evenly in the other cannot decide',
  minutes_against_the_past: 'a few strange minutes cannot decide',
};

function guards({ guards: all = [] }: ExplainableData): string[] {
  // What stands in the way comes first.
  return all
    .toSorted((a, b) => Number(a.passed) - Number(b.passed))
    .flatMap(({ guard, passed, detail }) => {
      const why = Object.hasOwn(GUARDS, guard) ? ` (${GUARDS[guard]})` : '';
      return field(passed ? 'passed' : 'NOT PASSED', `${clean(guard).replaceAll('_', ' ')}${why}: ${clean(detail)}`);
    });
}

/** Others with the same answer stand together. */
function others({ blame }: ExplainableData): string[] {
  if (blame === undefined) return [];
  if (blame.length === 0) return ['  There was none.'];
  const answers = new Map<string, string[]>();
  for (const { service, candidate, verdict, why_not } of blame) {
    const name = `${clean(service)} ${clean(candidate)} (${clean(verdict)})`;
    answers.set(why_not, [...(answers.get(why_not) ?? []), name]);
  }
  return [...answers].flatMap(([why, names]) =>
    wrapped(`${names.join(', ')}: ${clean(why)}`, PAGE_WIDTH - 4).map((line, i) => `${i === 0 ? '  ' : '    '}${line}`),
  );
}

function traces({ exemplars = [] }: ExplainableData): string[] {
  const rows: string[] = [];
  for (let i = 0; i < exemplars.length; i += 2)
    rows.push(
      `  ${exemplars
        .slice(i, i + 2)
        .map(clean)
        .join('  ')}`,
    );
  return rows;
}
