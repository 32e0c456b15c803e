/** A service goes from one configuration to another one, with components that write down what happens to them. */
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../pipeline/clock.ts';
import type { Batch } from '../../pipeline/batch.ts';
import type { ComponentTable, Outlets } from '../../pipeline/component.ts';
import { Service } from '../../pipeline/service.ts';
import { recordingLogger } from '../support/context.ts';
import { Journal, journalTable, loadYaml, settled, surroundings, telemetry } from '../support/pipeline.ts';

/** `source` says where it listens, and so a changed one takes a port over; `source/two` listens nowhere. */
const YAML = `receivers: {source: {endpoint: 'localhost:29871'}, source/two: }
processors: {pass: , pass/two: , change: , fold: , judge: }
exporters: {sink: , sink/two: , queued: }
service:
  shutdown_timeout: 10s
  telemetry: {logs: {level: LEVEL}}
  pipelines:
    traces: {receivers: [source], processors: [pass, fold], exporters: [sink]}
    decisions: {receivers: [fold], processors: [judge], exporters: [queued]}
`;

/** `pipelines` in place of those above, and each of `changed` with another option. */
interface Other {
  readonly pipelines?: readonly string[];
  readonly changed?: readonly string[];
  readonly level?: string;
}

function yaml({ pipelines, changed = [], level = 'info' }: Other = {}): string {
  let text = YAML.replace('LEVEL', level);
  for (const id of changed) {
    text = text.includes(`${id}: {`)
      ? text.replace(`${id}: {`, `${id}: {level: 1, `)
      : text.replace(`${id}: `, `${id}: {level: 1}`);
  }
  if (pipelines === undefined) return text;
  return text.slice(0, text.indexOf('    traces:')) + pipelines.map((line) => `    ${line}\n`).join('');
}

const TRACES = 'traces: {receivers: [source], processors: [pass, fold], exporters: [sink]}';
const DECISIONS = 'decisions: {receivers: [fold], processors: [judge], exporters: [queued]}';

async function started(change: (table: ComponentTable) => ComponentTable = (table) => table) {
  const journal = new Journal();
  const clock = new ManualClock();
  const table = change(journalTable(journal));
  const { logger, lines } = recordingLogger();
  const service = new Service(loadYaml(yaml(), table), { ...surroundings(clock), logger: logger as never });
  await service.start();
  journal.lines.length = 0;
  // Those of the first one: what is made in vain gets others.
  const outlets = journal.outlets.get('source');
  const send = (batch: Batch = telemetry(1)) => outlets?.to(batch.signal).consume(batch);
  return {
    service,
    journal,
    clock,
    lines,
    send,
    reload: (to: Other) => service.reload(loadYaml(yaml(to), table)),
  };
}

/** `pass` answers when the gate is open. */
async function startedSlowly() {
  const gate = Promise.withResolvers<void>();
  const slowly = (table: ComponentTable): ComponentTable => ({
    ...table,
    processors: table.processors.map((factory) => ({
      ...factory,
      create: (...args: Parameters<typeof factory.create>) => {
        const made = factory.create(...args);
        if (args[2].id !== 'pass') return made;
        const consume = async (batch: Batch) => {
          await gate.promise;
          return made.consume(batch);
        };
        return { ...made, consume };
      },
    })),
  });
  return { ...(await started(slowly)), gate };
}

