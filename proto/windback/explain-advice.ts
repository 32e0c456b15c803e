/** The parts of an explanation that say what to do. */
import type { DecisionKind } from './decision.ts';
import type { Explainable, ExplainableData } from './explain-event.ts';
import { clean, PAGE_WIDTH, shellWord, wrapped } from './explain-words.ts';

/** A version as a person says it: that of a feature flag is a variant, and might be read as a word of the sentence. */
export function named(version: string, { service }: ExplainableData): string {
  return service.name.includes('#') ? `variant "${clean(version)}"` : clean(version);
}

export function advice(event: Explainable): string[] {
  const { data } = event;
  const steps = STEPS[data.decision](event).filter((step) => step !== '');
  return steps.flatMap((step) => wrapped(step, PAGE_WIDTH - 4).map((line, i) => `  ${i === 0 ? '- ' : '  '}${line}`));
}

const STEPS: Readonly<Record<DecisionKind, (event: Explainable) => readonly string[]>> = {
  rollback: (event) => {
    const { data } = event;
    const baseline = data.baseline === null ? 'the version before it' : named(data.baseline.version, data);
    const back = `Put ${baseline} back${data.dry_run ? `.${dryRun(data)}` : ', unless a consumer of the decisions has done so already.'}`;
    const command = override('pin', event);
    return [back, look(data), `If ${candidate(data)} must stay nonetheless, before it is deployed again: ${command}`];
  },
  hold: (event) => {
    const { data } = event;
    const known = `If you know that it is good: ${override('approve', event)}`;
    if (data.inconclusive != null) return [unsettled(data.inconclusive, data), look(data), known];
    const pause = `Give ${candidate(data)} no more traffic than it has; resume or rollback follows by itself as evidence comes in.${dryRun(data)}`;
    return [pause, look(data), known];
  },
  resume: ({ data }) => [`Go on with the rollout of ${candidate(data)}.${dryRun(data)} It is still watched.`],
  promote: ({ data }) => [
    `Let ${candidate(data)} take all traffic.${dryRun(data)} It is still watched, and evidence may yet roll it back.`,
  ],
};

const candidate = (data: ExplainableData): string => named(data.candidate.version, data);

const dryRun = ({ dry_run }: ExplainableData): string => (dry_run ? ' This is a dry run, so nobody has done it.' : '');

function override(kind: string, { subject, data }: Explainable): string {
  const target = `${shellWord(clean(subject))} ${shellWord(clean(data.candidate.version))}`;
  return `windback override ${kind} ${target} --reason '...'`;
}

/** By what the reason begins with: what would help. */
const UNSETTLED: readonly (readonly [string, (candidate: string, baseline: string) => string])[] = [
  [
    'too little is known',
    (name) =>
      `No evidence for a rollback so far, nor enough for a promotion. Wait, or give ${name} more traffic if requests are what is missing.`,
  ],
  ['noisy', () => 'Look at the instance or the minute that stands out; add instances, or replace the host.'],
  [
    'both bad',
    (name, baseline) => `Settle the incident first: ${baseline} fails as well. ${name} is compared meanwhile.`,
  ],
  [
    'no baseline',
    (name, baseline) => `Keep ${baseline} at work beside ${name} for a while, so that they can be compared.`,
  ],
  ['clock skew', () => 'Set the clocks of its hosts right, or raise lateness of the verdict processor.'],
];

function unsettled(reason: string, data: ExplainableData): string {
  const baseline = data.baseline === null ? 'the version before it' : named(data.baseline.version, data);
  const found = UNSETTLED.find(([beginning]) => reason.startsWith(beginning));
  const what = found?.[1](candidate(data), baseline) ?? `Leave ${candidate(data)} the traffic it has.`;
  return `${what}${dryRun(data)}`;
}

/** Where to look, by what decided. */
function look(data: ExplainableData): string {
  const { indicator, operations = [], exemplars = [] } = data;
  const name = candidate(data);
  const worst = operations[0] === undefined ? '' : `, ${clean(operations[0].operation)} first`;
  if (indicator === 'silence') {
    return `See whether instances of ${name} start, stay up and get requests, and whether their telemetry reaches Windback.`;
  }
  if (indicator === 'resource') return `Look at what instances of ${name} use${worst}.`;
  if (exemplars.length > 0) return `Look at the traces above${worst}.`;
  if (indicator === 'log_errors' || indicator === 'new_signatures') return `Look at the logs of ${name}${worst}.`;
  if (data.inconclusive != null) return '';
  return `Look at requests of ${name}${worst}.`;
}
