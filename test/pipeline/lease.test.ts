import { describe, expect, test, vi } from 'vitest';
import { type Batch, TelemetryBatch } from '../../pipeline/batch.ts';
import { bodies } from '../../pipeline/buffer-pool.ts';
import { ManualClock } from '../../pipeline/clock.ts';
import type { Consumer } from '../../pipeline/component.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { Fanout } from '../../pipeline/fanout.ts';
import type { Tag } from '../../pipeline/tag.ts';
import { Lease } from '../../pipeline/lease.ts';
import { guardExporter } from '../../pipeline/guard.ts';
import { queueConfig } from '../../pipeline/queue-config.ts';
import { Batcher } from '../../processors/batch/batch.ts';
import { batchConfig } from '../../processors/batch/config.ts';
import { Sink, testContext } from '../support/context.ts';
import { ofPipelines } from '../support/pipeline.ts';
import { requestBytes } from '../support/otlp-requests.ts';

const SPANS = requestBytes('traces', 20);
const QUEUE = queueConfig.parse({ queue_size: 3, num_consumers: 2, block_timeout: '1s' });
const RETRY = { initial_interval: 100, max_interval: 1000, multiplier: 2 };
const deadline = () => AbortSignal.timeout(5000);

/** A request as a receiver hands it on: in memory that is written over once everybody has let go. */
class Request {
  readonly lease = new Lease();
  readonly batch: TelemetryBatch;
  hasEnded = false;

  constructor() {
    const room = bodies.take(SPANS.length);
    room.set(SPANS);
    this.batch = TelemetryBatch.open('traces', room.subarray(0, SPANS.length), this.lease);
    this.lease.onEnd(() => {
      this.hasEnded = true;
      bodies.give(room);
    });
  }

  /** What the intake does. */
  async send(consumer: Consumer): Promise<void> {
    try {
      await consumer.consume(this.batch);
    } finally {
      this.lease.letGo();
    }
  }
}

/** Whether bytes and columns are still those of the request. */
function isWhole(batch: Batch): boolean {
  if (!(batch instanceof TelemetryBatch)) return false;
  const fresh = TelemetryBatch.open('traces', SPANS);
  const { columns } = batch;
  const sameColumns =
    columns.signal === 'traces' && columns.resources.groupOffset[0] === fresh.columns.resources.groupOffset[0];
  const same = Array.from({ length: fresh.items }, (_, i) => columns.offset[i] === fresh.columns.offset[i]);
  return sameColumns && same.every(Boolean) && Buffer.compare(batch.encoded(), fresh.encoded()) === 0;
}

/** An exporter behind its queue, whose attempts read the batch at their end. */
function queued(attempt: (n: number) => Promise<void>) {
  const clock = new ManualClock();
  const read: boolean[] = [];
  let n = 0;
  const exporter = {
    start: async () => {},
    stop: async () => {},
    consume: async (batch: Batch) => {
      const outcome = attempt(++n);
      await outcome.catch(() => {});
      read.push(isWhole(batch));
      await outcome;
    },
  };
  const context = testContext('sink', { clock });
  const consumer = ofPipelines(guardExporter(exporter, { sending_queue: QUEUE, retry_on_failure: RETRY }, context));
  return { clock, read, consumer };
}

/** Its resource is an empty one. */
const TAG: Tag = {
  namespace: '',
  service: 'cart',
  environment: '',
  serviceKey: '/cart/',
  version: '2',
  source: 'service.version',
  instance: '',
  taggedResource: new Uint8Array(),
  attributes: [],
};

const later = () => new Promise<void>((resolve) => setTimeout(resolve, 20));
const busy = async (): Promise<void> => {
  await later();
  throw new PipelineError('busy', 'for the test');
};

describe('a lease', () => {
  test('ends when the last one lets go, once', () => {
    const lease = new Lease();
    const ends = vi.fn<() => void>();
    lease.onEnd(ends);
    lease.hold();
    lease.letGo();
    expect(ends).not.toHaveBeenCalled();
    lease.letGo();
    expect(ends).toHaveBeenCalledTimes(1);
  });

  test('cannot be held, or let go of, after its end', () => {
    const lease = new Lease();
    lease.letGo();
    expect(() => lease.hold()).toThrow(/after its end/);
    expect(() => lease.letGo()).toThrow(/after its end/);
  });
});

describe('the bytes of a lease', () => {
  test.each([
    ['first', 'lease'],
    ['last', 'other'],
  ])('outlive its columns where another one holds them, whether it ends %s', (_, first) => {
    const [lease, other] = [new Lease(), new Lease()];
    const ends: string[] = [];
    lease.onEnd(() => ends.push('bytes'));
    lease.onColumnsEnd(() => ends.push('columns'));
    lease.holdBytesFor(other);
    (first === 'lease' ? lease : other).letGo();
    expect(ends).toEqual(first === 'lease' ? ['columns'] : []);
    (first === 'lease' ? other : lease).letGo();
    expect(ends).toEqual(['columns', 'bytes']);
  });
});

