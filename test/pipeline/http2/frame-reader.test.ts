import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type FrameHandler, FrameReader } from '../../../pipeline/http2/frame-reader.ts';
import { FLAG, FRAME, frame, Http2Error } from '../../../pipeline/http2/protocol.ts';

/** What a reader tells of bytes that come in pieces. Data of one frame is joined: where it is cut is not told. */
function read(bytes: Buffer, cuts: readonly number[]): unknown[] {
  const events: unknown[] = [];
  let data: Buffer[] = [];
  const copy = (payload: Buffer, start: number, end: number) =>
    Buffer.from(payload.subarray(start, end)).toString('hex');
  const handler: FrameHandler = {
    isOver: false,
    dataBegins: (streamId, length) => {
      data = [];
      events.push(['dataBegins', streamId, length]);
    },
    data: (_, payload, start, end) => void data.push(Buffer.from(payload.subarray(start, end))),
    dataEnds: (streamId, ends) => void events.push(['data', streamId, Buffer.concat(data).toString('hex'), ends]),
    headers: (id, flags, payload, start, end) => void events.push(['headers', id, flags, copy(payload, start, end)]),
    continuation: (id, flags, payload, start, end) =>
      void events.push(['continuation', id, flags, copy(payload, start, end)]),
    frame: (type, flags, id, payload, start, end) => void events.push([type, flags, id, copy(payload, start, end)]),
  };
  const reader = new FrameReader(handler);
  // As the socket does, one buffer for all reads: what was only lent is overwritten.
  const shared = Buffer.alloc(bytes.length + 3);
  let from = 0;
  try {
    for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
      shared.fill(0xdb);
      bytes.copy(shared, 3, from, cut);
      reader.push(shared, 3, 3 + cut - from);
      from = cut;
    }
  } catch (error) {
    if (!(error instanceof Http2Error)) throw error;
    events.push(['error', error.code]);
  }
  return events;
}

const anyFrame = fc
  .record({
    type: fc.oneof(fc.constantFrom(...Object.values(FRAME)), fc.integer({ min: 0, max: 255 })),
    flags: fc.integer({ min: 0, max: 255 }),
    streamId: fc.integer({ min: 0, max: 5 }),
    payload: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 300, maxLength: 2000 })),
  })
  .map(({ type, flags, streamId, payload }) => frame(type, flags, streamId, payload));

test('frames are the same however they are cut', () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 30 }), (frames, places) => {
      const bytes = Buffer.concat(frames);
      const cuts = places.map((place) => (bytes.length === 0 ? 0 : place % bytes.length));
      const whole = read(bytes, []);
      expect(read(bytes, cuts)).toEqual(whole);
      expect(
        read(
          bytes,
          Array.from({ length: bytes.length }, (_, i) => i),
        ),
      ).toEqual(whole);
    }),
    { numRuns: 300 },
  );
});

test.each([
  ['no padding', 0, 7],
  ['nothing but padding', 10, 0],
  ['both', 3, 4],
])('padding is taken off and counted: %s', (_, padding, length) => {
  const data = Buffer.alloc(length, 'd');
  const padded = Buffer.concat([Buffer.from([padding]), data, Buffer.alloc(padding)]);
  expect(read(frame(FRAME.data, FLAG.padded | FLAG.endStream, 1, padded), [10, 11, 13])).toEqual([
    ['dataBegins', 1, 1 + length + padding],
    ['data', 1, data.toString('hex'), true],
  ]);
});

test.each([
  ['a frame that is too large', Buffer.from([0, 0x40, 1, 0, 0, 0, 0, 0, 1]), 6],
  ['data without its pad length', frame(FRAME.data, FLAG.padded, 1, Buffer.alloc(0)), 6],
  ['headers without theirs', frame(FRAME.headers, FLAG.padded, 1, Buffer.alloc(0)), 6],
  ['more padding than data', frame(FRAME.data, FLAG.padded, 1, Buffer.from([2, 0])), 1],
  ['more padding than headers', frame(FRAME.headers, FLAG.padded, 1, Buffer.from([2, 0])), 1],
  ['a priority cut short', frame(FRAME.headers, FLAG.priority, 1, Buffer.alloc(4)), 1],
])('%s', (_, bytes, code) => {
  expect(read(bytes, []).at(-1)).toEqual(['error', code]);
});
