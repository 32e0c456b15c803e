import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ManualClock, SystemClock } from '../../pipeline/clock.ts';

describe('the manual clock', () => {
  test('rings in the order of time, then of making, at the time set', async () => {
    const clock = new ManualClock(1000);
    const rung: string[] = [];
    const note = (name: string) => () => void rung.push(`${name} ${clock.now()}`);
    clock.every(300, note('every 300'));
    void clock.sleep(600).then(note('slept 600'));
    clock.every(200, note('every 200'));
    await clock.advanceTo(1600);
    expect(rung).toEqual([
      'every 200 1200',
      'every 300 1300',
      'every 200 1400',
      'every 300 1600',
      'slept 600 1600',
      'every 200 1600',
    ]);
    expect(clock.now()).toBe(1600);
  });

  test('who sleeps again in a loop wakes at each of its times, however many promises lie between', async () => {
    const clock = new ManualClock();
    const woken: number[] = [];
    const loop = async () => {
      for (let i = 0; i < 4; i++) {
        for (let hop = 0; hop < 20; hop++) await Promise.resolve();
        await clock.sleep(100);
        woken.push(clock.now());
      }
    };
    void loop();
    await clock.advanceTo(1000);
    expect(woken).toEqual([100, 200, 300, 400]);
  });

  test('awaits a tick before the next alarm', async () => {
    const clock = new ManualClock();
    const rung: string[] = [];
    clock.every(10, async () => {
      await new Promise((resolve) => setImmediate(resolve));
      rung.push('slow');
    });
    clock.every(11, () => void rung.push('quick'));
    await clock.advanceTo(11);
    expect(rung).toEqual(['slow', 'quick']);
  });

  test('never goes back', async () => {
    const clock = new ManualClock(50);
    await clock.advanceTo(20);
    expect(clock.now()).toBe(50);
  });

  test('an abort ends a sleep at once, before it and during it', async () => {
    const clock = new ManualClock();
    await clock.sleep(10, AbortSignal.abort());
    const controller = new AbortController();
    const sleeping = clock.sleep(10, controller.signal);
    expect(clock.alarms).toBe(1);
    controller.abort();
    await sleeping;
    expect(clock.alarms).toBe(0);
  });

  test('a tick that is no longer wanted does not come', async () => {
    const clock = new ManualClock();
    const tick = vi.fn<() => void>();
    clock.every(10, tick)();
    await clock.advanceTo(100);
    expect(tick).not.toHaveBeenCalled();
  });

  test('a tick that fails ends the advance', async () => {
    const clock = new ManualClock();
    clock.every(10, async () => Promise.reject(new Error('broken')));
    await expect(clock.advanceTo(10)).rejects.toThrow('broken');
  });

  test('set to another epoch, it keeps the pauses', async () => {
    const clock = new ManualClock();
    const rung: number[] = [];
    clock.every(1000, () => void rung.push(clock.now()));
    clock.startAt(1_700_000_000_000);
    await clock.advanceTo(1_700_000_002_000);
    expect(rung).toEqual([1_700_000_001_000, 1_700_000_002_000]);
  });
});

describe("the machine's clock", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  test('ticks do not overlap', async () => {
    let running = 0;
    let ticks = 0;
    const end = Promise.withResolvers<void>();
    const stop = new SystemClock().every(10, async () => {
      ticks++;
      expect(++running).toBe(1);
      await end.promise;
      running--;
    });
    await vi.advanceTimersByTimeAsync(100);
    expect(ticks).toBe(1);
    end.resolve();
    await vi.advanceTimersByTimeAsync(20);
    expect(ticks).toBeGreaterThan(1);
    stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', async () => Promise.reject(new Error('broken'))],
  ])('a tick that %s is reported, and the next one comes', async (_, fail) => {
    const failures: unknown[] = [];
    const stop = new SystemClock((thrown) => failures.push(thrown)).every(10, fail);
    await vi.advanceTimersByTimeAsync(30);
    stop();
    expect(failures).toEqual([new Error('broken'), new Error('broken'), new Error('broken')]);
  });

  test('a sleep ends in time, or with an abort, and leaves neither timer nor listener', async () => {
    const controller = new AbortController();
    const remove = vi.spyOn(controller.signal, 'removeEventListener');
    const ended: string[] = [];
    void new SystemClock().sleep(50, controller.signal).then(() => ended.push('short'));
    void new SystemClock().sleep(5000, controller.signal).then(() => ended.push('long'));
    await vi.advanceTimersByTimeAsync(50);
    expect(ended).toEqual(['short']);
    expect(remove).toHaveBeenCalledTimes(1);
    controller.abort();
    await vi.advanceTimersByTimeAsync(0);
    expect(ended).toEqual(['short', 'long']);
    expect(vi.getTimerCount()).toBe(0);
    await new SystemClock().sleep(5000, controller.signal);
  });

  test.each([2 ** 31, 1e12, Number.POSITIVE_INFINITY])(
    'a pause of %d ms, which no timer takes, is long',
    async (ms) => {
      const ended = vi.fn<() => void>();
      void new SystemClock().sleep(ms).then(ended);
      const stop = new SystemClock().every(ms, ended);
      await vi.advanceTimersByTimeAsync(24 * 3_600_000);
      expect(ended).not.toHaveBeenCalled();
      stop();
    },
  );
});
