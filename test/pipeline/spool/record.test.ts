import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DONE, HEADER_BYTES, headerOf, scanSegment, STATE_OFFSET } from '../../../pipeline/spool/record.ts';

const record = fc.record({
  signal: fc.constantFrom('traces' as const, 'metrics' as const, 'logs' as const),
  items: fc.nat(100_000),
  request: fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constant(Buffer.from('WBQ1 in the middle WBQ1'))),
  isDone: fc.boolean(),
});
const records = fc.array(record, { maxLength: 8 });
type Records = (typeof record extends fc.Arbitrary<infer R> ? R : never)[];

function written(all: Records): { bytes: Buffer; ends: number[] } {
  const parts = all.map(({ signal, items, request, isDone }) => {
    const header = headerOf(signal, items, request);
    if (isDone) header[STATE_OFFSET] = DONE;
    return Buffer.concat([header, request]);
  });
  let end = 0;
  return { bytes: Buffer.concat(parts), ends: parts.map(({ length }) => (end += length)) };
}

test('what was written is found, but for what is done', () => {
  fc.assert(
    fc.property(records, (all) => {
      const { bytes, ends } = written(all);
      const found = scanSegment(bytes);
      expect(found).toMatchObject({ damaged: [], strayBytes: 0, end: bytes.length });
      const live = all
        .map((each, i) => ({ ...each, offset: i === 0 ? 0 : ends[i - 1] }))
        .filter((each) => !each.isDone);
      expect(found.live).toEqual(
        live.map(({ signal, items, request, offset }) => ({ offset, signal, items, length: request.length })),
      );
    }),
  );
});

test('cut off anywhere, all that was whole is still found', () => {
  fc.assert(
    fc.property(records, fc.nat(), (all, cut) => {
      const { bytes, ends } = written(all);
      const length = bytes.length === 0 ? 0 : cut % bytes.length;
      const whole = ends.filter((end) => end <= length);
      const found = scanSegment(bytes.subarray(0, length));
      expect(found.live).toHaveLength(all.slice(0, whole.length).filter(({ isDone }) => !isDone).length);
      expect(found.damaged).toEqual([]);
      expect(found.end).toBe(whole.at(-1) ?? 0);
    }),
  );
});

test('a byte that has changed costs no other record', () => {
  const plain = fc.array(
    record.map((each) => ({ ...each, request: each.request.map((byte) => byte & 0x7f), isDone: false })),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(
    fc.property(plain, fc.nat(), fc.integer({ min: 1, max: 255 }), (all, at, flip) => {
      const { bytes, ends } = written(all);
      const place = at % bytes.length;
      const hit = ends.findIndex((end) => place < end);
      const start = hit === 0 ? 0 : (ends[hit - 1] as number);
      bytes[place] = (bytes[place] as number) ^ flip;
      const found = scanSegment(bytes);
      const offsets = found.live.map(({ offset }) => offset);
      all.forEach((_, i) => {
        const offset = i === 0 ? 0 : (ends[i - 1] as number);
        if (i !== hit) expect(offsets).toContain(offset);
      });
      // The state is under no checksum: changed to anything else it still says that the record is live.
      const isState = place - start === STATE_OFFSET;
      expect(offsets.includes(start)).toBe(isState && bytes[place] !== DONE);
      if (place - start >= HEADER_BYTES) expect(found.damaged.map(({ offset }) => offset)).toEqual([start]);
    }),
    { numRuns: 500 },
  );
});

test('anything at all is survived', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
      const { live, end } = scanSegment(Buffer.from(bytes));
      expect(end).toBeLessThanOrEqual(bytes.length);
      expect(live.length).toBeLessThanOrEqual(bytes.length / HEADER_BYTES);
    }),
  );
});
