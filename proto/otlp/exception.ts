import { ascii, isAt } from '../wire/ascii.ts';
import { field, Reader } from '../wire/reader.ts';
import { type AttributeValue, readAttributes } from './resource.ts';

/*
 * Span: 11 repeated Event events
 * Event: 1 time_unix_nano   2 name   3 repeated KeyValue attributes
 */
const EVENTS = field(11);
const EVENT_NAME = field(2);
const EVENT_ATTRIBUTES = 3;
const EXCEPTION = ascii('exception');

/** The attributes `exception.*` of a span event or log record; empty where not told. */
export interface Exception {
  readonly type: string;
  readonly message: string;
  readonly stacktrace: string;
}

/** The events named `exception` of the Span at `offset`, at most `limit` of them. Throws `WireError`. */
export function exceptionsOf(bytes: Uint8Array, offset: number, length: number, limit: number): Exception[] {
  const reader = new Reader(bytes, offset, offset + length);
  const found: Exception[] = [];
  while (reader.pos < reader.end && found.length < limit) {
    const tag = reader.tag();
    if (tag !== EVENTS) {
      reader.skip(tag & 7);
      continue;
    }
    const size = reader.length();
    if (isException(bytes, reader.pos, size)) {
      found.push(exceptionIn(readAttributes(bytes, reader.pos, size, EVENT_ATTRIBUTES)));
    }
    reader.pos += size;
  }
  return found;
}

/** The exception that attributes tell. */
export function exceptionIn(attributes: ReadonlyMap<string, AttributeValue>): Exception {
  const told = (key: string): string => {
    const value = attributes.get(key);
    return typeof value === 'string' ? value : '';
  };
  return {
    type: told('exception.type'),
    message: told('exception.message'),
    stacktrace: told('exception.stacktrace'),
  };
}

function isException(bytes: Uint8Array, offset: number, length: number): boolean {
  const reader = new Reader(bytes, offset, offset + length);
  let isOne = false;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === EVENT_NAME) {
      const size = reader.length();
      isOne = size === EXCEPTION.length && isAt(bytes, reader.pos, EXCEPTION);
      reader.pos += size;
    } else {
      reader.skip(tag & 7);
    }
  }
  return isOne;
}