describe('what goes on', () => {
  test('everything, where nothing of it is another', async () => {
    const { reload, journal } = await started();
    expect(await reload({})).toEqual({ started: [], stopped: [], kept: 6 });
    expect(journal.lines).toEqual([]);
  });

  test('all but what changed, and what is added and removed', async () => {
    const { reload, journal, send } = await started();
    const changes = await reload({
      changed: ['fold'],
      pipelines: [
        'traces: {receivers: [source], processors: [pass, fold], exporters: [sink/two]}',
        DECISIONS,
        'logs: {receivers: [source], exporters: [sink/two]}',
      ],
    });
    expect(changes).toEqual({ started: ['fold', 'sink/two'], stopped: ['fold', 'sink'], kept: 4 });
    await settled();
    // Upstream stops first and starts last; an exporter begins before it is needed and ends when it is not.
    expect(journal.lines).toEqual(['start sink/two', 'stop fold', 'start fold', 'stop sink']);
    await send();
    await send(telemetry(1, 'logs'));
    expect(journal.at('sink')).toEqual([]);
    expect(journal.at('sink/two').map(({ signal }) => signal)).toEqual(['traces', 'logs']);
    expect(journal.at('queued').map(({ signal }) => signal)).toEqual(['decisions']);
  });

  test('who has kept an outlet reaches what is there now', async () => {
    const { reload, journal } = await started();
    const outlet = journal.outlets.get('source')?.to('traces');
    await reload({ pipelines: ['traces: {receivers: [source], exporters: [sink/two]}'] });
    await outlet?.consume(telemetry(1));
    expect(journal.at('sink/two')).toHaveLength(1);
    expect([journal.outlets.get('source')?.has('traces'), journal.outlets.get('source')?.has('logs')]).toEqual([
      true,
      false,
    ]);
  });

  test('processors that change places are made anew: a batch between them would see one twice, or never', async () => {
    const { reload, journal } = await started();
    const swapped = 'traces: {receivers: [source], processors: [fold, pass], exporters: [sink]}';
    expect(await reload({ pipelines: [swapped, DECISIONS] })).toMatchObject({ stopped: ['pass', 'fold'], kept: 4 });
    expect(journal.lines).toEqual(['stop pass', 'stop fold', 'start pass', 'start fold']);
  });

  test('a processor that nobody gets traces from any more is made anew', async () => {
    const { reload } = await started();
    const logs = 'logs: {receivers: [source], processors: [pass, fold], exporters: [sink]}';
    expect(await reload({ pipelines: [logs, DECISIONS] })).toMatchObject({ started: ['pass', 'fold'].toReversed() });
  });
});

test('the level of the log is another one from then on, for what goes on and for what is new', async () => {
  const { reload, journal } = await started();
  const levels = () => ['source', 'fold', 'sink'].map((id) => (journal.loggers.get(id) as { level?: string }).level);
  expect(new Set(levels())).toEqual(new Set(['debug']));
  await reload({ changed: ['fold'], level: 'error' });
  expect(new Set(levels())).toEqual(new Set(['error']));
});

describe('batches meanwhile', () => {
  test('under way in what is replaced: come to their end before it stops; those that come wait, and see the new one', async () => {
    const { reload, journal, send, gate } = await startedSlowly();
    const first = send();
    const reloaded = reload({ changed: ['pass'] });
    await settled();
    const second = send();
    await settled();
    expect(journal.lines).toEqual([]);
    gate.resolve();
    await Promise.all([first, second, reloaded]);
    expect(journal.lines).toEqual(['stop pass', 'start pass']);
    expect(journal.at('sink')).toHaveLength(2);
  });

  test('that do not come to an end hold nobody up for longer than 5 s, and it is said', async () => {
    const { reload, journal, send, clock, lines, gate } = await startedSlowly();
    const first = send();
    const reloaded = reload({ changed: ['pass'] });
    await clock.advanceTo(4_999);
    expect(journal.lines).toEqual([]);
    await clock.advanceTo(5_000);
    await reloaded;
    expect(lines).toContainEqual(expect.objectContaining({ component: 'pass', batches: 1 }));
    gate.resolve();
    await first;
    expect(journal.at('sink')).toHaveLength(1);
    expect(clock.alarms).toBe(0);
  });

  test('that have nowhere to go in the new configuration are refused, and may be sent again', async () => {
    const { reload, send, gate } = await startedSlowly();
    const first = send();
    const reloaded = reload({ pipelines: ['logs: {receivers: [source], exporters: [sink]}'] });
    await settled();
    const second = send();
    gate.resolve();
    await Promise.all([first, reloaded]);
    await expect(second).rejects.toMatchObject({ code: 'reconfigured', row: { retryable: true } });
  });

  test('a source waits too: what judges is replaced between two of its batches', async () => {
    const { reload, journal, send } = await started();
    let sent: Promise<void> | undefined;
    journal.onStart = async () => {
      sent = send();
      await settled();
      expect([journal.at('fold').length, journal.at('judge').length]).toEqual([1, 0]);
    };
    await reload({ changed: ['judge'] });
    await sent;
    expect(journal.lines).toEqual(['stop judge', 'start judge']);
    expect(journal.at('judge')).toHaveLength(1);
  });
});

