/** A reload replaces an exporter of decisions that are kept: none is lost, and none overtakes another one. */
import { expect, test } from 'vitest';
import type { Batch } from '../../pipeline/batch.ts';
import { ManualClock } from '../../pipeline/clock.ts';
import type { ComponentTable } from '../../pipeline/component.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { Service } from '../../pipeline/service.ts';
import { MemoryStorage, type Storages } from '../../pipeline/storage.ts';
import { recordingLogger } from '../support/context.ts';
import { decisionEvent } from '../support/decision-event.ts';
import { Journal, journalTable, loadYaml, settled, surroundings } from '../support/pipeline.ts';

const yaml = (level: number): string => `receivers: {decider: {level: ${level}}}
processors: {}
exporters: {queued: {level: ${level}, retry_on_failure: {initial_interval: 100ms, max_interval: 100ms}}}
service: {shutdown_timeout: 10s, pipelines: {decisions: {receivers: [decider], exporters: [queued]}}}
`;

/** The first exporter that is made cannot reach its destination, where `isStuck`; `sent` says which one sent what. */
async function started(isStuck: boolean) {
  const journal = new Journal();
  const sent: string[] = [];
  const base = journalTable(journal);
  let made = 0;
  const table: ComponentTable = {
    ...base,
    exporters: base.exporters.map((factory) => ({
      ...factory,
      create: (...args: Parameters<typeof factory.create>) => {
        const number = ++made;
        const consume = async (batch: Batch) => {
          if (isStuck && number === 1) throw new PipelineError('unreachable', 'for the test');
          if (batch.signal === 'decisions') sent.push(...batch.decisions.map(({ id }) => `${number}:${id}`));
        };
        return { ...factory.create(...args), consume };
      },
    })),
  };
  const storage = new MemoryStorage(true);
  const disk = { isBroken: false };
  const storages: Storages = {
    of: (id) => (id === 'queued' ? storage : new MemoryStorage()),
    having: () => {
      if (disk.isBroken) throw new PipelineError('file_unwritable', 'for the test');
      return storage.keys().length > 0 ? ['queued'] : [];
    },
    close() {},
  };
  const clock = new ManualClock();
  const { logger, lines } = recordingLogger();
  const service = new Service(loadYaml(yaml(0), table), { ...surroundings(clock), storages, logger: logger as never });
  await service.start();
  return {
    lines,
    disk,
    journal,
    service,
    clock,
    sent,
    storage,
    decide: (id: string) => journal.outlets.get('decider')?.to('decisions').consume(batchOf(id)),
    reload: (text = yaml(1)) => service.reload(loadYaml(text, table)),
  };
}

test('what the old one could not deliver goes first, then what came meanwhile, then what comes after', async () => {
  const { journal, service, clock, sent, storage, decide, reload } = await started(true);
  await decide('a');
  let decided: Promise<void> | undefined;
  // The receiver is replaced too, and is not done with all it has.
  journal.onStop = async (id) => void (id === 'decider' && (decided ??= old?.to('decisions').consume(batchOf('b'))));
  const old = journal.outlets.get('decider');
  const reloaded = reload();
  await settled();
  await clock.advanceTo(clock.now() + 10_000);
  await reloaded;
  await decided;
  await decide('c');
  await settled();
  expect(sent).toEqual(['2:a', '2:b', '2:c']);
  expect(storage.keys()).toEqual([]);
  expect((await service.ledger()).is_balanced).toBe(true);
  await service.stop();
});

test('with a destination that answers the old one ends before the new one begins, and nothing comes twice', async () => {
  const { journal, service, sent, storage, decide, reload } = await started(false);
  await decide('a');
  await reload();
  await decide('b');
  await settled();
  expect(journal.lines.filter((line) => line.endsWith('queued'))).toEqual([
    'start queued',
    'stop queued',
    'start queued',
  ]);
  expect(sent).toEqual(['1:a', '2:b']);
  expect(storage.keys()).toEqual([]);
  await service.stop();
});

test('those of an exporter that has another name now are told of', async () => {
  const { service, clock, lines, decide, reload } = await started(true);
  await decide('a');
  await reload(yaml(0).replace('queued: {', 'queued/two: {').replace('exporters: [queued]', 'exporters: [queued/two]'));
  await settled();
  expect(lines).not.toContainEqual(expect.objectContaining({ exporter: 'queued' }));
  await clock.advanceTo(clock.now() + 10_000);
  await settled();
  expect(lines).toContainEqual(expect.objectContaining({ level: 50, exporter: 'queued', batches: 1 }));
  await service.stop();
});

test('a disk that cannot be read then is told of, and ends nothing', async () => {
  const { service, lines, disk, reload } = await started(false);
  disk.isBroken = true;
  await reload(yaml(0).replace('queued: {', 'queued/two: {').replace('exporters: [queued]', 'exporters: [queued/two]'));
  await settled();
  expect(lines).toContainEqual(expect.objectContaining({ level: 40, code: 'file_unwritable' }));
  expect(service.state).toBe('ready');
  await service.stop();
});

function batchOf(id: string): Batch {
  return { signal: 'decisions', items: 1, decisions: [decisionEvent(id)] };
}
