/** A ledger that finds nothing says nothing: here it gets books that are wrong, one way at a time. */
import { describe, expect, it } from 'vitest';
import type { DecisionEvent } from '../../proto/windback/decision.ts';
import { check, type Facts } from './ledger.ts';
import { countedIn } from './metrics.ts';
import { FAULT_KINDS, planOf } from './plan.ts';
import type { TopicRecord } from './topic.ts';

const [BAD, GOOD] = ['chaos/r1-bad/test', 'chaos/r1-good/test'];
const value = (decision: string, more = ''): string => JSON.stringify({ decision, reason: `because${more}` });
const record = (offset: number, id: string, decision: string, key = BAD): TopicRecord => ({
  partition: 0,
  offset,
  key,
  id,
  value: value(decision),
});
const hold = record(0, 'a', 'hold');
const rollback = record(1, 'b', 'rollback');
const counted = { exporter: 'otlp', accepted: 5, restored: 2, sent: 7, dropped: 0, kept: 0, inQueue: 0 };

/** Books that balance: a hold and a rollback, of which one came again, and three spans, of which one did. */
const balanced: Facts = {
  acked: new Set(['1', '2', '3']),
  delivered: new Map(Object.entries({ 1: 1, 2: 2, 3: 1, 4: 1 })),
  spoilt: [],
  refused: [],
  logged: [
    { id: 'a', service: BAD, decision: 'hold' },
    { id: 'b', service: BAD, decision: 'rollback' },
    { id: 'b', service: BAD, decision: 'rollback' },
  ],
  told: [{ id: 'b', subject: BAD, data: JSON.parse(rollback.value) }] as DecisionEvent[],
  topic: [hold, rollback, { ...rollback, offset: 2 }],
  expected: [
    { service: BAD, rollback: 'once' },
    { service: GOOD, rollback: 'never' },
  ],
  counted: [counted],
  books: 'Every item is accounted for.\n',
  complaints: [],
};

function found(change: Partial<Facts>): string[] {
  return check({ ...balanced, ...change }).map(({ kind }) => kind);
}

describe('the ledger', () => {
  it('is content with books that balance', () => {
    expect(check(balanced)).toEqual([]);
  });

  it.each<[string, Partial<Facts>, string[]]>([
    ['a span that never came', { delivered: new Map([['1', 1]]) }, ['lost', 'lost']],
    ['a span that is not what was sent', { spoilt: ['2'] }, ['changed']],
    ['a request that was refused for good', { refused: ['http: status 400'] }, ['refused']],
    ['a decision that is not on the topic', { topic: [rollback] }, ['lost']],
    [
      'a decision that only the API knows',
      { told: [{ id: 'x', subject: BAD, data: {} }] as DecisionEvent[] },
      ['lost'],
    ],
    [
      'a decision that the API tells otherwise',
      { told: [{ id: 'b', subject: BAD, data: { decision: 'hold' } }] as DecisionEvent[] },
      ['changed'],
    ],
    [
      'an id with two contents',
      { topic: [hold, rollback, { ...rollback, value: value('rollback', '!') }] },
      ['changed'],
    ],
    ['an id with two keys', { topic: [hold, rollback, { ...hold, key: GOOD }] }, ['changed']],
    ['a rollback that is due', { topic: [hold], logged: balanced.logged.slice(0, 1), told: [] }, ['lost']],
    [
      'a rollback under two ids',
      {
        topic: [hold, rollback, record(2, 'c', 'rollback')],
        logged: [...balanced.logged, { id: 'c', service: BAD, decision: 'rollback' }],
      },
      ['doubled'],
    ],
    ['a decision that nobody said', { topic: [...balanced.topic, record(3, 'c', 'resume')] }, ['unasked']],
    [
      'a rollback of what is fine',
      {
        topic: [...balanced.topic, record(3, 'c', 'rollback', GOOD)],
        logged: [...balanced.logged, { id: 'c', service: GOOD, decision: 'rollback' }],
      },
      ['unasked'],
    ],
    ['a rollback before its hold', { topic: [rollback, hold] }, ['order']],
    ['counters that do not add up', { counted: [{ ...counted, sent: 6 }] }, ['counters']],
    ['a ledger that says so itself', { books: 'NOT every item is accounted for.' }, ['counters']],
    ['items that were dropped', { counted: [{ ...counted, sent: 6, dropped: 1 }] }, ['lost']],
    ['a process that ended by itself', { complaints: ['exit code 1'] }, ['process']],
  ])('finds %s', (_, change, kinds) => {
    expect(found(change)).toEqual(kinds);
  });

  it('does not take the order of two services for one', () => {
    const other = record(0, 'c', 'hold', GOOD);
    const logged = [{ id: 'c', service: GOOD, decision: 'hold' }, ...balanced.logged];
    expect(found({ topic: [...balanced.topic, other], logged })).toEqual([]);
  });

  it('reads the counters of each exporter from the page of metrics', () => {
    const page = [
      'windback_exporter_queue_capacity{exporter="otlp"} 100',
      'windback_exporter_queue_items{exporter="otlp"} 2',
      'windback_exporter_accepted_items_total{exporter="otlp",signal="traces"} 5',
      'windback_exporter_accepted_items_total{exporter="otlp",signal="logs"} 1',
      'windback_exporter_sent_items_total{exporter="otlp",signal="traces"} 4',
      'windback_exporter_sent_items_total{exporter="otlp/2",signal="traces"} 9',
    ].join('\n');
    const zero = { restored: 0, dropped: 0, kept: 0 };
    expect(countedIn(page)).toEqual([{ exporter: 'otlp', accepted: 6, sent: 4, inQueue: 2, ...zero }]);
  });
});

describe('the plan', () => {
  it('is a function of seed and round, and of the seed', () => {
    const plans = (seed: number): string => JSON.stringify([1, 2, 3, 40].map((round) => planOf(seed, round)));
    expect(plans(1)).toBe(plans(1));
    expect(plans(1)).not.toBe(plans(2));
  });

  it('has every kind of fault once first in as many rounds as there are kinds', () => {
    const firsts = FAULT_KINDS.map((_, i) => planOf(5, i + 1).faults[0]?.kind);
    expect(firsts.toSorted()).toEqual(FAULT_KINDS.toSorted());
  });

  it('never fills the disk while a process is ended', () => {
    for (let round = 1; round <= 500; round++) {
      const kinds = planOf(1, round).faults.map(({ kind }) => kind);
      const ends = kinds.filter((kind) => ['kill', 'kill_decided', 'stop', 'torn'].includes(kind));
      expect(kinds.includes('disk_full') ? ends : []).toEqual([]);
      expect(ends.length).toBeLessThan(2);
    }
  });
});
