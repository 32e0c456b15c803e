/** A reload changes an exporter whose queue is on disk: what waits there is delivered all the same. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { Batch } from '../../pipeline/batch.ts';
import { ManualClock } from '../../pipeline/clock.ts';
import type { ComponentTable } from '../../pipeline/component.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { Service } from '../../pipeline/service.ts';
import { spoolsOf } from '../../pipeline/spool/spools.ts';
import { recordingLogger } from '../support/context.ts';
import { Journal, journalTable, loadYaml, settled, surroundings, telemetry } from '../support/pipeline.ts';

const folder = mkdtempSync(join(tmpdir(), 'windback-swap-'));

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const yaml = (queue: string): string => `extensions: {file_storage: {directory: ${folder}, fsync: false}}
receivers: {source: }
processors: {}
exporters: {queued: {sending_queue: {${queue}}, retry_on_failure: {initial_interval: 100ms, max_interval: 100ms}}}
service: {shutdown_timeout: 10s, pipelines: {traces: {receivers: [source], exporters: [queued]}}}
`;
const ON_DISK = yaml('storage: file_storage');

/** Nothing is delivered until `destination.answers`; `sent` says which exporter sent how many items. */
async function started() {
  const journal = new Journal();
  const destination = { answers: false };
  const sent: string[] = [];
  const base = journalTable(journal);
  let made = 0;
  const table: ComponentTable = {
    ...base,
    exporters: base.exporters.map((factory) => ({
      ...factory,
      create: (...args: Parameters<typeof factory.create>) => {
        const number = ++made;
        const consume = async ({ items }: Batch) => {
          if (!destination.answers) throw new PipelineError('unreachable', 'for the test');
          sent.push(`${number}: ${items}`);
        };
        return { ...factory.create(...args), consume };
      },
    })),
  };
  const loaded = loadYaml(ON_DISK, table);
  const clock = new ManualClock();
  const { logger, lines } = recordingLogger();
  const around = { ...surroundings(clock), logger: logger as never };
  const service = new Service(loaded, {
    ...around,
    spools: spoolsOf(loaded) as NonNullable<ReturnType<typeof spoolsOf>>,
  });
  await service.start();
  return {
    service,
    lines,
    sent,
    destination,
    send: (items: number) => journal.outlets.get('source')?.to('traces').consume(telemetry(items)),
    /** Lets time pass, and the disk do what it has to. */
    async pass(ms: number) {
      await clock.advanceTo(clock.now() + ms);
      await new Promise((resolve) => setTimeout(resolve, 50));
    },
    reload: (text: string) => service.reload(loadYaml(text, table)),
  };
}

test('where the next one has none, the one before delivers what is in it', async () => {
  const { service, sent, destination, send, pass, reload } = await started();
  await send(3);
  const reloaded = reload(yaml(''));
  for (let i = 0; i < 10; i++) await pass(100);
  expect(await reloaded).toMatchObject({ started: ['queued'], stopped: ['queued'] });
  await send(4);
  await pass(100);
  destination.answers = true;
  await vi.waitFor(async () => {
    await pass(100);
    expect(sent.toSorted()).toEqual(['1: 3', '2: 4']);
  });
  await settled();
  expect(readdirSync(join(folder, 'queue', 'queued'))).toEqual([]);
  expect((await service.ledger()).is_balanced).toBe(true);
  await service.stop();
});

test('where the next one has one too, it goes on with it', async () => {
  const { service, sent, destination, send, pass, reload } = await started();
  await send(3);
  const reloaded = reload(ON_DISK.replace('{sending', '{level: 1, sending'));
  for (let i = 0; i < 10; i++) await pass(100);
  await reloaded;
  destination.answers = true;
  await vi.waitFor(async () => {
    await pass(100);
    expect(sent).toEqual(['2: 3']);
  });
  await service.stop();
});

test('the one that still delivers what is in it ends at once for another one that takes it up', async () => {
  const { service, sent, destination, send, pass, reload } = await started();
  await send(3);
  for (const text of [yaml(''), ON_DISK]) {
    const reloaded = reload(text);
    for (let i = 0; i < 10; i++) await pass(100);
    await reloaded;
  }
  destination.answers = true;
  await vi.waitFor(async () => {
    await pass(100);
    expect(sent).toEqual(['3: 3']);
  });
  await service.stop();
});
