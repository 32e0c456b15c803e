import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BufferPool, sizeClass } from '../../pipeline/buffer-pool.ts';

const MIB = 1024 * 1024;

test('a size class holds what was asked for, wastes at most a quarter, and is its own', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (bytes) => {
      const size = sizeClass(bytes);
      expect(size).toBeGreaterThanOrEqual(bytes);
      expect(size).toBeLessThanOrEqual(Math.max(4096, bytes * 1.25));
      expect(sizeClass(size)).toBe(size);
    }),
  );
});

test('what comes back is used again, for any size of its class', () => {
  const pool = new BufferPool(MIB);
  const first = pool.take(5000);
  pool.give(first);
  expect(pool.idleBytes).toBe(first.length);
  expect(pool.take(5100)).toBe(first);
  expect(pool.idleBytes).toBe(0);
});

test('whatever is taken and given, nobody shares a buffer and no more is kept than allowed', () => {
  const step = fc.record({ takes: fc.boolean(), bytes: fc.integer({ min: 1, max: 200_000 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const pool = new BufferPool(300_000);
      const taken: Buffer[] = [];
      let given: Buffer[] = [];
      for (const { takes, bytes } of steps) {
        const back = takes ? undefined : taken.shift();
        if (back === undefined) {
          const buffer = pool.take(bytes);
          expect(buffer.length).toBeGreaterThanOrEqual(bytes);
          expect(taken).not.toContain(buffer);
          given = given.filter((one) => one !== buffer);
          taken.push(buffer);
        } else {
          pool.give(back);
          given.push(back);
        }
        expect(pool.idleBytes).toBeLessThanOrEqual(300_000);
      }
      expect(pool.idleBytes).toBeLessThanOrEqual(given.reduce((sum, { length }) => sum + length, 0));
    }),
  );
});

describe('what is kept', () => {
  test('makes room for the sizes that are asked for now', () => {
    const pool = new BufferPool(MIB);
    const small = Array.from({ length: 256 }, () => pool.take(4096));
    for (const buffer of small) pool.give(buffer);
    expect(pool.idleBytes).toBe(MIB);
    const large = pool.take(MIB / 2);
    pool.give(large);
    expect(pool.idleBytes).toBeLessThanOrEqual(MIB);
    expect(pool.take(MIB / 2)).toBe(large);
  });

  test('is nothing larger than all of it, nothing foreign, and nothing after trim', () => {
    const pool = new BufferPool(MIB);
    pool.give(pool.take(2 * MIB));
    pool.give(Buffer.alloc(5000));
    expect(pool.idleBytes).toBe(0);
    const buffer = pool.take(10_000);
    pool.give(buffer);
    pool.trim();
    expect(pool.idleBytes).toBe(0);
    expect(pool.take(10_000)).not.toBe(buffer);
  });
});

describe('what is not kept is freed at once', () => {
  test('where it is more than is kept, where it makes room, and by trim', () => {
    const pool = new BufferPool(MIB);
    const large = pool.take(2 * MIB);
    pool.give(large);
    expect(large.buffer.byteLength).toBe(0);
    const [first, second, third] = [pool.take(MIB / 2), pool.take(MIB / 2), pool.take(MIB)];
    pool.give(first);
    pool.give(second);
    pool.give(third);
    expect([first, second, third].map(({ length }) => length)).toEqual([0, 0, MIB]);
    pool.trim();
    expect(third.length).toBe(0);
  });

  test('but not what it is a part of', () => {
    const pool = new BufferPool(4096);
    const whole = Buffer.alloc(4 * 4096, 7);
    pool.give(whole.subarray(0, 2 * 4096));
    expect(whole.every((byte) => byte === 7)).toBe(true);
  });
});

describe('in tests', () => {
  test('what comes back is written over, so that whoever still reads it is seen', () => {
    const pool = new BufferPool(MIB);
    pool.poison = 0xdb;
    const buffer = pool.take(4096).fill(1);
    pool.give(buffer);
    expect(buffer.every((byte) => byte === 0xdb)).toBe(true);
  });

  test('what comes back twice is seen', () => {
    const pool = new BufferPool(MIB);
    pool.poison = 0xdb;
    const buffer = pool.take(4096);
    pool.give(buffer);
    expect(() => pool.give(buffer)).toThrow(/twice/);
  });
});
