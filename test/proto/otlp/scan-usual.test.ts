import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SpanColumns } from '../../../proto/otlp/columns.ts';
import { scan } from '../../../proto/otlp/scan.ts';
import { encodeTree, type WireField, type WireTree } from '../../support/otlp-wire.ts';

/*
 * Spans as nearly all senders write them are read in a row, all others field by field. An unknown field in front of a
 * span makes it one of the others: whatever it is, both ways must come to the same.
 */
const UNKNOWN: WireField = { number: 99, value: 0n };
const UNKNOWN_BYTES = encodeTree([UNKNOWN]);

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const fixed = bytesOf(8).map((bytes) => ({ fixed: bytes }));
const text = fc.string({ maxLength: 140, size: 'max' }).map((characters) => Buffer.from(characters));
const string = (number: number, value: string): WireField => ({ number, value: Buffer.from(value) });
const attribute = fc
  .tuple(
    fc.constantFrom('http.route', 'http.request.method', 'server.address', 'peer.service', 'http.response.status_code'),
    fc.oneof(
      text.map((value): WireField => ({ number: 1, value })),
      fc.bigInt({ min: 0n, max: 70_000n }).map((value): WireField => ({ number: 3, value })),
    ),
  )
  .map(([key, value]): WireTree => [string(1, key), { number: 2, value: [value] }]);

/** Fields in the usual order, of which some are missing, and some are not what they should be. */
const span: fc.Arbitrary<WireTree> = fc
  .tuple(
    field(1, fc.oneof(bytesOf(16), bytesOf(0))),
    field(2, fc.oneof(bytesOf(8), bytesOf(0))),
    field(4, fc.oneof(bytesOf(8), bytesOf(0))),
    field(5, text),
    field(6, fc.constantFrom(0n, 1n, 2n, 3n, 4n, 5n, 127n, 128n, 300n)),
    field(7, fixed),
    field(8, fixed),
    fc.array(attribute, { maxLength: 5 }),
    field(15, fc.constantFrom<WireTree>([], [{ number: 3, value: 2n }])),
    field(6, fc.constantFrom(2n, 3n), 0.1),
  )
  .map(([trace, id, parent, name, kind, start, end, attributes, status, kindAgain]) =>
    [trace, id, parent, name, kind, start, end, ...attributes.map((value) => ({ number: 9, value })), status, kindAgain]
      .flat()
      .filter((one) => one !== undefined),
  );

function field(number: number, value: fc.Arbitrary<WireField['value']>, share = 0.8) {
  return fc
    .tuple(fc.double({ min: 0, max: 1, noNaN: true }), value)
    .map(([chance, one]): WireField | undefined => (chance < share ? { number, value: one } : undefined));
}

describe('a span as nearly all senders write it', () => {
  test('is read as one of which each field is looked at', () => {
    fc.assert(
      fc.property(fc.array(span, { minLength: 1, maxLength: 4 }), (spans) => {
        const bytes = spans.map((fields) => encodeTree(fields));
        expect(rowsOf(bytes)).toEqual(rowsOf(bytes.map((one) => Buffer.concat([UNKNOWN_BYTES, one]))));
      }),
      { numRuns: 2000 },
    );
  });

  test('is refused where such a one is, and read as such a one is, however it was garbled', () => {
    const garbled = fc.tuple(span, fc.nat(), fc.nat(255), fc.nat(), fc.boolean());
    fc.assert(
      fc.property(garbled, ([fields, at, value, end, isCut]) => {
        const whole = encodeTree(fields);
        if (whole.length > 0) whole[at % whole.length] = value;
        const bytes = isCut ? whole.subarray(0, end % (whole.length + 1)) : whole;
        expect(outcomeOf([bytes])).toEqual(outcomeOf([Buffer.concat([UNKNOWN_BYTES, bytes])]));
      }),
      { numRuns: 4000 },
    );
  });

  test('ends where it ends: what stands behind it is of the next one', () => {
    // Behind the kind of the first span stands what would be its times.
    const times = encodeTree([
      { number: 7, value: { fixed: Buffer.alloc(8, 1) } },
      { number: 8, value: { fixed: Buffer.alloc(8, 2) } },
    ]);
    const [first] = rowsOf([encodeTree([string(5, 'a'), { number: 6, value: 2n }]), times]);
    expect(first).toMatchObject({ endSeconds: 0, durationNs: 0, kind: 2 });
  });
});

