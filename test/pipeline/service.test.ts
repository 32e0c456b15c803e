import { describe, expect, test } from 'vitest';
import { recordingLogger } from '../support/context.ts';
import { ManualClock } from '../../pipeline/clock.ts';
import type { ComponentTable } from '../../pipeline/component.ts';
import { ConfigError } from '../../pipeline/config/report.ts';
import { Service } from '../../pipeline/service.ts';
import { Journal, journalTable, loadYaml, settled, surroundings, telemetry } from '../support/pipeline.ts';

const YAML = `receivers: {source: , source/two: }
processors: {pass: , fold: , judge: }
exporters: {sink: , queued: }
service:
  shutdown_timeout: 10s
  pipelines:
    traces: {receivers: [source], processors: [pass, fold], exporters: [sink]}
    logs: {receivers: [source/two], exporters: [queued]}
    decisions: {receivers: [fold], processors: [judge], exporters: [queued]}
`;
const IN_ORDER = ['queued', 'sink', 'judge', 'fold', 'pass', 'source', 'source/two'];

function service(change: (table: ComponentTable) => ComponentTable = (table) => table) {
  const journal = new Journal();
  const clock = new ManualClock();
  const made = new Service(loadYaml(YAML, change(journalTable(journal))), surroundings(clock));
  return { service: made, journal, clock };
}

/** The components that `word` stands before, in order. */
function lines(journal: Journal, word: 'start' | 'stop'): string[] {
  return journal.lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
}

describe('a life', () => {
  test('nothing starts before what it hands batches to; it stops the other way round', async () => {
    const { service: running, journal, clock } = service();
    expect(running.state).toBe('new');
    await running.start();
    expect(running.state).toBe('ready');
    expect(new Set(lines(journal, 'start').slice(0, 2))).toEqual(new Set(['queued', 'sink']));
    expect(lines(journal, 'start').slice(2)).toEqual(IN_ORDER.slice(2));
    await running.stop();
    expect(running.state).toBe('stopped');
    expect(lines(journal, 'stop')).toEqual(lines(journal, 'start').toReversed());
    expect(clock.alarms).toBe(0);
  });

  test('an impossible graph is refused before anything is made', () => {
    const journal = new Journal();
    expect(() => loadYaml(YAML.replace('[judge]', '[]'), journalTable(journal))).toThrow(ConfigError);
    expect(journal.outlets.size).toBe(0);
  });

  test('a component that cannot start: those that did are stopped, it too, and its error is told', async () => {
    const { service: failing, journal } = service();
    journal.failing.add('fold');
    await expect(failing.start()).rejects.toMatchObject({ code: 'internal', detail: 'fold is broken' });
    expect(lines(journal, 'stop')).toEqual(lines(journal, 'start').toReversed());
    expect(lines(journal, 'stop')).toHaveLength(4);
    expect(failing.state).toBe('stopped');
  });

  test('a component that cannot stop does not keep the others from it', async () => {
    const { service: running, journal } = service((table) => ({
      ...table,
      processors: table.processors.map((factory) => ({
        ...factory,
        create: (...args: Parameters<typeof factory.create>) => ({
          ...factory.create(...args),
          stop: async () => Promise.reject(new Error('stuck')),
        }),
      })),
    }));
    await running.start();
    await running.stop();
    expect(lines(journal, 'stop').toSorted()).toEqual(['queued', 'sink', 'source', 'source/two']);
    expect(running.state).toBe('stopped');
  });
});

