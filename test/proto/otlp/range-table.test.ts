import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RangeTable } from '../../../proto/otlp/range-table.ts';

const FILLER = 0x2e;

/** The number of a pair of texts that lie somewhere in a buffer. */
function numberOf(table: RangeTable, first: string, second: string, gap = 0): number {
  const [one, two] = [Buffer.from(first, 'latin1'), Buffer.from(second, 'latin1')];
  const filler = Buffer.alloc(gap, FILLER);
  const bytes = Buffer.concat([filler, one, filler, two, filler]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return table.numberOf(view, gap, one.length, gap + one.length + gap, two.length);
}

describe('texts in requests', () => {
  test('have the same number where they are equal, wherever they lie', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\xff'), maxLength: 9 });
    const texts = fc.array(fc.tuple(word, word, fc.nat(3)), { maxLength: 200, size: 'max' });
    fc.assert(
      fc.property(texts, (asked) => {
        const table = new RangeTable(1000);
        const expected = new Map<string, number>();
        for (const [first, second, gap] of asked) {
          const key = `${first.length} ${first}${second}`;
          if (!expected.has(key)) expected.set(key, expected.size + 1);
          expect(numberOf(table, first, second, gap)).toBe(expected.get(key));
        }
      }),
      { numRuns: 300 },
    );
  });

  test('are told apart by their last byte, their first and their length', () => {
    const table = new RangeTable(100);
    const texts = ['', 'a', 'aa', 'aaa', 'aaaa', 'aaaaa', 'aaaab', 'baaaa', 'aabaa', 'aaaaaaaa', 'aaaaaaa'];
    expect(texts.map((text) => numberOf(table, text, 'x'))).toEqual(texts.map((_, i) => i + 1));
    expect(texts.map((text) => numberOf(table, text, 'x', 5))).toEqual(texts.map((_, i) => i + 1));
  });

  test('are all still known after thousands have come, and those beyond the limit have no number', () => {
    const table = new RangeTable(5000);
    const ask = () => Array.from({ length: 5010 }, (_, i) => numberOf(table, 'GET', `/products/${i}/{id}`));
    const numbers = [...Array.from({ length: 5000 }, (_, i) => i + 1), ...Array<number>(10).fill(0)];
    expect(ask()).toEqual(numbers);
    expect(ask()).toEqual(numbers);
  });

  test('that were made up to have one hash are not all looked through', () => {
    // A flipped highest bit stays the highest bit in a product: two of them, in neighbouring words, undo each other.
    const alike = Array.from({ length: 4096 }, (_, i) =>
      Array.from({ length: 12 }, (__, bit) => ((i >> bit) & 1 ? 'abc\xe1abc\xe1' : 'abcaabca')).join(''),
    );
    const table = new RangeTable(100_000);
    const numbers = alike.map((text) => numberOf(table, '', text));
    expect(new Set(numbers).size).toBe(65);
    expect(alike.map((text) => numberOf(table, '', text))).toEqual(numbers);
    const others = Array.from({ length: 1000 }, (_, i) => numberOf(table, 'GET', `/${i}`));
    expect(new Set(others).size).toBe(1000);
    expect(Array.from({ length: 1000 }, (_, i) => numberOf(table, 'GET', `/${i}`))).toEqual(others);
    // As the table grows, one of them may come to lie too far away.
    for (const [i, text] of alike.entries()) expect([numbers[i], 0]).toContain(numberOf(table, '', text));
  });

  test('may be long', () => {
    const table = new RangeTable(10);
    const long = 'x'.repeat(100_000);
    expect([numberOf(table, long, ''), numberOf(table, long, 'y'), numberOf(table, long, '')]).toEqual([1, 2, 1]);
  });
});
