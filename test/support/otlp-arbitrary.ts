/** Random OTLP/JSON, straight from the schema: whatever a conforming sender may send. */
import fc from 'fast-check';
import type protobuf from 'protobufjs';
import { type FieldPlan, planOf, type ScalarType } from '../../proto/otlp/json-plan.ts';

/**
 * Messages of `type` in the one form that our own output has, so that they come back from a round trip unchanged:
 * no defaults where presence does not matter, no minus zero (JSON loses its sign).
 */
export function canonicalJson(type: protobuf.Type, depth = 0): fc.Arbitrary<Record<string, unknown>> {
  const plain: Record<string, fc.Arbitrary<unknown>> = {};
  const groups = new Map<string, fc.Arbitrary<Record<string, unknown>>[]>();
  for (const field of planOf(type).fields) {
    if (field.type !== undefined && depth >= DEPTH_MAX) continue;
    const value = fieldValue(field, depth);
    if (field.rivals.length === 0) plain[field.json] = value;
    else {
      const group = [field.json, ...field.rivals].sort().join();
      groups.set(group, [...(groups.get(group) ?? []), value.map((member) => ({ [field.json]: member }))]);
    }
  }
  const oneofs = [...groups.values()].map((members) => fc.oneof(fc.constant({}), ...members));
  return fc
    .tuple(fc.record(plain, { requiredKeys: [] }), ...oneofs)
    .map((parts) => Object.assign({}, ...parts.map((part) => ({ ...part }))));
}

/** Deep enough for an attribute that is a list of maps. */
const DEPTH_MAX = 8;

function fieldValue(field: FieldPlan, depth: number): fc.Arbitrary<unknown> {
  const mayBeDefault = field.hasPresence || field.repeated;
  const one =
    field.type === undefined
      ? scalar(field, mayBeDefault)
      : fc.constant(field.type).chain((type) => canonicalJson(type, depth + 1));
  return field.repeated ? fc.array(one, { minLength: 1, maxLength: 2 }) : one;
}

function scalar(field: FieldPlan, mayBeDefault: boolean): fc.Arbitrary<unknown> {
  if (field.kind === 'id') {
    const byte = fc.integer({ min: 0, max: 255 }).map((value) => value.toString(16).padStart(2, '0'));
    return fc.array(byte, { minLength: field.idLength, maxLength: field.idLength }).map((digits) => digits.join(''));
  }
  const value = SCALARS[field.scalar as ScalarType];
  return mayBeDefault ? value : value.filter((v) => v !== '' && v !== '0' && v !== 0 && v !== false);
}

const int32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
const double = fc.double().map((value) => {
  if (Number.isFinite(value)) return value === 0 ? 0 : value;
  return String(value);
});

const SCALARS: Readonly<Record<ScalarType, fc.Arbitrary<unknown>>> = {
  double,
  float: double,
  int32,
  sint32: int32,
  sfixed32: int32,
  uint32,
  fixed32: uint32,
  int64,
  sint64: int64,
  sfixed64: int64,
  uint64,
  fixed64: uint64,
  bool: fc.boolean(),
  string: fc.string({ unit: 'binary', maxLength: 8 }),
  bytes: fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('base64')),
};