describe('stopping', () => {
  test('before start, and twice', async () => {
    const { service: unborn, journal } = service();
    await unborn.stop();
    await unborn.stop();
    expect(journal.lines).toEqual([]);
    const { service: running, journal: of } = service();
    await running.start();
    await running.stop();
    await running.stop();
    expect(lines(of, 'stop')).toHaveLength(7);
  });

  test('who stops a second time waits for the first', async () => {
    const { service: running, journal, clock } = hanging();
    await running.start();
    await journal.outlets.get('source/two')?.to('logs').consume(telemetry(1, 'logs'));
    const ended: string[] = [];
    void running.stop().then(() => ended.push('first'));
    void running.stop().then(() => ended.push('second'));
    await settled();
    expect([running.state, ended]).toEqual(['stopping', []]);
    await clock.advanceTo(10_000);
    await settled();
    expect([running.state, ended]).toEqual(['stopped', ['first', 'second']]);
  });

  test('what cannot be delivered is given up when the shutdown timeout has passed', async () => {
    const { service: running, journal, clock } = hanging();
    await running.start();
    await journal.outlets.get('source/two')?.to('logs').consume(telemetry(3, 'logs'));
    const stopped = running.stop();
    await clock.advanceTo(9_999);
    expect(running.state).toBe('stopping');
    await clock.advanceTo(10_000);
    await stopped;
    expect(clock.alarms).toBe(0);
  });

  test('during start: nothing more is started, what had started is stopped, and start says so', async () => {
    const { service: starting, journal } = service();
    const gate = Promise.withResolvers<void>();
    journal.onStart = (id) => (id === 'fold' ? gate.promise : Promise.resolve());
    const started = starting.start();
    const refused = started.catch((error: unknown) => error);
    await settled();
    await starting.stop();
    gate.resolve();
    expect(await refused).toMatchObject({ code: 'stopping' });
    expect(lines(journal, 'start').at(-1)).toBe('fold');
    // Twice, since it came to life after the first time.
    expect(lines(journal, 'stop').filter((id) => id === 'fold')).toHaveLength(2);
    expect(new Set(lines(journal, 'stop'))).toEqual(new Set(lines(journal, 'start')));
    expect(starting.state).toBe('stopped');
  });
});

describe('a component that does not stop', () => {
  /** `stuck` never settle; what they had been told is written down all the same. */
  const withStuck = (...stuck: string[]) => {
    const { logger, lines: log } = recordingLogger();
    const journal = new Journal();
    journal.onStop = (id) => (stuck.includes(id) ? new Promise(() => {}) : Promise.resolve());
    const clock = new ManualClock();
    const made = new Service(loadYaml(YAML, journalTable(journal)), {
      ...surroundings(clock),
      logger: logger as never,
    });
    return { service: made, journal, clock, log };
  };

  test.each(IN_ORDER)(
    '%s: is left behind by name a moment after the deadline, and all others are stopped',
    async (id) => {
      const { service: running, journal, clock, log } = withStuck(id);
      await running.start();
      const stopped = running.stop();
      await clock.advanceTo(10_000);
      expect(running.state).toBe('stopping');
      await clock.advanceTo(10_250);
      expect(await stopped).toBe(false);
      expect(running.state).toBe('stopped');
      expect(lines(journal, 'stop').toSorted()).toEqual(IN_ORDER.toSorted());
      expect(log.filter(({ level }) => level === 50)).toMatchObject([
        { component: id, msg: 'left behind: it had not stopped when its time was over' },
      ]);
      expect(clock.alarms).toBe(0);
    },
  );

  test('several: the rest has its time', async () => {
    const { service: running, journal, clock, log } = withStuck('source', 'pass', 'judge', 'sink');
    await running.start();
    const stopped = running.stop();
    await clock.advanceTo(11_000);
    expect(await stopped).toBe(false);
    expect(lines(journal, 'stop').toSorted()).toEqual(IN_ORDER.toSorted());
    expect(log.flatMap(({ level, component }) => (level === 50 ? [component] : []))).toEqual([
      'source',
      'pass',
      'judge',
      'sink',
    ]);
  });

  test('a receiver: another one lets nothing in meanwhile', async () => {
    const { service: running, journal } = withStuck('source/two');
    await running.start();
    void running.stop();
    await settled();
    expect(lines(journal, 'stop')).toEqual(['source/two', 'source']);
  });
});

/** A service whose exporter `queued` never answers. */
function hanging() {
  return service((table) => ({
    ...table,
    exporters: table.exporters.map((factory) =>
      factory.type === 'queued'
        ? {
            ...factory,
            create: (...args: Parameters<typeof factory.create>) => ({
              ...factory.create(...args),
              consume: () => new Promise<void>(() => {}),
            }),
          }
        : factory,
    ),
  }));
}
