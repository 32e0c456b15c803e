/** A process that ends without a word, in the middle of a rollout, and the next one that takes up what it had saved. */
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../pipeline/clock.ts';
import { MemoryStorage } from '../../../pipeline/storage.ts';
import { VerdictProcessor } from '../../../processors/verdict/verdict.ts';
import type { DecisionEvent } from '../../../proto/windback/decision.ts';
import { Sink, testContext } from '../../support/context.ts';
import { config, series, START } from '../../support/judging.ts';

const good = series({ version: '1', ms: { 20: 18 } });
const bad = series({ version: '2', ms: { 20: 2 }, bad: 2 });
const ALONE = 60;
/** What is saved is what was decided. */
const rarelySaved = config({ state: { save_interval: '1h' } });

/** What the disk has at a moment. */
function copyOf(storage: MemoryStorage): MemoryStorage {
  const copy = new MemoryStorage(true);
  copy.put(new Map(storage.keys().map((key) => [key, storage.get(key) as string])));
  return copy;
}

/** Lives that end by a crash at these seconds, each from what is on disk then. All that was handed on, in its order. */
async function lives(crashes: readonly number[], seconds: number): Promise<DecisionEvent[]> {
  const handedOn: DecisionEvent[] = [];
  let storage = new MemoryStorage(true);
  let second = 0;
  for (const end of [...crashes, seconds]) {
    storage = copyOf(storage);
    const clock = new ManualClock((START + second) * 1000);
    const sink = new Sink(['decisions']);
    const processor = new VerdictProcessor(rarelySaved, sink, testContext('verdict', { clock, storage }));
    await processor.start();
    for (; second < end; second++) {
      const delta = { source: 'a', slot: START + second, series: second < ALONE ? [good] : [good, bad], events: [] };
      await clock.advanceTo((START + second + 1) * 1000);
      await processor.consume({ signal: 'health', items: 1, deltas: [delta] });
    }
    for (const batch of sink.batches) if (batch.signal === 'decisions') handedOn.push(...batch.decisions);
  }
  return handedOn;
}

function distinct(events: readonly DecisionEvent[]): Map<string, Set<string>> {
  const contents = new Map<string, Set<string>>();
  for (const event of events) contents.set(event.id, (contents.get(event.id) ?? new Set()).add(JSON.stringify(event)));
  return contents;
}

describe('after a crash', () => {
  it('what was decided is not decided again, whenever it was', async () => {
    const whole = await lives([], 200);
    expect(whole.map(({ data }) => data.decision)).toEqual(['hold', 'rollback']);
    for (let crash = ALONE; crash < 110; crash += 4) {
      const contents = distinct(await lives([crash, crash + 6], 200));
      const kinds = [...contents.values()].map(([text = '']) => (JSON.parse(text) as DecisionEvent).data.decision);
      expect({ crash, rollbacks: kinds.filter((kind) => kind === 'rollback').length }).toEqual({ crash, rollbacks: 1 });
      expect([...contents.values()].filter(({ size }) => size > 1)).toEqual([]);
    }
  });

  it('what was saved and not handed on is handed on, as it was', async () => {
    const storage = new MemoryStorage(true);
    const clock = new ManualClock(START * 1000);
    const sink = new Sink(['decisions']);
    let atHandingOn: MemoryStorage | undefined;
    sink.answer = async () => void (atHandingOn ??= copyOf(storage));
    const processor = new VerdictProcessor(config(), sink, testContext('verdict', { clock, storage }));
    await processor.start();
    for (let second = 0; atHandingOn === undefined; second++) {
      const delta = { source: 'a', slot: START + second, series: second < ALONE ? [good] : [good, bad], events: [] };
      await clock.advanceTo((START + second + 1) * 1000);
      await processor.consume({ signal: 'health', items: 1, deltas: [delta] });
    }
    const next = new Sink(['decisions']);
    const context = testContext('verdict', { clock, storage: copyOf(atHandingOn) });
    await new VerdictProcessor(config(), next, context).start();
    expect(next.batches).toEqual(sink.batches);
    expect(next.batches).toMatchObject([{ signal: 'decisions', items: 1 }]);
  });

  it('what a clock that was put back says does not keep the state from being saved', async () => {
    const storage = new MemoryStorage(true);
    const clock = new ManualClock(START * 1000);
    let offMs = 3_600_000;
    const stepped = Object.assign(Object.create(clock) as ManualClock, { now: () => clock.now() + offMs });
    stepped.every = (...args) => clock.every(...args);
    const context = testContext('verdict', { clock: stepped, storage });
    const processor = new VerdictProcessor(config(), new Sink(['decisions']), context);
    await processor.start();
    await clock.advanceTo((START + 20) * 1000);
    offMs = 0;
    const delta = { source: 'a', slot: START + 20, series: [good], events: [] };
    await processor.consume({ signal: 'health', items: 1, deltas: [delta] });
    await clock.advanceTo((START + 40) * 1000);
    expect(storage.keys()).toContain('service/shop/checkout/prod');
  });
});
