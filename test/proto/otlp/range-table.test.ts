import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hashOfPair, RangeTable } from '../../../proto/otlp/range-table.ts';

const FILLER = 0x2e;

/** The number of a pair of texts that lie somewhere in a buffer. */
function numberOf(table: RangeTable, first: string, second: string, gap = 0): number {
  const [one, two] = [Buffer.from(first, 'latin1'), Buffer.from(second, 'latin1')];
  const filler = Buffer.alloc(gap, FILLER);
  const bytes = Buffer.concat([filler, one, filler, two, filler]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return table.numberOf(view, gap, one.length, gap + one.length + gap, two.length);
}

/** `count` texts that look for the same place in a table of `places`. */
function textsOfOnePlace(count: number, places: number): string[] {
  const texts: string[] = [];
  for (let i = 0; texts.length < count; i++) {
    const bytes = Buffer.from(`/${i}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if ((hashOfPair(view, 0, 0, 0, bytes.length) & (places - 1)) === 0) texts.push(`/${i}`);
  }
  return texts;
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
    // Bits 31 and 15 flipped in a word are bit 31 where the high bits have been taken into the low ones. That stays the
    // highest bit in a product: two of them, in neighbouring words, undo each other.
    const alike = Array.from({ length: 4096 }, (_, i) =>
      Array.from({ length: 12 }, (__, bit) => ((i >> bit) & 1 ? 'a\xe2c\xe1a\xe2c\xe1' : 'abcaabca')).join(''),
    );
    const table = new RangeTable(100_000);
    const numbers = alike.map((text) => numberOf(table, '', text));
    expect(new Set(numbers).size).toBe(65);
    expect(numbers.slice(64).every((number) => number === 0)).toBe(true);
    expect(alike.map((text) => numberOf(table, '', text))).toEqual(numbers);
    const others = Array.from({ length: 1000 }, (_, i) => numberOf(table, 'GET', `/${i}`));
    expect(new Set(others).size).toBe(1000);
    expect(Array.from({ length: 1000 }, (_, i) => numberOf(table, 'GET', `/${i}`))).toEqual(others);
  });

  test('keep their numbers as the table grows, as many as have one hash', () => {
    const alike = Array.from({ length: 64 }, (_, i) =>
      Array.from({ length: 6 }, (__, bit) => ((i >> bit) & 1 ? 'a\xe2c\xe1a\xe2c\xe1' : 'abcaabca')).join(''),
    );
    const table = new RangeTable(100_000);
    const others = Array.from({ length: 30_000 }, (_, i) => `/products/${i}`);
    // Others lie between them, so that some are moved on when all are placed anew.
    const texts = others.flatMap((other, i) => (i < alike.length ? [other, alike[i] as string] : [other]));
    const numbers = texts.map((text) => numberOf(table, '', text));
    expect(numbers).toEqual(texts.map((_, i) => i + 1));
    expect(texts.map((text) => numberOf(table, '', text))).toEqual(numbers);
  });

  const digits = [...'0123456789'];
  const hundred = (make: (a: string, b: string) => string) => digits.flatMap((a) => digits.map((b) => make(a, b)));
  const five = (i: number) => [...String(i).padStart(5, '0')];
  test.each<[string, string[]]>([
    ['two digits of a route', hundred((a, b) => `/a/${a}/b/${b}`)],
    ['two digits of a name', hundred((a, b) => `job${a}run${b}`)],
    [
      'a digit of each word',
      Array.from({ length: 16_000 }, (_, i) =>
        five(i)
          .map((digit) => `abc${digit}`)
          .join(''),
      ),
    ],
    [
      'the last of four bytes of UTF-8',
      Array.from({ length: 16_000 }, (_, i) =>
        five(i)
          .map((digit) => Buffer.from(String.fromCodePoint(0x1f600 + Number(digit))).toString('latin1'))
          .join(''),
      ),
    ],
  ])('are told apart where they differ in the last bytes of words: %s', (_, texts) => {
    const table = new RangeTable(1 << 14);
    const numbers = texts.map((text) => numberOf(table, 'GET', text));
    expect(numbers).toEqual(texts.map((__, i) => i + 1));
    expect(texts.map((text) => numberOf(table, 'GET', text))).toEqual(numbers);
  });

  test('that look for one place are all placed: the table grows until they are', () => {
    const table = new RangeTable(1 << 14);
    const texts = textsOfOnePlace(80, 4096);
    expect(texts.map((text) => numberOf(table, '', text))).toEqual(texts.map((_, i) => i + 1));
    expect(texts.map((text) => numberOf(table, '', text))).toEqual(texts.map((_, i) => i + 1));
  });

  test('may be long', () => {
    const table = new RangeTable(10);
    const long = 'x'.repeat(100_000);
    expect([numberOf(table, long, ''), numberOf(table, long, 'y'), numberOf(table, long, '')]).toEqual([1, 2, 1]);
  });
});
