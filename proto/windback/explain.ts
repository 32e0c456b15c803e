import type { CohortHealth, Decision, DecisionEvent, DecisionKind, Evidence, Pair } from './decision.ts';
import {
  amount,
  chance,
  clean,
  clip,
  columns,
  duration,
  field,
  moment,
  oneIn,
  PAGE_WIDTH,
  percent,
  shellWord,
  times,
  wrapped,
} from './explain-words.ts';

/** What an event may lack: some fields came after the first events were written, and these are explained too. */
interface Later extends Partial<Pick<Decision, 'operations' | 'exemplars' | 'guards'>> {
  readonly baseline_kind?: 'concurrent' | 'historical' | 'chosen';
  readonly blame?: readonly {
    readonly service: string;
    readonly candidate: string;
    readonly verdict: string;
    readonly why_not: string;
  }[];
  readonly signatures?: readonly { readonly signature: string; readonly count: number }[];
  readonly inconclusive?: string | null;
}

/** What is explained: all of a decision but its explanation. */
export type Explainable = Pick<DecisionEvent, 'id' | 'subject'> & {
  readonly data: Omit<Decision, keyof Later | 'explanation'> & Later;
};

type Data = Explainable['data'];

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
    ['Checked besides', guards(data)],
    ['Other rollouts at the time', others(data)],
    [`Traces of what went wrong`, traces(data)],
    ['What to do', next(event)],
  ];
  const shown = sections.filter(([, lines]) => lines.length > 0);
  const pages = shown.map(([title, lines]) => (title === '' ? lines : [title, ...lines]).join('\n'));
  return `${pages.join('\n\n')}\n`;
}

const HEADLINES: Readonly<Record<DecisionKind, (candidate: string, baseline: string | undefined) => string>> = {
  rollback: (candidate, baseline) => `ROLL BACK ${candidate}${baseline === undefined ? '' : ` to ${baseline}`}`,
  hold: (candidate) => `HOLD ${candidate}: no more traffic to it for now`,
  resume: (candidate) => `RESUME ${candidate}: the doubt has gone`,
  promote: (candidate) => `PROMOTE ${candidate}: it may take all traffic`,
};

function headline({ id, data }: Explainable): string[] {
  const { decision, service, candidate, baseline, rollout, dry_run } = data;
  const versions = HEADLINES[decision](
    clean(candidate.version),
    baseline === null ? undefined : clean(baseline.version),
  );
  const where = [service.namespace, service.environment].filter((part) => part !== '').map(clean);
  const title = `${clean(service.name)}: ${versions}${where.length === 0 ? '' : `  (${where.join(', ')})`}`;
  const elapsed = duration(rollout.elapsed_seconds);
  return [
    clip(title, PAGE_WIDTH),
    '='.repeat(Math.min(title.length, PAGE_WIDTH)),
    ...wrapped(`${clean(data.reason)}.`, PAGE_WIDTH),
    '',
    ...field('decided', `${moment(rollout.decided_at)}, ${elapsed} after the rollout began (event time)`),
    ...field('decision', clean(id)),
    ...(dry_run ? field('dry run', 'yes: no consumer may act on it') : []),
    ...(data.inconclusive == null ? [] : field('open', `inconclusive: ${clean(data.inconclusive)}`)),
  ];
}

const BASELINES: Readonly<Record<NonNullable<Later['baseline_kind']>, string>> = {
  concurrent: 'at the same time: what hits both versions alike cancels out',
  historical:
    'with its own past, since it was not at work at the same time: a change of everything else would look the same, so the bar is higher',
  chosen: 'with the version that the configuration names',
};

function compared({ candidate, baseline, baseline_kind, rollout }: Data): string[] {
  const how = baseline_kind === undefined ? undefined : BASELINES[baseline_kind];
  const known = rollout.known_by === 'deployment_event' ? 'a deployment event' : 'its first telemetry';
  return [
    ...field('candidate', cohort(candidate)),
    ...field('baseline', baseline === null ? 'none' : cohort(baseline)),
    ...(how === undefined ? [] : field('how', how)),
    ...field('since', `${moment(rollout.started_at)}, by ${known}`),
  ];
}

function cohort({ version, requests, errors, log_records, log_errors, instances, score }: CohortHealth): string {
  const logs = log_records > 0 ? `, ${amount(log_errors)} ERROR logs of ${amount(log_records)}` : '';
  const scores = Object.entries(score ?? {}).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  const health = scores.map(([window, value]) => `${window} ${value.toFixed(1)}`).join(', ');
  const from = `${amount(instances)} instance${instances === 1 ? '' : 's'}`;
  return `${clean(version)}: ${amount(requests)} requests, ${amount(errors)} failed (${percent(errors, requests)})${logs}; ${from}${health === '' ? '' : `; health ${health}`}`;
}

/** What is counted as bad, of what. */
const MEANINGS: Readonly<Record<string, string>> = {
  errors: 'failed requests',
  slow_p50: "requests slower than the baseline's median by more than the margin",
  slow_p90: "requests slower than the baseline's 90th percentile by more than the margin",
  slow_p99: "requests slower than the baseline's 99th percentile by more than the margin",
  log_errors: 'log records of severity ERROR and above',
  new_signatures: 'log records and exceptions of a kind that the baseline never had',
  calls: 'requests whose calls to others are outside what the baseline makes',
  resource: 'samples above what the baseline uses',
  silence: 'requests that should have reached it and did not',
};