describe('a request in a queue', () => {
  test('keeps its bytes and not its columns', async () => {
    const { consumer, read } = queued(later);
    const request = new Request();
    const columnsEnd = vi.fn<() => void>();
    request.lease.onColumnsEnd(columnsEnd);
    await request.send(consumer);
    expect(columnsEnd).toHaveBeenCalledTimes(1);
    expect(request.hasEnded).toBe(false);
    await vi.waitFor(() => expect(read).toEqual([true]));
  });

  test('that is tagged keeps what will be sent, and nothing of what came in', async () => {
    const tagged = TelemetryBatch.open('traces', SPANS);
    const tags = Array.from({ length: tagged.columns.resources.count }, () => TAG);
    tagged.tag(tags, 'resource');
    const sent: Buffer[] = [];
    const exporter = {
      start: async () => {},
      stop: async () => {},
      consume: async (batch: Batch) => {
        await later();
        if (batch instanceof TelemetryBatch) sent.push(Buffer.from(batch.encoded()));
      },
    };
    const consumer = ofPipelines(
      guardExporter(exporter, { sending_queue: QUEUE, retry_on_failure: RETRY }, testContext('sink')),
    );
    const request = new Request();
    request.batch.tag(tags, 'resource');
    await request.send(consumer);
    expect(request.hasEnded).toBe(true);
    await vi.waitFor(() => expect(sent.length).toBe(1));
    expect(Buffer.compare(sent[0] as Buffer, tagged.encoded())).toBe(0);
    expect(Buffer.compare(sent[0] as Buffer, SPANS)).not.toBe(0);
  });
});

describe('a request is whole as long as somebody reads it', () => {
  test('in the queue, after the receiver has answered; and then its memory comes back', async () => {
    const { consumer, read } = queued(later);
    const request = new Request();
    await request.send(consumer);
    expect(request.hasEnded).toBe(false);
    await vi.waitFor(() => expect(read).toEqual([true]));
    expect(request.hasEnded).toBe(true);
  });

  test('through retries; what a failed attempt may have left somewhere is never written over', async () => {
    const { clock, consumer, read } = queued((n) => (n < 3 ? busy() : later()));
    const request = new Request();
    await request.send(consumer);
    await vi.waitFor(async () => {
      await clock.advanceTo(clock.now() + 1000);
      expect(read).toEqual([true, true, true]);
    });
    await later();
    expect(request.hasEnded).toBe(false);
    expect(Buffer.compare(request.batch.bytes, SPANS)).toBe(0);
  });

  test('while it waits for a place in a full queue', async () => {
    const { consumer, read } = queued(later);
    const requests = Array.from({ length: 10 }, () => new Request());
    await Promise.all(requests.map((request) => request.send(consumer)));
    await vi.waitFor(() => expect(read).toEqual(Array.from({ length: 10 }, () => true)));
    expect(requests.every(({ hasEnded }) => hasEnded)).toBe(true);
  });

  test('when it is given up at the end, with an attempt under way', async () => {
    const { consumer, read } = queued(() => later().then(later));
    const request = new Request();
    await request.send(consumer);
    await consumer.stop(AbortSignal.abort()).catch(() => {});
    await vi.waitFor(() => expect(read).toEqual([true]));
  });

  test('in all branches, when one of them refuses it', async () => {
    const first = queued(later);
    const second = queued(() => later().then(later));
    const fanout = new Fanout();
    const refuses = async (): Promise<void> => {
      throw new PipelineError('memory_limit', 'for the test');
    };
    fanout.add({ consumer: first.consumer, mutates: true });
    fanout.add({ consumer: { consume: refuses }, mutates: false });
    fanout.add({ consumer: second.consumer, mutates: false });
    const request = new Request();
    await expect(request.send(fanout)).rejects.toThrow();
    await vi.waitFor(() => expect([first.read, second.read]).toEqual([[true], [true]]));
    expect(request.hasEnded).toBe(true);
  });

  test.each([1, 2])('in the batch processor, which joins %i of them', async (count) => {
    const sink = new Sink();
    const clock = new ManualClock();
    const config = batchConfig.parse({ send_batch_size: 20 * count, timeout: '1s' });
    const batcher = new Batcher(config, sink, testContext('batch', { clock }));
    const requests = Array.from({ length: count }, () => new Request());
    let whole = 0;
    sink.answer = async (batch) => {
      await later();
      whole = batch.items;
    };
    await Promise.all(requests.map((request) => request.send(batcher)));
    expect(whole).toBe(20 * count);
    const joined = sink.telemetry('traces')[0] as TelemetryBatch;
    expect(Buffer.compare(joined.bytes, Buffer.concat(requests.map(() => SPANS)))).toBe(0);
    await batcher.stop(deadline());
  });
});
