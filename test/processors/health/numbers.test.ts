import { expect, test } from 'vitest';
import { TextNumbers } from '../../../processors/health/numbers.ts';

test('a text keeps its number while it is used, and none has the number of another', () => {
  const numbers = new TextNumbers(3);
  const first = numbers.of('a');
  const given = new Set([first]);
  for (let i = 0; i < 100; i++) {
    given.add(numbers.of(`${i}`));
    expect(numbers.of('a')).toBe(first);
  }
  expect(given.size).toBe(101);
  for (let i = 0; i < 3; i++) numbers.of(`later ${i}`);
  expect(given).not.toContain(numbers.of('a'));
});

test('long texts make room for one another, and a very long one is not kept', () => {
  const numbers = new TextNumbers(1000);
  const long = (name: string) => numbers.of(name.padEnd(20 * 2 ** 20));
  expect([long('a'), long('a'), long('b'), long('a')]).toEqual([0, 0, 1, 2]);
  const huge = 'a'.padEnd(40 * 2 ** 20);
  expect([numbers.of(huge), numbers.of(huge)]).toEqual([3, 4]);
  expect(long('a')).toBe(2);
});
