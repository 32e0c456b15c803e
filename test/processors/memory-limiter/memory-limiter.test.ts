import { describe, expect, it } from 'vitest';
import { TelemetryBatch, type TelemetrySignal } from '../../../pipeline/batch.ts';
import { ManualClock } from '../../../pipeline/clock.ts';
import { memoryLimiterConfig } from '../../../processors/memory-limiter/config.ts';
import { memoryLimiter } from '../../../processors/memory-limiter/factory.ts';
import { limitsOf } from '../../../processors/memory-limiter/limits.ts';
import { processMemory } from '../../../processors/memory-limiter/memory.ts';
import { MemoryLimiter } from '../../../processors/memory-limiter/memory-limiter.ts';
import { counted, recordingLogger, Sink, testContext } from '../../support/context.ts';
import { requestBytes } from '../../support/otlp-requests.ts';

const MIB = 1024 * 1024;
const batch = (signal: TelemetrySignal = 'traces', items = 3) =>
  TelemetryBatch.open(signal, requestBytes(signal, items));

/** A limiter of 100 MiB that refuses above 80, over memory that the test sets. */
function limit(options: { collect?: () => void; config?: Record<string, unknown> } = {}) {
  const memory = { mib: 10, trims: 0, collections: 0 };
  const clock = new ManualClock();
  const { logger, lines } = recordingLogger();
  const context = testContext('memory_limiter', { clock, logger });
  const sink = new Sink();
  const config = memoryLimiterConfig.parse({ limit_mib: 100, ...options.config });
  const limiter = new MemoryLimiter(config, sink, context, {
    used: () => memory.mib * MIB,
    total: () => 1000 * MIB,
    trim: () => memory.trims++,
    collect: () => {
      memory.collections++;
      options.collect?.();
    },
  });
  return { limiter, memory, clock, context, sink, lines };
}

describe('memory_limiter', () => {
  it('refuses from the soft limit on, says how long to wait, and recovers by itself', async () => {
    const { limiter, memory, clock, context, sink } = limit();
    await limiter.start();
    await limiter.consume(batch());
    memory.mib = 81;
    await limiter.consume(batch());
    expect(sink.items('traces'), 'not measured yet').toBe(6);
    await clock.advanceTo(1000);
    await expect(limiter.consume(batch('logs'))).rejects.toMatchObject({ code: 'memory_limit', retryAfterMs: 1000 });
    await expect(limiter.consume(batch('logs', 4))).rejects.toThrow('81 MiB are used, telemetry is taken up to 80 MiB');
    expect(sink.items('logs')).toBe(0);
    const labels = { processor: 'memory_limiter', signal: 'logs', reason: 'memory_limit' };
    expect(await counted(context, 'windback_processor_refused_items_total', labels)).toBe(7);
    expect(await counted(context, 'windback_memory_limiter_bytes', { processor: 'memory_limiter' })).toBe(81 * MIB);
    memory.mib = 80;
    await clock.advanceTo(2000);
    await limiter.consume(batch('logs'));
    expect(sink.items('logs')).toBe(3);
  });

  it('takes nothing above the hard limit, also while memory falls', async () => {
    const { limiter, memory, clock } = limit();
    await limiter.start();
    for (const [i, mib] of [160, 140, 130, 120, 115, 110, 105, 101].entries()) {
      memory.mib = mib;
      await clock.advanceTo((i + 1) * 1000);
      await expect(limiter.consume(batch()), `${mib} MiB`).rejects.toThrow(/telemetry is taken up to (80|100) MiB/);
    }
  });

  it('measures at start, so that a process that begins too large refuses at once', async () => {
    const { limiter, memory } = limit();
    memory.mib = 90;
    await limiter.start();
    await expect(limiter.consume(batch())).rejects.toMatchObject({ code: 'memory_limit' });
  });

  it('says it once when refusing begins and once when it ends', async () => {
    const { limiter, memory, clock, lines } = limit();
    await limiter.start();
    memory.mib = 90;
    await clock.advanceTo(5000);
    memory.mib = 20;
    await clock.advanceTo(9000);
    expect(lines.map(({ level, msg }) => `${String(level)} ${String(msg)}`)).toEqual([
      '30 memory is limited',
      '40 memory is over the limit: telemetry is refused',
      '30 memory is under the limit again: telemetry is taken',
    ]);
  });

  it('gives memory back above the limit, collects garbage every 2 s at most, and measures again', async () => {
    const { limiter, memory, clock, sink } = limit({
      collect: () => {
        memory.mib -= 5;
      },
    });
    await limiter.start();
    memory.mib = 80;
    await clock.advanceTo(1000);
    expect([memory.trims, memory.collections]).toEqual([0, 0]);
    memory.mib = 120;
    await clock.advanceTo(3000);
    expect([memory.trims, memory.collections, memory.mib]).toEqual([2, 1, 115]);
    await expect(limiter.consume(batch())).rejects.toMatchObject({ code: 'memory_limit' });
    memory.mib = 84;
    await clock.advanceTo(4000);
    await limiter.consume(batch());
    expect(sink.items('traces')).toBe(3);
    await clock.advanceTo(30_000);
    expect([memory.trims, memory.collections]).toEqual([2, 1]);
  });

  it('takes telemetry again where memory does not come down, half of the way to the hard limit', async () => {
    const { limiter, memory, clock, sink } = limit();
    await limiter.start();
    memory.mib = 90;
    await clock.advanceTo(1000);
    await expect(limiter.consume(batch())).rejects.toThrow('90 MiB are used, telemetry is taken up to 80 MiB');
    await clock.advanceTo(2000);
    await limiter.consume(batch());
    memory.mib = 96;
    await clock.advanceTo(3000);
    await expect(limiter.consume(batch())).rejects.toThrow('96 MiB are used, telemetry is taken up to 95 MiB');
    memory.mib = 101;
    await clock.advanceTo(60_000);
    await expect(limiter.consume(batch()), 'above the hard limit never').rejects.toMatchObject({
      code: 'memory_limit',
    });
    memory.mib = 80;
    await clock.advanceTo(61_000);
    memory.mib = 81;
    await clock.advanceTo(62_000);
    await expect(limiter.consume(batch())).rejects.toThrow('81 MiB are used, telemetry is taken up to 80 MiB');
    expect(sink.items('traces')).toBe(3);
  });

  it('holds no timer after stop; stop is legal before start and twice', async () => {
    const { limiter, memory, clock, context } = limit();
    await limiter.stop();
    await limiter.start();
    await limiter.stop();
    await limiter.stop();
    memory.mib = 50;
    await clock.advanceTo(10_000);
    expect(await counted(context, 'windback_memory_limiter_bytes', { processor: 'memory_limiter' })).toBe(10 * MIB);
  });

  it('passes on what stands behind it refuses', async () => {
    const { limiter, sink } = limit();
    await limiter.start();
    sink.answer = () => Promise.reject(new Error('full'));
    await expect(limiter.consume(batch())).rejects.toThrow('full');
  });
});

