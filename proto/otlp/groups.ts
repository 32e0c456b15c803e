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

/** A fixed64 of ns since the epoch, as seconds with fraction (to about 0.2 µs). */
export function unixSeconds(reader: Reader): number {
  return reader.fixed64() / 1e9;
}
