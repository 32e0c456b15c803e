import { afterEach, expect, it, vi } from 'vitest';
import { MemoryStorage } from '../../../pipeline/storage.ts';
import type { Storage } from '../../../pipeline/storage.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { DecisionLog } from '../../../processors/verdict/decision-log.ts';
import type { Surroundings } from '../../../processors/verdict/service-judge.ts';
import { StateKeeper } from '../../../processors/verdict/state.ts';
import { type InTurn, Turns } from '../../../processors/verdict/turns.ts';
import { testContext } from '../../support/context.ts';
import { Bench, config, series, START } from '../../support/judging.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Every look at the time finds that others should have a turn. */
function slow(): void {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => (now += 50));
}

function queue(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const done = last.then(work);
    last = done;
    return done;
  };
}

function keeperOf(bench: Bench, storage: Storage): StateKeeper {
  const surroundings = {
    digest: 'x',
    board: bench.board,
    overrides: bench.overrides,
    config: config(),
  } as Surroundings;
  const services = new Map([['a', bench.judge]]);
  return new StateKeeper(testContext('verdict', { storage }), surroundings, services, new DecisionLog(), {
    waiting: [],
  });
}

function busy(): Bench {
  const instances = Array.from({ length: 5 }, (_, i) => `pod-${i}`);
  return new Bench().run(12, () =>
    instances.map((instance) => series({ version: '1', instance, all: 9, ms: { 20: 9 } })),
  );
}

it('saves a service as it was at one moment, though others have turns while it is written', async () => {
  const bench = busy();
  const storage = new MemoryStorage(true);
  const keeper = keeperOf(bench, storage);
  const before = JSON.stringify(bench.judge.save());
  slow();
  const inTurn = queue();
  keeper.touch('a');
  const saving = keeper.saveChanged(new Turns(), inTurn);
  let turns = 0;
  let isSaving = true;
  const others = (): void => {
    turns++;
    if (isSaving) setImmediate(others);
  };
  setImmediate(others);
  await inTurn(async () => bench.judge.merge(series({ version: '1', all: 3 }), bench.slot, bench.slot * 1000));
  await saving;
  isSaving = false;
  expect(turns).toBeGreaterThan(2);
  const { state } = JSON.parse(storage.get('service/a') as string) as { state: unknown };
  expect(JSON.stringify(state)).toBe(before);
  expect(JSON.stringify(bench.judge.save())).not.toBe(before);
});

it('saves again what could not be put', async () => {
  const bench = busy();
  const storage = new MemoryStorage(true);
  const keeper = keeperOf(bench, storage);
  keeper.touch('a');
  vi.spyOn(storage, 'put').mockImplementationOnce(() => {
    throw new PipelineError('file_unwritable', 'full');
  });
  await keeper.saveChanged(new Turns(), queue());
  expect(storage.get('service/a')).toBeUndefined();
  await keeper.saveChanged(new Turns(), queue());
  expect(storage.get('service/a')).toContain('pod-4');
});

it('judges the same block with others having turns in between', async () => {
  slow();
  const benches = [busy(), busy()];
  for (const { judge, slot } of benches) {
    for (let i = 0; i < 15; i++)
      judge.merge(series({ version: '1', instance: `pod-${i % 5}`, all: 4 }), slot, slot * 1000);
    judge.reach((START + 40) * 1000);
  }
  const [straight, paused] = benches.map(({ judge }) => judge);
  straight?.advance((START + 40) * 1000);
  while (paused?.isDue) await new Turns().through(paused.judgeNext());
  expect(JSON.stringify(paused?.save())).toBe(JSON.stringify(straight?.save()));
});