describe('what cannot start', () => {
  const everything = {
    changed: ['source', 'pass', 'fold', 'judge'],
    pipelines: [
      'traces: {receivers: [source, source/two], processors: [pass, fold, change], exporters: [sink/two, queued]}',
      DECISIONS,
    ],
  };

  // For `source` and those behind it in this list, the old one has stopped by then.
  test.each(['sink/two', 'source/two', 'source', 'judge', 'fold', 'pass', 'change'])(
    '%s: the old configuration goes on as it was',
    async (id) => {
      const { reload, journal, send, service, clock } = await started();
      await send();
      const before = journal.batches.map((one) => one.id);
      journal.onStart = async (starting) => {
        if (starting !== id || journal.failing.has(id)) return;
        journal.failing.add(id);
        // Once: the old one is made anew by the same name.
        journal.onStart = async () => void journal.failing.delete(id);
      };
      await expect(reload(everything)).rejects.toMatchObject({ code: 'internal', detail: `${id} is broken` });
      expect(service.state).toBe('ready');
      journal.batches.length = 0;
      await send();
      expect(journal.batches.map((one) => one.id)).toEqual(before);
      expect(aliveAfter(journal)).toEqual([]);
      journal.lines.length = 0;
      await service.stop();
      expect(journal.lines).toEqual(['source', 'pass', 'fold', 'judge', 'sink', 'queued'].map((one) => `stop ${one}`));
      expect(clock.alarms).toBe(0);
    },
  );

  test('nor the old one afterwards: it is said', async () => {
    const { reload, journal, lines } = await started();
    journal.failing.add('pass');
    await expect(reload({ changed: ['pass'] })).rejects.toMatchObject({ detail: 'pass is broken' });
    expect(lines.at(-1)).toMatchObject({ component: 'pass', msg: 'it cannot be started again: restart Windback' });
  });
});

/** What was started and not stopped beyond what had run, and what was stopped of that and not started again. */
function aliveAfter({ lines }: Journal): string[] {
  const counts = new Map<string, number>();
  for (const line of lines) {
    const [word, id] = line.split(' ') as [string, string];
    counts.set(id, (counts.get(id) ?? 0) + (word === 'start' ? 1 : -1));
  }
  return [...counts].filter(([, count]) => count !== 0).map(([id, count]) => `${id} ${count}`);
}

describe('receivers', () => {
  test('one that changes on its port: the old one stops first, then the new one starts, then what is behind them', async () => {
    const { reload, journal } = await started();
    expect(await reload({ changed: ['source', 'pass'] })).toMatchObject({ kept: 4 });
    expect(journal.lines).toEqual(['stop source', 'start source', 'stop pass', 'start pass']);
  });

  test('one that comes: it starts before another one stops', async () => {
    const { reload, journal } = await started();
    await reload({ pipelines: [TRACES.replace('[source]', '[source/two]'), DECISIONS] });
    expect(journal.lines).toEqual(['start source/two', 'stop source']);
  });

  test('what a new one lets in waits until what is behind it is there', async () => {
    const { reload, journal } = await started();
    const sent: Promise<void>[] = [];
    journal.onStart = async (id) => {
      const outlets = journal.outlets.get('source') as Outlets;
      if (id === 'source') sent.push(outlets.to('traces').consume(telemetry(1)));
      await settled();
      expect(journal.batches).toEqual([]);
    };
    await reload({ changed: ['source', 'pass'] });
    await Promise.all(sent);
    expect(sent).toHaveLength(1);
    expect(journal.at('sink')).toHaveLength(1);
  });
});