describe('numbers of texts', () => {
  const request = (method: string, route: string) =>
    encodeTree([
      { number: 6, value: 2n },
      { number: 9, value: [string(1, 'http.request.method'), { number: 2, value: [string(1, method)] }] },
      { number: 9, value: [string(1, 'http.route'), { number: 2, value: [string(1, route)] }] },
    ]);
  const call = (address: string) =>
    encodeTree([
      { number: 6, value: 3n },
      { number: 9, value: [string(1, 'server.address'), { number: 2, value: [string(1, address)] }] },
    ]);

  test('are equal where method and route are', () => {
    const { operation, callee } = columnsOf([
      request('GET', '/cart'),
      request('GET/', 'cart'),
      request('GET', '/cart'),
      request('', '/cart'),
    ]);
    expect(operation[0]).toBeGreaterThan(0);
    expect(operation[2]).toBe(operation[0]);
    expect(new Set(operation).size).toBe(3);
    expect([...callee]).toEqual([0, 0, 0, 0]);
  });

  test('are given to whom a call went to, and to nothing else of a call', () => {
    const { operation, callee } = columnsOf([call('cart:50051'), call('redis'), call('cart:50051')]);
    expect([...operation]).toEqual([0, 0, 0]);
    expect(callee[0]).toBeGreaterThan(0);
    expect(callee[2]).toBe(callee[0]);
    expect(callee[1]).not.toBe(callee[0]);
  });

  test('are not given to texts that are too long, nor where attributes are not read', () => {
    const bytes = [request('GET', '/'.repeat(126)), request('GET', '/'.repeat(125))];
    const [tooLong, longest] = columnsOf(bytes).operation;
    expect(tooLong).toBe(0);
    expect(longest).toBeGreaterThan(0);
    expect([...columnsOf(bytes, false).operation]).toEqual([0, 0]);
  });

  test('begin anew when too many texts have come', () => {
    const before = columnsOf([request('GET', '/anew')]);
    const spans = Array.from({ length: 90_000 }, (_, i) => request('GET', `/of-many/${i}`));
    const crowded = columnsOf(spans);
    expect(crowded.texts).toBe(before.texts);
    expect(crowded.operation.at(-1)).toBe(0);
    const after = columnsOf([request('GET', '/anew')]);
    expect(after.texts).not.toBe(before.texts);
    expect(after.operation[0]).toBe(1);
  });
});

function requestOf(spans: readonly Uint8Array[]): Buffer {
  return encodeTree([{ number: 1, value: [{ number: 2, value: spans.map((value) => ({ number: 2, value })) }] }]);
}

function columnsOf(spans: readonly Uint8Array[], readsAttributes = true): SpanColumns {
  return scan('traces', requestOf(spans), undefined, readsAttributes) as SpanColumns;
}

function outcomeOf(spans: readonly Uint8Array[]): unknown {
  try {
    return rowsOf(spans);
  } catch {
    return 'refused';
  }
}

const RANGES = ['operation', 'method', 'callee'] as const;

/** All that is said of each span, but where it lies. */
function rowsOf(spans: readonly Uint8Array[]): Record<string, unknown>[] {
  const bytes = requestOf(spans);
  const columns = scan('traces', bytes) as SpanColumns;
  const said = Object.entries(columns).filter(([name, column]) => ArrayBuffer.isView(column) && !PLACES.has(name));
  return Array.from({ length: columns.count }, (_, i) => {
    const row: Record<string, unknown> = {};
    for (const [name, column] of said) row[name] = column[i];
    for (const name of RANGES) {
      const at = columns[`${name}Offset`][i] as number;
      row[`${name}Offset`] = bytes.toString('latin1', at, at + (columns[`${name}Length`][i] as number));
    }
    return row;
  });
}

const PLACES = new Set(['offset', 'length']);