function evidenceTable({ evidence, indicator }: Data): string[] {
  if (evidence.length === 0) return [];
  const header = ['', 'candidate', 'baseline', 'times as often', 'chance 1 in', 'bar 1 in'];
  const rows = evidence.map((one) => {
    const mark = one.indicator === indicator ? '> ' : one.fired ? '* ' : '  ';
    const { candidate, baseline, e, bar } = one;
    return [`${mark}${clean(one.indicator)}`, pair(candidate), pair(baseline), risk(one), oneIn(e), oneIn(bar)];
  });
  const meanings = evidence.flatMap((one) => {
    const meaning = Object.hasOwn(MEANINGS, one.indicator) ? MEANINGS[one.indicator] : undefined;
    return meaning === undefined ? [] : [`${one.indicator}: ${meaning}`];
  });
  const marks = [
    ...(evidence.some((one) => one.indicator === indicator) ? ['> decided'] : []),
    ...(evidence.some((one) => one.fired && one.indicator !== indicator) ? ['* would have decided too'] : []),
  ];
  const legend = [...marks, ...meanings].join('; ');
  return [...columns([header, ...rows]), ...wrapped(`${legend}.`, PAGE_WIDTH - 4).map((line) => `    ${line}`)];
}

function pair({ bad, all }: Pair): string {
  return all > 0 ? `${amount(bad)} of ${amount(all)} ${percent(bad, all).padStart(6)}` : '-';
}

function risk({ relative_risk, interval }: Evidence): string {
  if (relative_risk === null) return '-';
  if (interval === null) return times(relative_risk);
  const [lower, upper] = interval;
  const range = upper === null ? `${times(lower)}+` : `${times(lower)} to ${times(upper)}`;
  return `${times(relative_risk)} (${range})`;
}

function howSure({ evidence, indicator, policy, decision }: Data): string[] {
  const decisive = evidence.find((one) => one.indicator === indicator);
  const tolerated = `at most ${Number((policy.tolerance * 100).toPrecision(3))} % worse than the baseline`;
  const lines: string[] = [];
  if (decisive !== undefined) {
    const { e, bar, blocks } = decisive;
    const odds = decision === 'rollback' ? `${chance(bar)} would do` : `a rollback needs ${chance(bar)}`;
    lines.push(
      ...wrapped(
        `If the candidate were ${tolerated}, evidence like that of ${clean(decisive.indicator)} would come about by chance in at most ${chance(e)} rollouts, however often one looks; ${odds}. It comes from ${amount(blocks)} separate stretches of event time.`,
        PAGE_WIDTH - 2,
      ),
    );
  }
  const rate = policy.false_rollback_rate;
  lines.push(
    ...wrapped(
      `Policy: at most ${chance(1 / rate)} rollouts whose candidate is ${tolerated} is rolled back, over all indicators and however long it is watched. Configuration ${clean(policy.digest)}.`,
      PAGE_WIDTH - 2,
    ),
  );
  return lines.map((line) => `  ${line}`);
}

function operations({ operations: all = [] }: Data): string[] {
  if (all.length === 0) return [];
  const rows = all.map((one) => [clean(one.operation), clean(one.indicator), pair(one.candidate), pair(one.baseline)]);
  return columns([['', '', 'candidate', 'baseline'], ...rows]);
}

function signatures({ signatures: all = [] }: Data): string[] {
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
};

function guards({ guards: all = [] }: Data): string[] {
  return all.flatMap(({ guard, passed, detail }) => {
    const why = Object.hasOwn(GUARDS, guard) ? ` (${GUARDS[guard]})` : '';
    return field(passed ? 'passed' : 'NOT PASSED', `${clean(guard).replaceAll('_', ' ')}${why}: ${clean(detail)}`);
  });
}

function others({ blame }: Data): string[] {
  if (blame === undefined) return [];
  if (blame.length === 0) return ['  No other rollout was suspected.'];
  return blame.flatMap(({ service, candidate, verdict, why_not }) =>
    wrapped(
      `${clean(service)} ${clean(candidate)} (${clean(verdict)}) is not blamed: ${clean(why_not)}`,
      PAGE_WIDTH - 4,
    ).map((line, i) => `${i === 0 ? '  ' : '    '}${line}`),
  );
}

function traces({ exemplars = [] }: Data): string[] {
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

function next({ subject, data }: Explainable): string[] {
  const candidate = clean(data.candidate.version);
  const target = `${shellWord(clean(subject))} ${shellWord(candidate)}`;
  const command = (kind: string) => `windback override ${kind} ${target} --reason '...'`;
  const baseline = data.baseline === null ? 'the version before it' : clean(data.baseline.version);
  const isForNobody = data.dry_run ? ' This is a dry run, so nobody has done it.' : '';
  const worst = data.operations?.[0]?.operation;
  const look = `Look at ${(data.exemplars ?? []).length > 0 ? 'the traces above' : `requests of ${candidate}`}${worst === undefined ? '' : `, ${clean(worst)} first`}.`;
  const steps: Readonly<Record<DecisionKind, readonly string[]>> = {
    rollback: [
      `Put ${baseline} back; a consumer of the decisions does so by itself.${isForNobody}`,
      look,
      `If ${candidate} must stay nonetheless, before it is deployed again: ${command('pin')}`,
    ],
    hold: [
      `Send ${candidate} no more traffic; resume or rollback follows by itself as evidence comes in.${isForNobody}`,
      look,
      `If you know that it is good: ${command('approve')}`,
    ],
    resume: [`Go on with the rollout of ${candidate}.${isForNobody} It is still watched.`],
    promote: [
      `Let ${candidate} take all traffic.${isForNobody} It is still watched, and evidence may yet roll it back.`,
    ],
  };
  return steps[data.decision].flatMap((step) =>
    wrapped(step, PAGE_WIDTH - 4).map((line, i) => `  ${i === 0 ? '- ' : '  '}${line}`),
  );
}
