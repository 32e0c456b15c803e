import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fifo } from '../../pipeline/fifo.ts';
import { collectGarbage } from '../../pipeline/garbage.ts';

test('is an array with push, shift and unshift, however many go through', () => {
  const step = fc.oneof(
    fc.record({ push: fc.integer({ min: 1, max: 3000 }) }),
    fc.record({ shift: fc.integer({ min: 1, max: 3000 }) }),
    fc.record({ unshift: fc.integer({ min: 1, max: 3 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      let next = 0;
      for (const each of steps) {
        const count = 'push' in each ? each.push : 'unshift' in each ? each.unshift : 0;
        const items = Array.from({ length: count }, () => next++);
        if ('push' in each) for (const item of items) model.push((fifo.push(item), item));
        if ('unshift' in each) fifo.unshift(...items);
        if ('unshift' in each) model.unshift(...items);
        const out = 'shift' in each ? Array.from({ length: each.shift }, () => fifo.shift()) : [];
        expect(out).toEqual(Array.from({ length: out.length }, () => model.shift()));
        expect(fifo.length).toBe(model.length);
      }
    }),
    { numRuns: 50 },
  );
});

test('holds nothing that was taken', async () => {
  const fifo = new Fifo<object>();
  const taken: WeakRef<object>[] = [];
  for (let i = 0; i < 100; i++) {
    fifo.push({ i });
    taken.push(new WeakRef(fifo.shift() as object));
  }
  fifo.push({ still: 'here' });
  // What a WeakRef was made of lives until the end of the task.
  await new Promise((resolve) => setImmediate(resolve));
  await collectGarbage('regular');
  expect(taken.filter((one) => one.deref() !== undefined).length).toBe(0);
  expect(fifo.shift()).toEqual({ still: 'here' });
});
