import protobuf from 'protobufjs';
import { WireError } from '../wire/reader.ts';
import type { TelemetrySignal } from './columns.ts';
import { type FieldPlan, type MessagePlan, NESTING_MAX, planOf, type ScalarType } from './json-plan.ts';
import { requestType } from './schema.ts';

export type JsonObject = Record<string, unknown>;

/**
 * An encoded Export{Trace,Metrics,Logs}ServiceRequest as the object that OTLP/JSON writes: lowerCamelCase names, ids
 * in hex, 64-bit integers as strings, enums as integers, bytes as base64, NaN and the infinities as strings. Defaults
 * are left out except where presence matters: members of a oneof (so that the attribute `""` stays) and `optional`
 * fields. Fields that the schema does not know are left out. Throws `WireError`.
 */
export function decodeToJson(signal: TelemetrySignal, bytes: Uint8Array): JsonObject {
  // A Buffer makes protobufjs take its fast reader.
  const reader = protobuf.Reader.create(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  try {
    return readMessage(reader, planOf(requestType(signal)), bytes.length, 1, {});
  } catch (error) {
    if (error instanceof WireError) throw error;
    throw new WireError(`malformed protobuf (${(error as Error).message})`, reader.pos);
  }
}

function readMessage(
  reader: protobuf.Reader,
  plan: MessagePlan,
  end: number,
  depth: number,
  into: JsonObject,
): JsonObject {
  if (depth > NESTING_MAX) throw new WireError(`messages nested deeper than ${NESTING_MAX}`, reader.pos);
  while (reader.pos < end) {
    const tag = reader.uint32();
    const wireType = tag & 7;
    const field = plan.byId.get(tag >>> 3);
    if (field === undefined || !fits(field, wireType)) reader.skipType(wireType);
    else if (field.repeated) readElement(reader, field, wireType, depth, into);
    else readSingle(reader, field, depth, into);
  }
  if (reader.pos > end) throw new WireError('a field reaches past the end of its message', end);
  return into;
}

/** A value of another wire type than the schema's is an unknown field (protobuf encoding guide). */
function fits(field: FieldPlan, wireType: number): boolean {
  return wireType === field.wireType || (wireType === 2 && field.repeated && field.scalar !== undefined);
}

function readSingle(reader: protobuf.Reader, field: FieldPlan, depth: number, into: JsonObject): void {
  for (const rival of field.rivals) delete into[rival];
  if (field.type !== undefined) {
    // The second occurrence of a message is merged into the first (protobuf encoding guide).
    const target = (into[field.json] as JsonObject | undefined) ?? {};
    into[field.json] = readMessage(reader, planOf(field.type), endOf(reader), depth + 1, target);
    return;
  }
  const value = readScalar(reader, field);
  if (!field.hasPresence && isDefault(value)) delete into[field.json];
  else into[field.json] = value;
}

function readElement(
  reader: protobuf.Reader,
  field: FieldPlan,
  wireType: number,
  depth: number,
  into: JsonObject,
): void {
  into[field.json] ??= [];
  const list = into[field.json] as unknown[];
  if (field.type !== undefined) {
    list.push(readMessage(reader, planOf(field.type), endOf(reader), depth + 1, {}));
  } else if (wireType === field.wireType) {
    list.push(readScalar(reader, field));
  } else {
    const end = endOf(reader);
    while (reader.pos < end) list.push(readScalar(reader, field));
  }
}

/** Reads a length and gives the position it leads to. */
function endOf(reader: protobuf.Reader): number {
  const length = reader.uint32();
  if (length > reader.len - reader.pos) {
    throw new WireError(`length ${length} reaches past the end, ${reader.len - reader.pos} bytes are left`, reader.pos);
  }
  return reader.pos + length;
}

function isDefault(value: unknown): boolean {
  return value === '' || value === '0' || value === false || Object.is(value, 0);
}

function readScalar(reader: protobuf.Reader, field: FieldPlan): unknown {
  switch (field.scalar as ScalarType) {
    case 'string':
      return bytesAt(reader).toString('utf8');
    case 'bytes':
      return bytesAt(reader).toString(field.kind === 'id' ? 'hex' : 'base64');
    case 'bool':
      return reader.bool();
    case 'double':
      return jsonNumber(reader.double());
    case 'float':
      return jsonNumber(reader.float());
    case 'fixed64':
      return decimal(reader.fixed32(), reader.fixed32(), true);
    case 'sfixed64':
      return decimal(reader.fixed32(), reader.fixed32(), false);
    case 'int64':
      return String(reader.int64());
    case 'sint64':
      return String(reader.sint64());
    case 'uint64':
      return String(reader.uint64());
    case 'int32':
      return reader.int32();
    case 'sint32':
      return reader.sint32();
    case 'uint32':
      return reader.uint32();
    case 'fixed32':
      return reader.fixed32();
    case 'sfixed32':
      return reader.sfixed32();
  }
}

function bytesAt(reader: protobuf.Reader): Buffer {
  return reader.bytes() as Buffer;
}

function jsonNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

/** Two halves of a 64-bit integer, each as unsigned 32 bits, in decimal. */
function decimal(low: number, high: number, unsigned: boolean): string {
  if (high < 0x20_0000) return String(high * 4_294_967_296 + low);
  const value = (BigInt(high) << 32n) | BigInt(low);
  return (unsigned ? value : BigInt.asIntN(64, value)).toString();
}
