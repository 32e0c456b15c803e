import { field, Reader } from '../wire/reader.ts';

/** The trace id in field `number` of a Span (1) or LogRecord (9), as 32 hex digits; empty where there is none. */
export function traceIdOf(bytes: Uint8Array, offset: number, length: number, number: number): string {
  const reader = new Reader(bytes, offset, offset + length);
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === field(number)) {
      const size = reader.length();
      return Buffer.from(bytes.buffer, bytes.byteOffset + reader.pos, size).toString('hex');
    }
    reader.skip(tag & 7);
  }
  return '';
}
