import { BYTES, field, type Reader, WireError } from '../wire/reader.ts';
import type { ResourceCollector } from './growing.ts';
import { checkAttributes } from './resource.ts';

/*
 * All three signals share their two outer levels:
 *
 *   Export…ServiceRequest   1 repeated Resource…   (ResourceSpans, ResourceMetrics, ResourceLogs)
 *   Resource…               1 Resource             2 repeated Scope…
 *   Scope…                  1 scope                2 repeated item     3 schema_url
 */
const GROUP = field(1);
const RESOURCE = field(1);
const SCOPE_GROUP = field(2);
const ITEM = field(2);

/**
 * Walks the outer levels, and the resources as far as tagging reads them. Calls `item(resource index)` with the reader
 * on each Span, Metric or LogRecord: `pos` at its first byte, `end` after its last.
 */
export function walkGroups(reader: Reader, resources: ResourceCollector, item: (resource: number) => void): void {
  const end = reader.end;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag !== GROUP) {
      skipUnknown(reader, tag, 1);
      continue;
    }
    const length = reader.length();
    reader.end = reader.pos + length;
    walkResourceGroup(reader, resources, resources.open(reader.pos, length), item);
    reader.end = end;
  }
}

function walkResourceGroup(
  reader: Reader,
  resources: ResourceCollector,
  index: number,
  item: (resource: number) => void,
): void {
  const end = reader.end;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === SCOPE_GROUP) {
      const length = reader.length();
      reader.end = reader.pos + length;
      walkScopeGroup(reader, index, item);
      reader.end = end;
    } else if (tag === RESOURCE) {
      const length = reader.length();
      resources.resource(index, reader.pos, length);
      reader.end = reader.pos + length;
      checkAttributes(reader);
      reader.end = end;
    } else {
      skipUnknown(reader, tag, 2);
    }
  }
}

function walkScopeGroup(reader: Reader, index: number, item: (resource: number) => void): void {
  const end = reader.end;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === ITEM) {
      const length = reader.length();
      reader.end = reader.pos + length;
      item(index);
      reader.pos = reader.end;
      reader.end = end;
    } else {
      skipUnknown(reader, tag, 2);
    }
  }
}

/** Passes over a field that is not walked. One that is known, up to `known`, must at least have the right wire type. */
export function skipUnknown(reader: Reader, tag: number, known: number): void {
  const wireType = tag & 7;
  if (tag >>> 3 <= known && wireType !== BYTES) {
    throw new WireError(
      `field ${tag >>> 3} has wire type ${wireType}, want ${BYTES}: is this an OTLP request?`,
      reader.pos,
    );
  }
  reader.skip(wireType);
}

/** Passes over an id of `length` bytes and returns how long it is: empty is allowed, as it is for the Collector. */
export function skipId(reader: Reader, name: string, length: number): number {
  const actual = reader.length();
  if (actual !== length && actual !== 0)
    throw new WireError(`${name} is ${actual} bytes long, want ${length},`, reader.pos);
  reader.pos += actual;
  return actual;
}

/** A value that no enum of OTLP has: what a column of bytes cannot hold. */
const UNKNOWN_ENUM = 255;

/** An enum, which is an int32: of a longer number the low 32 bits count. */
export function enumOf(reader: Reader): number {
  const start = reader.pos;
  const value = reader.varint();
  return value < 0x80 ? value : Math.min(lowBits(reader.bytes, start), UNKNOWN_ENUM);
}

/** The low 32 bits of the varint at `start`: those of a long one are not all in the number that `varint` gives. */
function lowBits(bytes: Uint8Array, start: number): number {
  let bits = 0;
  for (let i = 0; i < 5; i++) {
    const byte = bytes[start + i] as number;
    bits |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) break;
  }
  return bits >>> 0;
}

/** A fixed64 of ns since the epoch, as seconds with fraction (to about 0.2 µs). */
export function unixSeconds(reader: Reader): number {
  return reader.fixed64() / 1e9;
}
