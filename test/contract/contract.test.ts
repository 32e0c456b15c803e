/** What `pipeline/component.ts` promises of every component, held against each one of the table. */
import { setTimeout as sleep } from 'node:timers/promises';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { loadComponents } from '../../cmd/components.ts';
import type { Batch, Signal } from '../../pipeline/batch.ts';
import { ManualClock } from '../../pipeline/clock.ts';
import type {
  Component,
  Consumer,
  Context,
  ExporterFactory,
  ProcessorFactory,
  ReceiverFactory,
} from '../../pipeline/component.ts';
import { optionsOf } from '../../pipeline/config/options.ts';
import { SIGNALS } from '../../pipeline/config/schema.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { Sink, testContext } from '../support/context.ts';
import { health, telemetry } from '../support/pipeline.ts';

const components = await loadComponents();

const folder = mkdtempSync(join(tmpdir(), 'windback-contract-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const capture = join(folder, 'capture.jsonl');
writeFileSync(capture, '');

/** A port where nobody listens. */
const NOBODY = 'localhost:1';

/** The smallest configuration that works here, for components that have no such without it. */
const SMALLEST: Readonly<Record<string, object>> = {
  'receivers/otlp': { protocols: { grpc: { endpoint: 'localhost:0' }, http: { endpoint: 'localhost:0' } } },
  'receivers/otlp_file': { include: [capture] },
  'processors/memory_limiter': { limit_mib: 1_000_000 },
  'exporters/file': { path: join(folder, 'out.jsonl') },
  'exporters/kafka': { brokers: [NOBODY], timeout: '200ms' },
  'exporters/otlp': { endpoint: NOBODY, timeout: '1s', tls: { insecure: true } },
  'exporters/otlp_http': { endpoint: `http://${NOBODY}`, timeout: '1s' },
};

/** Keys that have no default. Whoever adds one here adds work for every user. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  'receivers/otlp': ['protocols'],
  'receivers/otlp_file': ['include'],
  'processors/memory_limiter': ['limit_mib'],
  'exporters/file': ['path'],
  'exporters/otlp': ['endpoint'],
  'exporters/otlp_http': ['endpoint'],
};

interface Case {
  readonly name: string;
  readonly factory: ReceiverFactory | ProcessorFactory | ExporterFactory;
  make(next: Sink, context: Context): Component;
}

const cases: Case[] = [
  ...components.receivers.map((factory) => ({
    name: `receivers/${factory.type}`,
    factory,
    make: (next: Sink, context: Context) =>
      factory.create(smallest(`receivers/${factory.type}`, factory.config), next, context),
  })),
  ...components.processors.map((factory) => ({
    name: `processors/${factory.type}`,
    factory,
    make: (next: Sink, context: Context) =>
      factory.create(smallest(`processors/${factory.type}`, factory.config), next, context),
  })),
  ...components.exporters.map((factory) => ({
    name: `exporters/${factory.type}`,
    factory,
    make: (_next: Sink, context: Context) =>
      factory.create(smallest(`exporters/${factory.type}`, factory.config), context),
  })),
];

function smallest(name: string, config: z.ZodType): never {
  return config.parse(SMALLEST[name] ?? {}) as never;
}

const NEVER = new AbortController().signal;

describe.each(cases)('$name', ({ name, factory, make }) => {
  const { type, summary, config } = factory;
  const accepts = 'accepts' in factory ? factory.accepts : [];
  const emits = 'emits' in factory ? factory.emits : [];

  function made(clock = new ManualClock(1_700_000_000_000)) {
    const next = new Sink(SIGNALS);
    const context = testContext(type, { clock });
    return { next, context, clock, component: make(next, context) };
  }

  test('says what it is', () => {
    expect(type).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(summary).toMatch(/^[A-Z].*[^.]\.$/);
    for (const signals of [accepts, emits]) {
      expect(new Set(signals).size).toBe(signals.length);
      for (const signal of signals) expect(SIGNALS).toContain(signal);
    }
    expect(accepts.length + emits.length).toBeGreaterThan(0);
  });

  test('needs no more configuration than is said above, and takes no key that it does not know', () => {
    const missing = (config.safeParse({}).error?.issues ?? []).map(({ path }) => path.join('.'));
    expect(missing).toEqual(REQUIRED[name] ?? []);
    expect(config.safeParse(SMALLEST[name] ?? {}).error?.issues ?? []).toEqual([]);
    const issues = config.safeParse({ ...SMALLEST[name], no_such_key: 1 }).error?.issues ?? [];
    expect(issues.map(({ code }) => code)).toContain('unrecognized_keys');
  });

  test('describes every key', () => {
    for (const { path, description } of optionsOf(config)) {
      expect(path).toMatch(/^[a-z0-9_.[\]<>]+$/);
      expect(`${path}: ${description}`).toMatch(/^\S+: \S.*[.,]$/s);
    }
  });

  test('stops before start, and twice', async () => {
    const { component, clock } = made();
    await component.stop(NEVER);
    await component.stop(NEVER);
    expect(clock.alarms).toBe(0);
  });

  test('started and stopped, again twice, it leaves nothing behind', async () => {
    const before = resources();
    const { component, clock } = made();
    await component.start();
    await component.stop(NEVER);
    await component.stop(AbortSignal.abort());
    expect(clock.alarms).toBe(0);
    await expectNothingMore(before);
  });

  test('stopped while it starts, it leaves nothing behind', async () => {
    const before = resources();
    const { component, clock } = made();
    const started = component.start().catch((error: unknown) => expect(error).toBeInstanceOf(PipelineError));
    await component.stop(NEVER);
    await started;
    await component.stop(NEVER);
    expect(clock.alarms).toBe(0);
    await expectNothingMore(before);
  });

  test.each(accepts)('answers %s with an acknowledgement or a PipelineError', async (signal) => {
    const { component, clock } = made();
    await component.start();
    const outcome = await offer(component as Component & Consumer, sample(signal), clock);
    expect(outcome).toSatisfy((error) => error === undefined || error instanceof PipelineError);
    await component.stop(AbortSignal.abort());
    expect(clock.alarms).toBe(0);
  });

  const passes = accepts.filter((signal) => emits.includes(signal));

  test.each(passes)('passes %s on, all of its items', async (signal) => {
    const { component, next, clock } = made();
    await component.start();
    expect(await offer(component as Component & Consumer, sample(signal), clock)).toBeUndefined();
    await component.stop(NEVER);
    const items = next.batches.filter((batch) => batch.signal === signal).reduce((sum, batch) => sum + batch.items, 0);
    expect(items).toBe(sample(signal).items);
  });

  test.each(passes)('does not acknowledge %s that nobody took', async (signal) => {
    const { component, next, clock } = made();
    const refusal = new PipelineError('queue_full', 'for the test', { retryAfterMs: 5000 });
    next.answer = async (batch) => {
      if (batch.signal === signal) throw refusal;
    };
    await component.start();
    expect(await offer(component as Component & Consumer, sample(signal), clock)).toMatchObject({
      code: 'queue_full',
      retryAfterMs: 5000,
    });
    await component.stop(NEVER);
  });

  const reads = 'mutates' in factory && !factory.mutates ? passes.filter(isTelemetrySignal) : [];

  test.each(reads)('says that it does not change %s, and does not', async (signal) => {
    const { component, clock, next } = made();
    const batch = telemetry(3, signal);
    const tags = [{ taggedResource: new Uint8Array(), attributes: [] }] as never;
    batch.tag(tags, 'resource');
    const before = Buffer.from(batch.encoded()).toString('hex');
    await component.start();
    await offer(component as Component & Consumer, batch, clock);
    await component.stop(NEVER);
    expect(batch.tags).toBe(tags);
    expect(Buffer.from(batch.encoded()).toString('hex')).toBe(before);
    expect(next.batches.length).toBeGreaterThan(0);
  });
});

test('no type is there twice', () => {
  for (const kind of [components.receivers, components.processors, components.exporters]) {
    expect(new Set(kind.map(({ type }) => type)).size).toBe(kind.length);
  }
});

test('what is said above is said of components that exist', () => {
  const names = new Set(cases.map(({ name }) => name));
  for (const name of [...Object.keys(SMALLEST), ...Object.keys(REQUIRED)]) expect(names).toContain(name);
});

function sample(signal: Signal): Batch {
  return isTelemetrySignal(signal) ? telemetry(3, signal) : health(0, signal);
}

function isTelemetrySignal(signal: Signal): signal is 'traces' | 'metrics' | 'logs' {
  return signal !== 'health' && signal !== 'decisions';
}

/** What became of a batch; time goes on meanwhile, for those that wait before they answer. */
async function offer(component: Consumer, batch: Batch, clock: ManualClock): Promise<unknown> {
  let isOver = false;
  const outcome = component.consume(batch).then(
    () => undefined,
    (error: unknown) => error,
  );
  void outcome.then(() => {
    isOver = true;
  });
  for (let i = 0; i < 100 && !isOver; i++) await clock.advanceTo(clock.now() + 100);
  return outcome;
}

/** Waits until nothing is there that was not `before`: a closed socket is gone only after some turns of the loop. */
/** What is a matter of turns, or a short timer of the test runner's, is let come to its end. */
async function expectNothingMore(before: readonly string[]): Promise<void> {
  for (let turn = 0; turn < 1000 && moreThan(before).length > 0; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (let turn = 0; turn < 50 && moreThan(before).length > 0; turn++) await sleep(20);
  expect(moreThan(before)).toEqual([]);
}

function moreThan(before: readonly string[]): string[] {
  const left = [...before];
  return resources().filter((name) => {
    const at = left.indexOf(name);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** What keeps the process alive: timers, sockets, servers, open files. */
function resources(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => !/^(PipeWrap|TTYWrap|Immediate|MessagePort|ProcessWrap|TickObject)/.test(name))
    .toSorted();
}
