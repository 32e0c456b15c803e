import { type DecisionEvent } from '../../proto/windback/decision.ts';
import type { Logged } from './program.ts';
import type { TopicRecord } from './topic.ts';

/** What one exporter of Windback has counted since the process began, in items. */
export interface Counted {
  readonly exporter: string;
  readonly accepted: number;
  readonly restored: number;
  readonly sent: number;
  readonly dropped: number;
  readonly kept: number;
  readonly inQueue: number;
}

/** A service whose new version was sent, and what should have come of it. */
export interface Expected {
  /** The service key. */
  readonly service: string;
  readonly rollback: 'once' | 'never' | 'whatever';
}

/** All that is known when everything is quiet. */
export interface Facts {
  readonly acked: ReadonlySet<string>;
  /** How often each span came to the sink. */
  readonly delivered: ReadonlyMap<string, number>;
  readonly spoilt: readonly string[];
  readonly refused: readonly string[];
  /** All decisions of the run, in the order in which Windback said so. */
  readonly logged: readonly Logged[];
  /** What the API says was decided. */
  readonly told: readonly DecisionEvent[];
  /** All records of the run, each partition in its order. */
  readonly topic: readonly TopicRecord[];
  readonly expected: readonly Expected[];
  readonly counted: readonly Counted[];
  /** Windback's own ledger, as a page. */
  readonly books: string;
  readonly complaints: readonly string[];
}

export interface Problem {
  readonly kind: 'lost' | 'doubled' | 'changed' | 'order' | 'unasked' | 'refused' | 'counters' | 'process';
  readonly what: string;
}

/** What Windback's ledger begins with when nothing is missing. */
const BALANCED = 'Every item is accounted for.';

/** Everything that is wrong. */
export function check(facts: Facts): Problem[] {
  return [...spanProblems(facts), ...decisionProblems(facts), ...countProblems(facts), ...processProblems(facts)];
}

function spanProblems({ acked, delivered, spoilt, refused }: Facts): Problem[] {
  const lost = [...acked].filter((id) => !delivered.has(id));
  return [
    ...lost.map((id): Problem => ({ kind: 'lost', what: `span ${id} was acknowledged and never came` })),
    ...spoilt.map((id): Problem => ({ kind: 'changed', what: `span ${id} is not what was sent` })),
    ...refused.map((why): Problem => ({ kind: 'refused', what: `a request was refused for good: ${why}` })),
  ];
}

function decisionProblems(facts: Facts): Problem[] {
  const { topic, told } = facts;
  const first = firstOf(topic);
  return [...repeated(topic, first), ...unequal(told, first), ...sequences(facts, first), ...rollbacks(facts, first)];
}

/** What a consumer keeps that drops ids it knows. */
export function firstOf(topic: readonly TopicRecord[]): Map<string, TopicRecord> {
  const first = new Map<string, TopicRecord>();
  for (const record of topic) if (!first.has(record.id)) first.set(record.id, record);
  return first;
}

function repeated(topic: readonly TopicRecord[], first: ReadonlyMap<string, TopicRecord>): Problem[] {
  return topic.flatMap((record): Problem[] => {
    const { id, key, value, partition } = first.get(record.id) as TopicRecord;
    const isSame = key === record.key && value === record.value && partition === record.partition;
    return isSame ? [] : [{ kind: 'changed', what: `decision ${id} came again with other content` }];
  });
}

function unequal(told: readonly DecisionEvent[], first: ReadonlyMap<string, TopicRecord>): Problem[] {
  return told.flatMap(({ id, subject, data }): Problem[] => {
    const record = first.get(id);
    if (record === undefined)
      return [{ kind: 'lost', what: `decision ${id} of ${subject}, told by the API, is not on the topic` }];
    const isSame = record.value === JSON.stringify(data);
    return isSame
      ? []
      : [{ kind: 'changed', what: `decision ${id} of ${subject} is another one on the topic than in the API` }];
  });
}

/** What was decided about each service is on the topic, in the order in which it was decided, and nothing else is. */
function sequences({ logged }: Facts, first: ReadonlyMap<string, TopicRecord>): Problem[] {
  const problems: Problem[] = [];
  const decided = grouped(logged.map(({ id, service }) => [service, id]));
  const published = grouped([...first.values()].map(({ id, key }) => [key, id]));
  for (const key of new Set([...decided.keys(), ...published.keys()])) {
    const said = decided.get(key) ?? [];
    const came = published.get(key) ?? [];
    for (const id of said)
      if (!came.includes(id)) problems.push({ kind: 'lost', what: `decision ${id} of ${key} is not on the topic` });
    for (const id of came)
      if (!said.includes(id))
        problems.push({ kind: 'unasked', what: `decision ${id} of ${key} was never said to be decided` });
    const both = came.filter((id) => said.includes(id));
    const asSaid = said.filter((id) => both.includes(id));
    if (both.join() !== asSaid.join())
      problems.push({ kind: 'order', what: `${key}: decided ${asSaid.join(', ')}; on the topic ${both.join(', ')}` });
  }
  return problems;
}

/** Ids by key, each once, in their order. */
function grouped(entries: readonly (readonly [key: string, id: string])[]): Map<string, string[]> {
  const groups = new Map<string, Set<string>>();
  for (const [key, id] of entries) groups.set(key, (groups.get(key) ?? new Set()).add(id));
  return new Map([...groups].map(([key, ids]) => [key, [...ids]]));
}

function rollbacks({ expected }: Facts, first: ReadonlyMap<string, TopicRecord>): Problem[] {
  const came = grouped(
    [...first.values()]
      .filter(({ value }) => JSON.parse(value).decision === 'rollback')
      .map(({ key, id }) => [key, id]),
  );
  return expected.flatMap(({ service, rollback }): Problem[] => {
    const ids = came.get(service) ?? [];
    if (rollback === 'once' && ids.length === 0)
      return [{ kind: 'lost', what: `${service}: a rollback is due, and there is none` }];
    if (rollback === 'once' && ids.length > 1)
      return [{ kind: 'doubled', what: `${service} was rolled back as ${ids.join(' and ')}` }];
    if (rollback === 'never' && ids.length > 0)
      return [{ kind: 'unasked', what: `${service} is fine, and was rolled back` }];
    return [];
  });
}

function countProblems({ counted, books }: Facts): Problem[] {
  const problems: Problem[] = [];
  for (const { exporter, accepted, restored, sent, dropped, kept, inQueue } of counted) {
    const [came, went] = [accepted + restored, sent + dropped + kept + inQueue];
    const what = `${exporter}: ${came} accepted and restored, ${went} sent, dropped, kept or waiting`;
    if (came !== went) problems.push({ kind: 'counters', what });
    if (dropped > 0) problems.push({ kind: 'lost', what: `${exporter} has dropped ${dropped} items` });
  }
  if (!books.startsWith(BALANCED)) problems.push({ kind: 'counters', what: `its own ledger says: ${books}` });
  return problems;
}

function processProblems({ complaints }: Facts): Problem[] {
  return complaints.map((what): Problem => ({ kind: 'process', what }));
}
