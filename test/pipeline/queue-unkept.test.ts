/** Decisions that the storage does not take: nobody says that they are safe, and none overtakes another one. */
import { expect, test } from 'vitest';
import type { Batch } from '../../pipeline/batch.ts';
import { ManualClock } from '../../pipeline/clock.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { guardExporter } from '../../pipeline/guard.ts';
import { queueConfig, retryConfig } from '../../pipeline/queue-config.ts';
import { MemoryStorage } from '../../pipeline/storage.ts';
import { recordingLogger, testContext } from '../support/context.ts';
import { decisionEvent } from '../support/decision-event.ts';
import { ofPipelines, OpenMeter, settled } from '../support/pipeline.ts';

class FullStorage extends MemoryStorage {
  isFull = false;

  constructor() {
    super(true);
  }

  override put(entries: ReadonlyMap<string, string | null>): void {
    if (this.isFull) throw new PipelineError('file_unwritable', 'no space left on device');
    super.put(entries);
  }
}

/** `attempt` is what the destination does. */
async function started(attempt: (id: string) => Promise<void>) {
  const storage = new FullStorage();
  const { logger, lines } = recordingLogger();
  const meter = new OpenMeter();
  const tried: string[] = [];
  const inner = {
    start: async () => {},
    stop: async () => {},
    consume: (batch: Batch) => {
      const id = batch.signal === 'decisions' ? batch.decisions.map((decision) => decision.id).join() : '';
      tried.push(id);
      return attempt(id);
    },
  };
  const config = { sending_queue: queueConfig.parse({}), retry_on_failure: retryConfig.parse({}) };
  const clock = new ManualClock();
  const exporter = ofPipelines(
    guardExporter(inner, config, { ...testContext('sink', { clock, logger, storage }), meter }),
  );
  await exporter.start();
  const send = (id: string): Promise<string> =>
    exporter.consume({ signal: 'decisions', items: 1, decisions: [decisionEvent(id)] }).then(
      () => 'taken',
      (error: PipelineError) => error.code,
    );
  const items = (what: string) => meter.sum(`windback_exporter_${what}_items_total`);
  const stop = () => exporter.stop(AbortSignal.abort()).catch(() => {});
  return { storage, lines, tried, send, items, stop };
}

test('with a destination that is away they stay with the caller, until the storage takes them', async () => {
  const { storage, lines, tried, send, items, stop } = await started(async () => {
    throw new PipelineError('unreachable', 'for the test');
  });
  storage.isFull = true;
  expect([await send('a'), await send('a')]).toEqual(['unreachable', 'unreachable']);
  expect([items('accepted'), items('refused'), tried]).toEqual([0, 2, ['a', 'a']]);
  // Said once, not at each try.
  expect(lines.filter(({ level }) => level === 50)).toMatchObject([{ code: 'file_unwritable', decisions: ['a'] }]);
  storage.isFull = false;
  expect(await send('a')).toBe('taken');
  expect([items('accepted'), storage.keys().length]).toEqual([1, 1]);
  await stop();
  expect([items('kept'), items('dropped')]).toEqual([1, 0]);
});

test('none overtakes what waits before it, and what comes during its attempt waits for that', async () => {
  const gates = new Map(['a', 'b', 'c'].map((id) => [id, Promise.withResolvers<void>()]));
  const { storage, tried, send, items, stop } = await started((id) => gates.get(id)?.promise ?? Promise.resolve());
  expect(await send('a')).toBe('taken');
  storage.isFull = true;
  expect(await send('b')).toBe('file_unwritable');
  expect(tried).toEqual(['a']);
  gates.get('a')?.resolve();
  await settled();
  const sent = send('b');
  await settled();
  expect(tried).toEqual(['a', 'b']);
  storage.isFull = false;
  expect(await send('c')).toBe('taken');
  await settled();
  expect(tried).toEqual(['a', 'b']);
  gates.get('b')?.resolve();
  expect(await sent).toBe('taken');
  await settled();
  expect(tried).toEqual(['a', 'b', 'c']);
  gates.get('c')?.resolve();
  await settled();
  expect([items('sent'), items('accepted')]).toEqual([3, 3]);
  await stop();
});
