/** What must not cost more than itself: a defect in one service, a question that comes too early, a new configuration. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ManualClock } from '../../../pipeline/clock.ts';
import { type RouteMethod, Router } from '../../../pipeline/routes.ts';
import { MemoryStorage } from '../../../pipeline/storage.ts';
import { ServiceJudge } from '../../../processors/verdict/service-judge.ts';
import { VerdictProcessor } from '../../../processors/verdict/verdict.ts';
import type { DeltaSeries } from '../../../proto/windback/health.ts';
import { recordingLogger, Sink, testContext } from '../../support/context.ts';
import { config, series, START } from '../../support/judging.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const good = series({ version: '1', ms: { 20: 18 } });
const bad = series({ version: '2', ms: { 20: 2 }, bad: 2 });
const other = { ...good, service: 'zz' };

class Life {
  readonly clock: ManualClock;
  readonly sink = new Sink(['decisions']);
  readonly router = new Router();
  readonly recorded = recordingLogger();
  readonly processor: VerdictProcessor;
  #second: number;

  constructor(storage: MemoryStorage, settings: Record<string, unknown> = {}, second = 0) {
    this.#second = second;
    this.clock = new ManualClock((START + second) * 1000);
    const { logger } = this.recorded;
    const context = testContext('verdict', { clock: this.clock, storage, logger, router: this.router });
    this.processor = new VerdictProcessor(config(settings), this.sink, context);
  }

  async run(until: number, seen: (second: number) => readonly DeltaSeries[]): Promise<void> {
    for (; this.#second < until; this.#second++) {
      const slot = START + this.#second;
      await this.clock.advanceTo((slot + 1) * 1000);
      const delta = { source: 'a', slot, series: seen(this.#second), events: [] };
      await this.processor.consume({ signal: 'health', items: 1, deltas: [delta] });
    }
  }

  get decided(): string[] {
    return this.sink.batches.flatMap((batch) =>
      batch.signal === 'decisions' ? batch.decisions.map(({ subject, data }) => `${subject} ${data.decision}`) : [],
    );
  }

  async ask(method: RouteMethod, query = '', body?: unknown): Promise<unknown> {
    const asked = new URLSearchParams(query);
    const { handler } = this.router.match(method, '/api/overrides', asked);
    return ((await handler({ params: {}, query: asked, accept: '', body })) as { json: unknown }).json;
  }
}

const beside = (second: number) => (second < 60 ? [good, other] : [good, bad, other]);

describe('a defect in one service', () => {
  /** Judging the service `zz` fails, be it before or after anything of the block was done. */
  function poison(isAfter: boolean): void {
    const judgeNext = ServiceJudge.prototype.judgeNext;
    vi.spyOn(ServiceJudge.prototype, 'judgeNext').mockImplementation(function* (this: ServiceJudge) {
      const isPoisoned = this.identity.service === 'zz';
      if (isPoisoned && !isAfter) throw new Error('a defect');
      const decisions = yield* judgeNext.call(this);
      if (isPoisoned) throw new Error('a defect');
      return decisions;
    });
  }

  it.each([true, false])(
    'costs the others none of their decisions, and is said once; after its block: %s',
    async (is) => {
      poison(is);
      const storage = new MemoryStorage(true);
      const life = new Life(storage);
      await life.processor.start();
      await life.run(300, beside);
      expect(life.decided).toEqual(['shop/checkout/prod hold', 'shop/checkout/prod rollback']);
      const said = life.recorded.lines.filter(({ msg }) => String(msg).includes('please report it'));
      expect(said).toMatchObject([{ service: 'shop/zz/prod', err: { message: 'a defect' } }]);
      await life.processor.stop();
      expect(storage.keys()).toContain('service/shop/checkout/prod');
    },
  );

  it('is said again when it comes back', async () => {
    const life = new Life(new MemoryStorage());
    await life.processor.start();
    const said = () => life.recorded.lines.filter(({ msg }) => String(msg).includes('please report it')).length;
    for (const [i, from] of [0, 100].entries()) {
      await life.run(from + 50, () => [other]);
      poison(true);
      await life.run(from + 100, () => [other]);
      vi.restoreAllMocks();
      expect(said()).toBe(i + 1);
    }
  });

  it('does not keep the state from being saved at the end, whatever the last look at the clock came to', async () => {
    const storage = new MemoryStorage();
    const life = new Life(storage);
    await life.processor.start();
    await life.run(60, beside);
    vi.spyOn(ServiceJudge.prototype, 'isDue', 'get').mockImplementation(() => {
      throw new Error('a defect');
    });
    await expect(life.clock.advanceTo(life.clock.now() + 1000)).rejects.toThrow('a defect');
    await life.processor.stop();
    expect(storage.keys()).toContain('service/shop/checkout/prod');
  });
});

