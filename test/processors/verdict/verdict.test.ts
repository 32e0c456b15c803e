/** The processor around the judges: its clock, its counters, its limits. */
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../pipeline/clock.ts';
import type { Context } from '../../../pipeline/component.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { MemoryStorage, type Storage } from '../../../pipeline/storage.ts';
import { VerdictProcessor } from '../../../processors/verdict/verdict.ts';
import type { DeltaSeries } from '../../../proto/windback/health.ts';
import { counted, recordingLogger, Sink, testContext } from '../../support/context.ts';
import { config, series, START } from '../../support/judging.ts';

class Running {
  readonly clock = new ManualClock(START * 1000);
  readonly recorded = recordingLogger();
  readonly context: Context;
  readonly sink = new Sink(['decisions']);
  readonly processor: VerdictProcessor;
  slot = START;

  constructor(overrides: Record<string, unknown> = {}, storage: Storage = new MemoryStorage()) {
    this.context = testContext('verdict', { clock: this.clock, logger: this.recorded.logger, storage });
    this.processor = new VerdictProcessor(config(overrides), this.sink, this.context);
  }

  /** Lets seconds pass, each with the same telemetry. */
  async run(seconds: number, seen: readonly DeltaSeries[]): Promise<this> {
    for (let i = 0; i < seconds; i++) {
      const delta = { source: 'a', slot: this.slot, series: seen, events: [] };
      await this.clock.advanceTo((this.slot + 1) * 1000);
      await this.processor.consume({ signal: 'health', items: 1, deltas: [delta] });
      this.slot++;
    }
    return this;
  }

  get kinds(): string[] {
    return this.sink.batches.flatMap((batch) =>
      batch.signal === 'decisions' ? batch.decisions.map(({ data }) => data.decision) : [],
    );
  }

  count(name: string, labels: Record<string, string> = {}): Promise<number> {
    return counted(this.context, name, { processor: 'verdict', ...labels });
  }
}

const good = series({ version: '1', ms: { 20: 18 } });
const bad = series({ version: '2', ms: { 20: 2 }, bad: 2 });

async function start(overrides: Record<string, unknown> = {}): Promise<Running> {
  const running = new Running(overrides);
  await running.processor.start();
  return running;
}

describe('verdict', () => {
  it('decides on its clock, counts decisions and says each in the log', async () => {
    const running = await (await (await start()).run(60, [good])).run(120, [good, bad]);
    expect(running.kinds).toEqual(['hold', 'rollback']);
    expect(await running.count('windback_verdict_decisions_total', { decision: 'rollback' })).toBe(1);
    const said = running.recorded.lines.filter(({ decision }) => decision === 'rollback');
    expect(said).toHaveLength(1);
    expect(said[0]).toMatchObject({ service: 'shop/checkout/prod' });
    expect(said[0]?.['msg']).toMatch(/^2 fails and 1 never does on POST \/pay: /);
  });

  it('shows scores, cohorts and rollouts while they are there', async () => {
    const running = await (await (await start()).run(60, [good])).run(60, [good, bad]);
    const text = await running.context.meter.text();
    expect(text).toContain('windback_health_score{service="shop/checkout/prod",version="1",window="1m"} 100');
    expect(await running.count('windback_verdict_cohorts')).toBe(2);
    expect(await running.count('windback_verdict_rollouts')).toBe(1);
    await running.clock.advanceTo((running.slot + 7 * 3600) * 1000);
    const later = await running.context.meter.text();
    expect(later).not.toContain('window="1m"');
    expect(await running.count('windback_verdict_cohorts')).toBe(0);
  });

  it('takes the roles back when it forgets a service', async () => {
    const running = await (await (await start()).run(60, [good])).run(60, [good, bad]);
    expect(running.context.roles.of('shop/checkout/prod', '2')).toBe('candidate');
    await running.clock.advanceTo((running.slot + 7 * 3600) * 1000);
    expect(running.context.roles.of('shop/checkout/prod', '2')).toBeUndefined();
  });

  it('counts services beyond max_services and leaves them alone', async () => {
    const others = Array.from({ length: 5 }, (_, i) => ({ ...good, service: `s${i}` }));
    const running = await (await start({ max_services: 3 })).run(10, others);
    expect(await running.count('windback_verdict_overflow_total', { limit: 'services' })).toBe(20);
    await running.context.meter.text();
    expect(await running.count('windback_verdict_cohorts')).toBe(3);
  });

  it('counts late events', async () => {
    const running = await (await start()).run(60, [good]);
    const delta = { source: 'a', slot: START + 1, series: [good], events: [] };
    await running.processor.consume({ signal: 'health', items: 1, deltas: [delta] });
    expect(await running.count('windback_verdict_late_events_total')).toBe(18);
  });

  it('goes on judging when a decision cannot be delivered, and says so', async () => {
    const running = await (await start()).run(60, [good]);
    running.sink.answer = () => Promise.reject(new PipelineError('file_unwritable', 'told to'));
    await running.run(60, [good, bad]);
    expect(running.recorded.lines.filter(({ code }) => code === 'file_unwritable').length).toBeGreaterThan(0);
    running.sink.answer = async () => {};
    await running.run(60, [good, bad]);
    expect(running.kinds).toEqual(['hold', 'rollback']);
  });

  it('passes over other signals, holds no timer after stop, and may stop before start and twice', async () => {
    const running = new Running();
    await running.processor.stop();
    await running.processor.start();
    await running.processor.consume({ signal: 'decisions', items: 0, decisions: [] });
    await running.run(60, [good]);
    await running.processor.stop();
    await running.processor.stop();
    await running.run(120, [good, bad]);
    expect(running.kinds).toEqual([]);
  });

  it('survives a clock that is set back, and one that jumps ahead', async () => {
    const running = await (await start()).run(120, [good]);
    running.clock.startAt(running.clock.now() - 3_600_000);
    await running.clock.advanceTo(running.clock.now() + 30_000);
    expect(running.kinds).toEqual([]);
    running.clock.startAt(running.clock.now() + 2 * 3_600_000);
    running.slot = Math.floor(running.clock.now() / 1000);
    await running.run(60, [good]);
    await running.run(120, [good, bad]);
    expect(running.kinds).toEqual(['hold', 'rollback']);
  });
});

