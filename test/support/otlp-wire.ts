/**
 * Random OTLP at the level of protobuf fields, straight from the schema: fields in any order, unknown ones on every
 * level, empty messages. A message is a tree here, so a test can say what should have become of each of its fields.
 */
import fc from 'fast-check';
import type protobuf from 'protobufjs';

/** One field as it stands on the wire. */
export interface WireField {
  readonly number: number;
  /** A varint, the bytes of a fixed-width number or of a length-delimited field, or the fields of a message. */
  readonly value: bigint | Fixed | Uint8Array | WireTree;
}

interface Fixed {
  readonly fixed: Uint8Array;
}

export type WireTree = readonly WireField[];

/** Protobuf encoding of a tree, written without the code under test. */
export function encodeTree(tree: WireTree): Buffer {
  return Buffer.concat(tree.map(({ number, value }) => encodeField(number, value)));
}

function encodeField(number: number, value: WireField['value']): Buffer {
  const tag = (wireType: number) => varint(BigInt(number) * 8n + BigInt(wireType));
  if (typeof value === 'bigint') return Buffer.concat([tag(0), varint(value)]);
  if ('fixed' in value) return Buffer.concat([tag(value.fixed.length === 8 ? 1 : 5), value.fixed]);
  const body = value instanceof Uint8Array ? value : encodeTree(value);
  return Buffer.concat([tag(2), varint(BigInt(body.length)), body]);
}

/** An unsigned 64-bit number; a negative one as two's complement. */
export function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** The fields of a number in a tree, as messages. */
export function messagesIn(tree: WireTree, number: number): WireTree[] {
  return tree
    .filter((field) => field.number === number && Array.isArray(field.value))
    .map(({ value }) => value as WireTree);
}

/** Keys and values that the code under test looks for, so that random messages have them often. */
export interface Vocabulary {
  readonly keys: readonly string[];
  readonly strings: readonly string[];
  readonly integers: readonly bigint[];
}

/** Messages of `type`. */
export function wireTree(type: protobuf.Type, words: Vocabulary, depth = 0): fc.Arbitrary<WireTree> {
  const singles: fc.Arbitrary<WireTree>[] = [];
  const oneofs = new Map<string, fc.Arbitrary<WireTree>[]>();
  for (const field of type.fieldsArray) {
    field.resolve();
    if (field.resolvedType !== null && 'fieldsArray' in field.resolvedType && depth >= DEPTH_MAX) continue;
    const { partOf, repeated } = field;
    const one = fieldArbitrary(type, field, words, depth);
    // Usually there: a message of which half is missing on every level has no items.
    if (repeated)
      singles.push(
        fc.array(one, { maxLength: depth < ITEM_DEPTH || field.name === 'attributes' ? 3 : 2, size: 'max' }),
      );
    else if (field.name.endsWith('Strindex')) singles.push(fc.constant([]));
    else if (partOf === null || partOf.isProto3Optional) singles.push(usually(one));
    else oneofs.set(partOf.name, [...(oneofs.get(partOf.name) ?? []), one.map((member) => [member])]);
  }
  const members = [...oneofs.values()].map((each) =>
    fc.oneof(
      ...each.map((arbitrary, i) => ({ arbitrary, weight: type.name === 'AnyValue' && i !== 1 && i < 3 ? 16 : 2 })),
      {
        arbitrary: fc.constant([]),
        weight: 1,
      },
    ),
  );
  const unknown = fc.oneof(
    { arbitrary: fc.constant([]), weight: 3 },
    unknownField().map((field) => [field]),
  );
  return fc
    .tuple(fc.tuple(...singles, ...members, unknown), fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })))
    .map(([parts, order]) => {
      const fields = parts.flat();
      // A few messages keep the order of the schema, as every real sender does.
      if ((order.next().value as number) < 0.3) return fields;
      const ranked = fields.map((field) => ({ field, rank: order.next().value as number }));
      return ranked.toSorted((a, b) => a.rank - b.rank).map(({ field }) => field);
    });
}

function usually(one: fc.Arbitrary<WireField>): fc.Arbitrary<WireTree> {
  const present = one.map((field) => [field]);
  return fc.oneof({ arbitrary: present, weight: 5 }, { arbitrary: fc.constant([]), weight: 1 });
}

/** Where spans, metrics and log records are. */
const ITEM_DEPTH = 3;

/** Deep enough for an attribute of an exemplar of a point that is a list of maps. */
const DEPTH_MAX = 9;

