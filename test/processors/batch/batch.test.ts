import { describe, expect, it } from 'vitest';
import { TelemetryBatch, type TelemetrySignal } from '../../../pipeline/batch.ts';
import { bodies } from '../../../pipeline/buffer-pool.ts';
import { ManualClock } from '../../../pipeline/clock.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { batchConfig } from '../../../processors/batch/config.ts';
import { Batcher } from '../../../processors/batch/batch.ts';
import { deploymentConfig } from '../../../processors/deployment/config.ts';
import { DeploymentTagger } from '../../../processors/deployment/deployment.ts';
import { counted, Sink, testContext } from '../../support/context.ts';
import { GROUPS_MAX, ITEMS_MAX } from '../../../proto/otlp/growing.ts';
import { requestBytes } from '../../support/otlp-requests.ts';
import { attributesOf, decoded, logs, traces } from '../../support/telemetry.ts';

const request = (items: number, signal: TelemetrySignal = 'traces') =>
  TelemetryBatch.open(signal, requestBytes(signal, items));

function setUp(config: Record<string, unknown> = {}) {
  const clock = new ManualClock();
  const context = testContext('batch', { clock });
  const sink = new Sink();
  return { clock, context, sink, batcher: new Batcher(batchConfig.parse(config), sink, context) };
}

/** Says how a promise stands, without waiting for it. */
async function state(promise: Promise<void>): Promise<string> {
  const waiting = Symbol('waiting');
  const winner = await Promise.race([
    promise.then(() => 'resolved').catch(() => 'rejected'),
    pause().then(() => waiting),
  ]);
  return winner === waiting ? 'waiting' : String(winner);
}

/** A field around what is in it. */
const nested = (tag: number, content: Buffer): Buffer => {
  const length = [0, 7, 14, 21].map((bits) => ((content.length >>> bits) & 0x7f) | (bits < 21 ? 0x80 : 0));
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
};

const pause = () => new Promise((resolve) => setImmediate(resolve));
const deadline = () => AbortSignal.timeout(5000);

async function flushes(context: ReturnType<typeof testContext>, trigger: string): Promise<number> {
  return counted(context, 'windback_processor_batch_flushes_total', { processor: 'batch', trigger });
}

describe('batch', () => {
  it('sends when there are enough items, and answers every caller only then', async () => {
    const { batcher, sink, context } = setUp({ send_batch_size: 10 });
    const first = batcher.consume(request(4));
    const second = batcher.consume(request(5));
    expect(await state(first)).toBe('waiting');
    const third = batcher.consume(request(2));
    await Promise.all([first, second, third]);
    expect(sink.telemetry('traces').map(({ items }) => items)).toEqual([11]);
    expect(await flushes(context, 'size')).toBe(1);
  });

  it('sends what there is when the first has waited for the timeout', async () => {
    const { batcher, sink, clock, context } = setUp({ timeout: '200ms' });
    const first = batcher.consume(request(1));
    await clock.advanceTo(150);
    const second = batcher.consume(request(2));
    await clock.advanceTo(199);
    expect(await state(first)).toBe('waiting');
    await clock.advanceTo(200);
    await Promise.all([first, second]);
    expect(sink.items('traces')).toBe(3);
    expect(await flushes(context, 'timeout')).toBe(1);
  });

  it('begins a new wait for each batch', async () => {
    const { batcher, sink, clock } = setUp({ send_batch_size: 2 });
    await batcher.consume(request(2));
    await clock.advanceTo(150);
    const late = batcher.consume(request(1));
    await clock.advanceTo(300);
    expect(await state(late)).toBe('waiting');
    await clock.advanceTo(350);
    await late;
    expect(sink.telemetry('traces').map(({ items }) => items)).toEqual([2, 1]);
  });

  it('keeps every item of every request, in order, and never mixes signals', async () => {
    const { batcher, sink } = setUp();
    const groups = ['a', 'b', 'c'].map((name, i) => ({
      resource: { 'service.name': name },
      items: Array.from({ length: i + 1 }, (_, n) => ({ name: `${name}${n}`, end: 1_700_000_000 + n })),
    }));
    const requests = groups.map((group) => traces(group));
    const calls = requests.map((one) => batcher.consume(one));
    const others = (['logs', 'metrics'] as const).map((signal) => batcher.consume(request(2, signal)));
    await batcher.stop(deadline());
    await Promise.all([...calls, ...others]);
    const [joined, ...none] = sink.telemetry('traces');
    expect(none).toEqual([]);
    expect(decoded(joined as TelemetryBatch).resourceSpans).toEqual(
      requests.flatMap((one) => decoded(one).resourceSpans),
    );
    expect([sink.items('logs'), sink.items('metrics')]).toEqual([2, 2]);
  });

  it('tells every caller what became of the joined batch', async () => {
    const { batcher, sink } = setUp({ send_batch_size: 2 });
    sink.answer = () => Promise.reject(new PipelineError('queue_full', 'told to', { retryAfterMs: 5 }));
    const calls = [batcher.consume(request(1)), batcher.consume(request(1))];
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'queue_full', retryAfterMs: 5 });
    sink.answer = async () => {};
    await batcher.consume(request(2));
    expect(sink.items('traces')).toBe(2);
  });

  it('does not join beyond what a gRPC server takes as one message, and passes one that is larger by itself', async () => {
    const { batcher, sink, context } = setUp({ send_batch_size: 1_000_000 });
    const large = request(20_000);
    expect(large.bytes.length).toBeGreaterThan(1.3 * 1024 * 1024);
    const calls = Array.from({ length: 4 }, () => batcher.consume(request(20_000)));
    await batcher.stop(deadline());
    await Promise.all(calls);
    const sizes = sink.telemetry('traces').map(({ bytes }) => bytes.length);
    expect(sink.items('traces')).toBe(80_000);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4 * 1024 * 1024);
    expect(await flushes(context, 'bytes')).toBeGreaterThan(0);
  });

  it.each([
    // A span of no bytes, and a resource of none: two bytes each.
    ['items', Buffer.from([0x12, 0]), ITEMS_MAX - 1, (all: Buffer) => nested(0x0a, nested(0x12, all))],
    [
      'resources',
      Buffer.from([0x0a, 0]),
      GROUPS_MAX - 1,
      (all: Buffer) => Buffer.concat([requestBytes('traces', 1), all]),
    ],
  ])('joins no more %s than one request may have', async (_, one, count, whole) => {
    const { batcher, sink } = setUp({ send_batch_size: 2 * ITEMS_MAX });
    const large = TelemetryBatch.open('traces', whole(Buffer.alloc(one.length * (count - 1), one)));
    const sent = [request(5), large, request(5)].map((batch) => batcher.consume(batch));
    await batcher.stop(deadline());
    await Promise.all(sent);
    expect(sink.items('traces')).toBe(10 + large.items);
  });

  it('flushes at stop and waits for the outcome, but not beyond the deadline', async () => {
    const { batcher, sink } = setUp();
    const release = Promise.withResolvers<void>();
    sink.answer = () => release.promise;
    const call = batcher.consume(request(1));
    const abort = new AbortController();
    const stopped = batcher.stop(abort.signal);
    expect(await state(stopped)).toBe('waiting');
    abort.abort();
    await stopped;
    release.resolve();
    await call;
    await batcher.stop(deadline());
  });

  it('joins in memory that is used again, once nobody reads it any more', async () => {
    const { batcher, sink } = setUp({ send_batch_size: 2 });
    bodies.trim();
    const send = () => Promise.all([batcher.consume(request(1)), batcher.consume(request(1))]);
    await send();
    const [kept] = sink.telemetry('traces') as [TelemetryBatch];
    const before = Buffer.from(kept.bytes);
    await send();
    expect(Buffer.compare(kept.bytes, before)).toBe(0);
    expect(bodies.idleBytes).toBe(0);
    kept.letGo();
    const idle = bodies.idleBytes;
    expect(idle).toBeGreaterThan(0);
    await send();
    expect(bodies.idleBytes).toBeLessThan(idle);
  });

  it('passes requests on as they come with a timeout of 0', async () => {
    const { batcher, sink } = setUp({ timeout: '0s' });
    const one = request(1);
    await batcher.consume(one);
    expect(sink.batches).toEqual([one]);
  });
});

