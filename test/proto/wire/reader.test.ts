import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BYTES, FIXED32, FIXED64, field, Reader, VARINT, WireError } from '../../../proto/wire/reader.ts';
import { varint } from '../../support/otlp-wire.ts';

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

describe('numbers', () => {
  test('an unsigned varint is the nearest number', () => {
    fc.assert(
      fc.property(uint64, (value) => {
        const reader = new Reader(varint(value));
        // Summed from the low end: at most the last bit of a double is off.
        expect(Math.abs(reader.varint() - Number(value))).toBeLessThanOrEqual(2 * Number(value) * Number.EPSILON);
        expect(reader.pos).toBe(reader.end);
      }),
    );
  });

  test('varints up to 2^53 are exact, signed and unsigned', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        expect(new Reader(varint(BigInt(value))).int64()).toBe(value);
        expect(new Reader(varint(BigInt(Math.abs(value)))).varint()).toBe(Math.abs(value));
      }),
    );
  });

  test('any signed varint is near', () => {
    fc.assert(
      fc.property(int64, (value) => {
        const read = new Reader(varint(value)).int64();
        expect(Math.sign(read)).toBe(Math.sign(Number(value)));
        expect(Math.abs(read - Number(value))).toBeLessThanOrEqual(2 * Math.abs(Number(value)) * Number.EPSILON);
      }),
    );
  });

  test('a number in more bytes than it needs', () => {
    expect(new Reader(Uint8Array.of(0x85, 0x80, 0x00)).varint()).toBe(5);
  });

  test('fixed-width numbers, at any offset', () => {
    fc.assert(
      fc.property(fc.nat(7), uint64, fc.double(), (offset, integer, double) => {
        const bytes = Buffer.alloc(offset + 20);
        bytes.writeBigUInt64LE(integer, offset);
        bytes.writeDoubleLE(double, offset + 8);
        bytes.writeUInt32LE(Number(integer & 0xffff_ffffn), offset + 16);
        const reader = new Reader(bytes, offset);
        expect(reader.fixed64()).toBe(Number(integer));
        expect(reader.double()).toBe(double);
        expect(reader.fixed32()).toBe(Number(integer & 0xffff_ffffn));
      }),
    );
  });
});

describe('tags', () => {
  test('every field number with every wire type that exists', () => {
    const wireType = fc.constantFrom(VARINT, FIXED64, BYTES, FIXED32);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 29 - 1 }), wireType, (number, type) => {
        const tag = new Reader(varint(BigInt(number * 8 + type))).tag();
        expect([tag >>> 3, tag & 7]).toEqual([number, type]);
      }),
    );
  });

  test('of a length-delimited field', () => {
    expect(field(9)).toBe(9 * 8 + 2);
  });

  test.each([0n, 1n, 7n, 2n ** 32n, 2n ** 63n])('%s is none', (value) => {
    expect(() => new Reader(varint(value)).tag()).toThrow(WireError);
  });
});

describe('bounds', () => {
  const reads = ['tag', 'varint', 'int64', 'length', 'fixed32', 'fixed64', 'double'] as const;

  test.each(reads)('%s does not read past the end, though there are bytes behind it', (read) => {
    const bytes = Uint8Array.of(0x80, 0x01, 0x80, 0x01, 0x01, 0x01, 0x01, 0x01);
    for (const end of [0, 1]) expect(() => new Reader(bytes, 0, end)[read]()).toThrow(WireError);
  });

  test.each([
    [VARINT, Uint8Array.of(0x80)],
    [FIXED64, new Uint8Array(7)],
    [BYTES, Uint8Array.of(3, 1, 2)],
    [FIXED32, new Uint8Array(3)],
    [3, new Uint8Array(9)],
    [6, new Uint8Array(9)],
  ])('a field of wire type %i that cannot be skipped', (wireType, bytes) => {
    expect(() => new Reader(bytes).skip(wireType)).toThrow(WireError);
  });

  test('an error names the byte', () => {
    const reader = new Reader(Uint8Array.of(0, 0, 0x80), 2);
    expect(() => reader.varint()).toThrow(expect.objectContaining({ name: 'WireError', offset: 3 }));
  });
});