/** A field that no version of OTLP has, up to the highest number that protobuf allows. */
export function unknownField(): fc.Arbitrary<WireField> {
  const number = fc.oneof(fc.integer({ min: 900, max: 999 }), fc.integer({ min: 2 ** 28 - 2, max: 2 ** 29 - 1 }));
  return fc.record({
    number,
    value: fc.oneof(uint64, fixed(8), fixed(4), fc.uint8Array({ maxLength: 12 })),
  });
}

function fixed(length: number): fc.Arbitrary<Fixed> {
  return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => ({ fixed: bytes }));
}

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

function fieldArbitrary(
  type: protobuf.Type,
  field: protobuf.Field,
  words: Vocabulary,
  depth: number,
): fc.Arbitrary<WireField> {
  const value = valueArbitrary(type, field, words, depth);
  return value.map((one) => ({ number: field.id, value: one }));
}

function valueArbitrary(
  type: protobuf.Type,
  field: protobuf.Field,
  words: Vocabulary,
  depth: number,
): fc.Arbitrary<WireField['value']> {
  const { resolvedType } = field;
  if (resolvedType !== null && 'fieldsArray' in resolvedType) {
    return fc.constant(resolvedType).chain((inner) => wireTree(inner, words, depth + 1));
  }
  if (resolvedType !== null) {
    const known = fc.constantFrom(0n, 1n, 2n, 2n, 2n, 3n, 4n, 5n);
    return fc.oneof({ arbitrary: known, weight: 9 }, fc.bigInt({ min: 0n, max: 300n }));
  }
  const name = `${type.name}.${field.name}`;
  if (name === 'KeyValue.key') return text(words.keys);
  if (name === 'AnyValue.intValue') {
    return fc.oneof({ arbitrary: fc.constantFrom(...words.integers), weight: 3 }, int64);
  }
  switch (field.type) {
    case 'string':
      return text(words.strings);
    case 'bytes':
      return bytesOf(field.name);
    case 'double':
    case 'fixed64':
    case 'sfixed64':
      return fc.oneof(fixed(8), time);
    case 'fixed32':
      return fixed(4);
    case 'bool':
      return fc.bigInt({ min: 0n, max: 1n });
    default:
      return field.type.endsWith('64') ? int64 : fc.bigInt({ min: 0n, max: 2n ** 31n - 1n });
  }
}

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

/** Times of these years, ns. */
const time = fc.bigInt({ min: 1_600_000_000n * 10n ** 9n, max: 2_000_000_000n * 10n ** 9n }).map((ns) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(ns);
  return { fixed: bytes };
});

function text(words: readonly string[]): fc.Arbitrary<Uint8Array> {
  const any = fc.string({ unit: 'grapheme', maxLength: 8 });
  const word = words.length === 0 ? any : fc.oneof({ arbitrary: fc.constantFrom(...words), weight: 3 }, any);
  return word.map((value) => Buffer.from(value, 'utf8'));
}

function bytesOf(name: string): fc.Arbitrary<Uint8Array> {
  const length = { traceId: 16, spanId: 8, parentSpanId: 8 }[name];
  if (length === undefined) return fc.uint8Array({ maxLength: 8 });
  return fc.oneof(fc.uint8Array({ minLength: length, maxLength: length }), fc.constant(new Uint8Array()));
}

/** `bytes` after a few random changes: bytes set, cut out, put in, or the end cut off. */
export function mutated(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    kind: fc.constantFrom('set', 'cut', 'insert', 'truncate'),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    byte: fc.oneof(fc.constantFrom(0, 0x0a, 0x12, 0x7f, 0x80, 0xff), fc.nat(255)),
    length: fc.integer({ min: 1, max: 9 }),
  });
  return fc.tuple(bytes, fc.array(change, { minLength: 1, maxLength: 4 })).map(([original, changes]) => {
    let result = Buffer.from(original);
    for (const { kind, at, byte, length } of changes) {
      const pos = Math.floor(at * result.length);
      if (kind === 'set' && result.length > 0) result[Math.min(pos, result.length - 1)] = byte;
      else if (kind === 'cut') result = Buffer.concat([result.subarray(0, pos), result.subarray(pos + length)]);
      else if (kind === 'insert')
        result = Buffer.concat([result.subarray(0, pos), Buffer.alloc(length, byte), result.subarray(pos)]);
      else if (kind === 'truncate') result = result.subarray(0, pos);
    }
    return result;
  });
}
