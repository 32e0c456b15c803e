import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Reader } from '../../../proto/wire/reader.ts';
import { varintSize, Writer } from '../../../proto/wire/writer.ts';
import { encodeTree, varint, type WireTree } from '../../support/otlp-wire.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const capacity = fc.integer({ min: 0, max: 300 });

describe('numbers', () => {
  const unsigned = fc.nat(Number.MAX_SAFE_INTEGER);

  test('a varint and its size', () => {
    fc.assert(
      fc.property(capacity, unsigned, (size, value) => {
        const writer = new Writer(size);
        writer.varint(value);
        expect(hex(writer.finish())).toBe(hex(varint(BigInt(value))));
        expect(varintSize(value)).toBe(writer.length);
      }),
    );
  });

  test('zigzag', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 51), max: 2 ** 51 }), (value) => {
        const writer = new Writer();
        writer.zigzagField(1, value);
        const zigzag = (BigInt(value) << 1n) ^ (BigInt(value) >> 63n);
        expect(hex(writer.finish())).toBe(value === 0 ? '' : hex(encodeTree([{ number: 1, value: zigzag }])));
      }),
    );
  });

  test('a double comes back, whatever the capacity', () => {
    fc.assert(
      fc.property(capacity, fc.double(), (size, value) => {
        const writer = new Writer(size);
        writer.doubleField(1, value);
        fc.pre(value !== 0);
        const reader = new Reader(writer.finish());
        reader.tag();
        expect(reader.double()).toBe(value);
      }),
    );
  });

  test('defaults are left out', () => {
    const writer = new Writer();
    writer.varintField(1, 0);
    writer.doubleField(2, 0);
    expect(writer.length).toBe(0);
  });
});

describe('messages', () => {
  const { tree } = fc.letrec<{ tree: WireTree }>((tie) => ({
    tree: fc.array(
      fc.record({
        number: fc.integer({ min: 1, max: 40 }),
        value: fc.oneof({ maxDepth: 4 }, fc.uint8Array({ maxLength: 300, size: 'max' }), tie('tree')),
      }),
      { maxLength: 4 },
    ),
  }));

  /** The guesses of lengths are mostly wrong. */
  function write(writer: Writer, fields: WireTree, guess: number): void {
    for (const { number, value } of fields) {
      const mark = writer.open(number, guess);
      if (value instanceof Uint8Array) writer.raw(value);
      else write(writer, value as WireTree, guess);
      writer.close(mark);
    }
  }

  test('nest, whatever length was guessed and wherever the buffer had to grow', () => {
    const guess = fc.constantFrom(0, 1, 127, 128, 20_000, 3_000_000);
    fc.assert(
      fc.property(capacity, guess, tree, (size, length, fields) => {
        const writer = new Writer(size);
        write(writer, fields, length);
        expect(hex(writer.finish())).toBe(hex(encodeTree(fields)));
      }),
      { numRuns: 1000 },
    );
  });

  test('a short body at the very end of the buffer', () => {
    for (let size = 0; size < 40; size++) {
      const writer = new Writer(size);
      writer.raw(new Uint8Array(10));
      const mark = writer.open(1, 3);
      writer.raw(Uint8Array.of(1, 2, 3));
      writer.close(mark);
      expect(hex(writer.finish())).toBe(`${'00'.repeat(10)}0a03010203`);
    }
  });

  test('text is UTF-8', () => {
    const writer = new Writer(0);
    writer.stringField(2, 'Zürich ✓');
    expect(hex(writer.finish())).toBe(hex(encodeTree([{ number: 2, value: Buffer.from('Zürich ✓') }])));
  });

  test('a part of other bytes', () => {
    const writer = new Writer(0);
    writer.raw(Uint8Array.of(1, 2, 3, 4), 1, 3);
    expect([...writer.finish()]).toEqual([2, 3]);
  });
});