describe('the state', () => {
  /** Runs until the candidate is suspected, stops, and starts again with other settings on the same storage. */
  const stopped = async (first: Record<string, unknown>, second: Record<string, unknown>) => {
    const storage = new MemoryStorage();
    const running = new Running(first, storage);
    await running.processor.start();
    await (await running.run(60, [good])).run(40, [good, bad]);
    await running.processor.stop();
    const again = new Running(second, storage);
    again.clock.startAt(running.clock.now());
    again.slot = running.slot;
    await again.processor.start();
    return { running, again };
  };

  it('goes on where it was: what was decided is not decided again', async () => {
    const { running, again } = await stopped({}, {});
    await again.run(80, [good, bad]);
    expect([...running.kinds, ...again.kinds]).toEqual(['hold', 'rollback']);
  });

  it('of another configuration begins its rollouts anew, and keeps the rest', async () => {
    const { running, again } = await stopped({}, { tolerance: 0.5 });
    expect(running.kinds).toEqual(['hold']);
    await again.run(10, [good, bad]);
    expect(again.kinds, 'its evidence begins at 1').toEqual([]);
    await again.context.meter.text();
    expect(await again.count('windback_verdict_cohorts')).toBe(2);
    await again.run(120, [good, bad]);
    expect(again.kinds).toEqual(['hold', 'rollback']);
  });

  it('is that of the last block judged, though nothing came since', async () => {
    const storage = new MemoryStorage();
    const running = new Running({ state: { save_interval: '1s' } }, storage);
    await running.processor.start();
    await (await running.run(60, [good])).run(80, [good, bad]);
    await running.clock.advanceTo(running.clock.now() + 60_000);
    await running.processor.stop();
    const again = new Running({ state: { save_interval: '1s' } }, storage);
    again.clock.startAt(running.clock.now());
    await again.processor.start();
    await again.clock.advanceTo(again.clock.now() + 60_000);
    expect(running.kinds).toEqual(['hold', 'rollback']);
    expect(again.kinds, 'no block is judged twice').toEqual([]);
  });

  it('that is damaged, or of a form that is no longer read, is said and left out', async () => {
    for (const text of ['{', JSON.stringify({ form: 1, digest: '', state: {} }), 'null']) {
      const storage = new MemoryStorage();
      storage.put(new Map([['service/shop/checkout/prod', text]]));
      const running = new Running({}, storage);
      await running.processor.start();
      expect(running.recorded.lines.some(({ msg }) => String(msg).includes('cannot be read and is left out'))).toBe(
        true,
      );
      await (await running.run(60, [good])).run(120, [good, bad]);
      expect(running.kinds).toEqual(['hold', 'rollback']);
    }
  });

  it('of a newer version is not written over: the start is refused, and the state stays', async () => {
    const storage = new MemoryStorage(true);
    const saved = JSON.stringify({ form: 99, digest: '', state: {} });
    const entries = ['service/shop/checkout/prod', 'board', 'decisions'].map((key): [string, string] => [key, saved]);
    storage.put(new Map(entries));
    const running = new Running({}, storage);
    await expect(running.processor.start()).rejects.toMatchObject({
      code: 'state_newer',
      detail: 'service/shop/checkout/prod: its form is 99, this version reads 2 to 3',
    });
    await running.processor.stop();
    expect(storage.keys().map((key) => [key, storage.get(key)])).toEqual(entries.toSorted());
  });
});