describe('exporters', () => {
  test('that are gone deliver what they have', async () => {
    const gate = Promise.withResolvers<void>();
    const { reload, journal, send, service } = await started((table) => withSlowQueue(table, gate.promise));
    await send();
    await reload({ pipelines: [TRACES] });
    await settled();
    expect(journal.lines).toEqual(['stop judge']);
    gate.resolve();
    await settled();
    expect(journal.lines).toEqual(['stop judge', 'stop queued']);
    expect(journal.at('queued')).toHaveLength(1);
    expect(await service.stop()).toBe(true);
  });

  test('that are gone and cannot deliver are given up after the shutdown timeout', async () => {
    const { reload, journal, send, clock, lines } = await started((table) =>
      withSlowQueue(table, new Promise(() => {})),
    );
    await send();
    await reload({ pipelines: [TRACES] });
    await clock.advanceTo(9_999);
    expect(journal.lines).toEqual(['stop judge']);
    await clock.advanceTo(10_000);
    await settled();
    expect(journal.lines).toEqual(['stop judge', 'stop queued']);
    expect(lines).toContainEqual(expect.objectContaining({ component: 'queued', code: 'abandoned' }));
    expect(clock.alarms).toBe(0);
  });

  test('of which there may be one: the old one ends before the new one begins', async () => {
    const { reload, journal } = await started((table) => ({
      ...table,
      exporters: table.exporters.map((factory) => (factory.type === 'sink' ? { ...factory, isSingle: true } : factory)),
    }));
    await reload({ changed: ['sink'] });
    expect(journal.lines).toEqual(['stop sink', 'start sink']);
  });

  test('others overlap, so that nobody waits', async () => {
    const { reload, journal } = await started();
    await reload({ changed: ['sink'] });
    await settled();
    expect(journal.lines).toEqual(['start sink', 'stop sink']);
  });
});

function withSlowQueue(table: ComponentTable, gate: Promise<void>): ComponentTable {
  return {
    ...table,
    exporters: table.exporters.map((factory) => ({
      ...factory,
      create: (...args: Parameters<typeof factory.create>) => {
        const made = factory.create(...args);
        if (factory.type !== 'queued') return made;
        const consume = async (batch: Batch) => {
          await gate;
          return made.consume(batch);
        };
        return { ...made, consume };
      },
    })),
  };
}

describe('stopping', () => {
  test('during a reload: it is completed, and everything stops', async () => {
    const { reload, journal, service, clock } = await started();
    const gate = Promise.withResolvers<void>();
    journal.onStart = (id) => (id === 'pass' ? gate.promise : Promise.resolve());
    const reloaded = reload({ changed: ['pass'] });
    await settled();
    const stopped = service.stop();
    await settled();
    expect(journal.lines).toEqual(['stop pass', 'start pass']);
    gate.resolve();
    expect(await stopped).toBe(true);
    await reloaded;
    expect(journal.lines.slice(2)).toEqual(
      ['source', 'pass', 'fold', 'judge', 'sink', 'queued'].map((one) => `stop ${one}`),
    );
    expect(clock.alarms).toBe(0);
  });

  test('during a reload that does not end: everything stops at the deadline', async () => {
    const { reload, journal, service, clock } = await started();
    journal.onStart = (id) => (id === 'pass' ? new Promise(() => {}) : Promise.resolve());
    void reload({ changed: ['pass'] });
    await settled();
    const stopped = service.stop();
    await clock.advanceTo(10_000);
    expect(await stopped).toBe(true);
    expect(journal.lines.slice(2).toSorted()).toEqual(
      ['source', 'pass', 'fold', 'judge', 'sink', 'queued'].map((one) => `stop ${one}`).toSorted(),
    );
  });

  test('nothing is reloaded after it', async () => {
    const { reload, service } = await started();
    await service.stop();
    await expect(reload({})).rejects.toMatchObject({ code: 'stopping' });
  });
});