describe('limits', () => {
  const limits = (config: Record<string, unknown>) => {
    const { soft, hard } = limitsOf(memoryLimiterConfig.parse(config), 1000 * MIB);
    return [soft / MIB, hard / MIB];
  };

  it('are those of the Collector', () => {
    expect(limits({ limit_mib: 500 })).toEqual([400, 500]);
    expect(limits({ limit_mib: 500, spike_limit_mib: 50 })).toEqual([450, 500]);
    expect(limits({ limit_percentage: 50 })).toEqual([400, 500]);
    expect(limits({ limit_percentage: 50, spike_limit_percentage: 20 })).toEqual([300, 500]);
    expect(limits({ limit_mib: 500, limit_percentage: 10, spike_limit_percentage: 5 })).toEqual([400, 500]);
  });

  it.each([
    [{}, 'want limit_mib or limit_percentage above 0'],
    [{ limit_mib: 100, spike_limit_mib: 100 }, 'want less than limit_mib'],
    [{ limit_percentage: 50, spike_limit_percentage: 60 }, 'want less than limit_percentage'],
    [{ limit_mib: 100, check_interval: '0s' }, 'want more than 0'],
  ])('refuses %j', (config, message) => {
    expect(memoryLimiterConfig.safeParse(config).error?.issues.map((issue) => issue.message)).toEqual([message]);
  });
});

it('reads the real memory of the process and its machine', async () => {
  const memory = processMemory();
  expect(memory.used()).toBeGreaterThan(10 * MIB);
  expect(memory.total()).toBeGreaterThan(memory.used());
  const limiter = memoryLimiter.create(memoryLimiterConfig.parse({ limit_mib: 1 }), new Sink(), testContext('m'));
  await limiter.start();
  await expect(limiter.consume(batch())).rejects.toMatchObject({ code: 'memory_limit' });
  await limiter.stop(AbortSignal.timeout(1000));
});
