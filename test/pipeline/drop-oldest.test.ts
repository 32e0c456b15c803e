/** A queue that is full drops what waits longest: only where that helps, and for whoever waits as for whoever comes. */
import { expect, test } from 'vitest';
import { ManualClock } from '../../pipeline/clock.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { guardExporter } from '../../pipeline/guard.ts';
import { queueConfig, retryConfig } from '../../pipeline/queue-config.ts';
import { recordingLogger, testContext } from '../support/context.ts';
import { ofPipelines, OpenMeter, settled, telemetry } from '../support/pipeline.ts';

/** An exporter with one attempt at a time, which ends when told so. */
async function started(queue: object) {
  const { logger, lines } = recordingLogger();
  const clock = new ManualClock();
  const attempts: PromiseWithResolvers<void>[] = [];
  const inner = {
    start: async () => {},
    stop: async () => {},
    consume: () => {
      const attempt = Promise.withResolvers<void>();
      attempts.push(attempt);
      return attempt.promise;
    },
  };
  const config = {
    sending_queue: queueConfig.parse({ num_consumers: 1, when_full: 'drop_oldest', block_timeout: '10s', ...queue }),
    retry_on_failure: retryConfig.parse({ initial_interval: '1h', max_interval: '1h' }),
  };
  const context = { ...testContext('sink', { clock, logger }), meter: new OpenMeter() };
  const exporter = ofPipelines(guardExporter(inner, config, context));
  await exporter.start();
  const send = async (items: number): Promise<string> => {
    try {
      await exporter.consume(telemetry(items));
      return 'taken';
    } catch (thrown) {
      return (thrown as PipelineError).code;
    }
  };
  const dropped = () => lines.filter(({ code }) => code === 'queue_overflow').map(({ items }) => items);
  const stop = () => exporter.stop(AbortSignal.abort()).catch(() => {});
  return { clock, attempts, send, dropped, stop };
}

test('nothing is dropped for what does not fit beside an attempt under way', async () => {
  const { clock, send, dropped, stop } = await started({ sizer: 'items', queue_size: 100 });
  for (let i = 0; i < 10; i++) expect(await send(10)).toBe('taken');
  const large = send(95);
  await clock.advanceTo(10_000);
  expect(await large).toBe('queue_full');
  expect(dropped()).toEqual([]);
  expect(await send(25)).toBe('taken');
  expect(dropped()).toEqual([10, 10, 10]);
  await stop();
});

test('who came during an attempt gets its place when that has failed, and who comes then too', async () => {
  const { attempts, send, dropped, stop } = await started({ queue_size: 1 });
  expect(await send(1)).toBe('taken');
  const second = send(2);
  await settled();
  expect(attempts).toHaveLength(1);
  attempts[0]?.reject(new PipelineError('unreachable', 'for the test'));
  expect(await second).toBe('taken');
  expect(await send(3)).toBe('taken');
  expect(dropped()).toEqual([1, 2]);
  await stop();
});

test('callers that wait are let in one after another, each for what is older', async () => {
  const { attempts, send, dropped, stop } = await started({ queue_size: 3, num_consumers: 3 });
  for (const items of [1, 2, 3]) expect(await send(items)).toBe('taken');
  const waiting = [4, 5, 6].map(send);
  await settled();
  for (const attempt of attempts.splice(0)) attempt.reject(new PipelineError('unreachable', 'for the test'));
  expect(await Promise.all(waiting)).toEqual(['taken', 'taken', 'taken']);
  expect(dropped()).toEqual([1, 2, 3]);
  await stop();
});