describe('overrides', () => {
  const pin = (version: string) => ({ kind: 'pin', service: 'shop/checkout/prod', version });
  const early = expect.objectContaining({
    code: 'api_not_ready',
    retryAfterMs: 1000,
    row: expect.objectContaining({ retryable: true }),
  });

  it('are not changed before those that were saved are known', async () => {
    const storage = new MemoryStorage(true);
    const first = new Life(storage);
    await first.processor.start();
    await first.ask('POST', '', pin('2'));
    await first.processor.stop();
    const second = new Life(storage);
    await expect(second.ask('POST', '', pin('9'))).rejects.toEqual(early);
    await expect(second.ask('POST', '', { kind: 'pin', service: 'checkout' })).rejects.toEqual(early);
    await expect(second.ask('DELETE', 'service=shop/checkout/prod&version=2')).rejects.toEqual(early);
    expect(await second.ask('GET')).toEqual({ overrides: [] });
    await second.processor.start();
    await second.ask('POST', '', pin('9'));
    expect(await second.ask('GET')).toMatchObject({ overrides: [{ version: '2' }, { version: '9' }] });
  });

  it('of a newer version are not written over', async () => {
    const storage = new MemoryStorage(true);
    const saved = JSON.stringify({ form: 99, digest: '', state: 'of a newer one' });
    storage.put(new Map([['overrides', saved]]));
    const life = new Life(storage);
    await expect(life.processor.start()).rejects.toMatchObject({ code: 'state_newer' });
    await expect(life.ask('POST', '', pin('9'))).rejects.toEqual(early);
    expect(storage.get('overrides')).toBe(saved);
  });

  it('and all else that was saved stays where it is stopped before it was started', async () => {
    const storage = new MemoryStorage(true);
    const first = new Life(storage);
    await first.processor.start();
    await first.run(120, beside);
    await first.processor.stop();
    const entries = () => storage.keys().map((key) => [key, storage.get(key)]);
    const before = entries();
    await new Life(storage).processor.stop();
    expect(entries()).toEqual(before);
  });
});

it('notes nothing of services that are forgotten, where nothing is saved before the end', async () => {
  const storage = new MemoryStorage();
  const life = new Life(storage);
  await life.processor.start();
  await life.run(20, () => [good, other]);
  await life.processor.stop();
  expect(storage.keys()).toContain('service/shop/zz/prod');
  const again = new Life(storage, {}, 20);
  await again.processor.start();
  await again.clock.advanceTo((START + 7 * 3600) * 1000);
  expect(storage.keys(), 'what was saved of it is gone too').not.toContain('service/shop/zz/prod');
  const put = vi.spyOn(storage, 'put');
  await again.processor.stop();
  const written = put.mock.calls.flatMap(([entries]) => [...entries.keys()]);
  expect(written).toContain('board');
  expect(written.filter((key) => key.startsWith('service/'))).toEqual([]);
});

describe('a version that was rolled back and is still there', () => {
  it.each([{ history: { max_operations: 201 } }, { tolerance: 0.5 }, { indicators: { silence: { share: 0.4 } } }])(
    'is not rolled back once more after a restart with %j',
    async (changed) => {
      const storage = new MemoryStorage(true);
      const first = new Life(storage);
      await first.processor.start();
      // Beyond the cool-down, which would keep it from being rolled back again for a while.
      await first.run(2400, beside);
      await first.processor.stop();
      expect(first.decided).toEqual(['shop/checkout/prod hold', 'shop/checkout/prod rollback']);
      const second = new Life(storage, changed, 2400);
      await second.processor.start();
      await second.run(2800, beside);
      expect(second.decided).toEqual([]);
    },
  );
});