describe('tags', () => {
  async function tagged(target: 'resource' | 'item', version: string): Promise<TelemetryBatch> {
    const sink = new Sink();
    const tagger = new DeploymentTagger(deploymentConfig.parse({ target }), sink, testContext('deployment'));
    const resource = { 'service.name': 'shop', 'service.version': version };
    await tagger.consume(traces({ resource, items: [{ end: 1_700_000_000 }] }));
    return sink.telemetry('traces')[0] as TelemetryBatch;
  }

  it.each(['resource', 'item'] as const)('stay with their resources (%s)', async (target) => {
    const { batcher, sink } = setUp();
    const calls = [batcher.consume(await tagged(target, '1')), batcher.consume(await tagged(target, '2'))];
    await batcher.stop(deadline());
    await Promise.all(calls);
    const [joined] = sink.telemetry('traces') as [TelemetryBatch];
    expect(joined.tags?.map(({ version }) => version)).toEqual(['1', '2']);
    const written = decoded(joined).resourceSpans.map((group: any) =>
      target === 'resource' ? attributesOf(group.resource) : attributesOf(group.scopeSpans[0].spans[0]),
    );
    expect(written.map((attributes: any) => attributes['deployment.version'])).toEqual(['1', '2']);
  });

  it('keep requests apart that are tagged differently, or not at all', async () => {
    const { batcher, sink } = setUp();
    const calls = [
      batcher.consume(await tagged('resource', '1')),
      batcher.consume(await tagged('item', '1')),
      batcher.consume(traces({ resource: {}, items: [{ end: 1 }] })),
    ];
    await batcher.stop(deadline());
    await Promise.all(calls);
    expect(sink.batches).toHaveLength(3);
  });
});

it('keeps deployment events with their records when it joins', async () => {
  const { batcher, sink } = setUp({ send_batch_size: 3 });
  const tagger = new DeploymentTagger(deploymentConfig.parse({}), sink, testContext('deployment'));
  const event = (version: string) => ({ time: 1, eventName: 'deployment', attributes: { 'service.version': version } });
  const batches = [
    logs({ resource: { 'service.name': 'a' }, items: [{ time: 1 }, event('2')] }),
    logs({ resource: { 'service.name': 'b' }, items: [event('3')] }),
  ];
  for (const batch of batches) await tagger.consume(batch);
  sink.batches.length = 0;
  await Promise.all(batches.map((batch) => batcher.consume(batch)));
  const [joined] = sink.telemetry('logs');
  const events = [...(joined as TelemetryBatch).deployments].map(([i, { version }]) => `${i}: ${version}`);
  expect(events).toEqual(['1: 2', '2: 3']);
});
