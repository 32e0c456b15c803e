import { FLAG, FRAME, frame, SETTING, settingsFrame, wordsFrame } from '../../pipeline/http2/protocol.ts';
/** As many of one piece as `bytes` hold. */
function repeated(piece: Buffer, bytes: number): Buffer {
  return Buffer.concat(Array.from({ length: Math.floor(bytes / piece.length) }, () => piece));
}

const MIB = 1024 * 1024;
const NOTHING = Buffer.alloc(0);
/** A request that goes on. */
const begins = (id: number, block: Buffer) => frame(FRAME.headers, FLAG.endHeaders, id, block);

/** HEADERS and a reset, again and again. */
function rapidReset(block: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let id = 1; id < 20_000; id += 2) pieces.push(begins(id, block), wordsFrame(FRAME.rstStream, 0, id, 8));
  return Buffer.concat(pieces);
}

/** Streams that the server has to reset: the client makes it do so (CVE-2025-8671). */
function madeYouReset(block: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let id = 1; id < 20_000; id += 2) pieces.push(begins(id, block), wordsFrame(FRAME.windowUpdate, 0, id, 0));
  return Buffer.concat(pieces);
}

/**
 * What carries nothing, over and over, to be sent behind a client's settings. The server has to end the connection.
 * `block`: the headers of its requests.
 */
export const floodsOf = (block: Buffer): readonly (readonly [string, Buffer])[] => [
  ['PING', repeated(frame(FRAME.ping, 0, 0, Buffer.alloc(8)), MIB)],
  ['PING that answers none', repeated(frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8)), MIB)],
  ['SETTINGS', repeated(settingsFrame([[SETTING.initialWindowSize, 65_535]]), MIB)],
  ['empty SETTINGS', repeated(settingsFrame([]), MIB)],
  ['SETTINGS that acknowledge', repeated(frame(FRAME.settings, FLAG.ack, 0, NOTHING), MIB)],
  ['rapid reset', rapidReset(block)],
  ['resets that the server is made to send', madeYouReset(block)],
  ['empty DATA', Buffer.concat([begins(1, block), repeated(frame(FRAME.data, 0, 1, NOTHING), MIB)])],
  ['WINDOW_UPDATE', repeated(wordsFrame(FRAME.windowUpdate, 0, 0, 1), MIB)],
  [
    'WINDOW_UPDATE of a stream',
    Buffer.concat([begins(1, block), repeated(wordsFrame(FRAME.windowUpdate, 0, 1, 1), MIB)]),
  ],
  ['PRIORITY', repeated(frame(FRAME.priority, 0, 1, Buffer.from([0, 0, 0, 3, 1])), MIB)],
  ['GOAWAY', repeated(wordsFrame(FRAME.goaway, 0, 0, 0, 0), MIB)],
  ['frames that nobody knows', repeated(frame(99, 0, 0, NOTHING), MIB)],
  [
    'CONTINUATION without end',
    Buffer.concat([
      frame(FRAME.headers, 0, 1, block),
      repeated(frame(FRAME.continuation, 0, 1, Buffer.alloc(1000)), MIB),
    ]),
  ],
  [
    'empty CONTINUATION without end',
    Buffer.concat([frame(FRAME.headers, 0, 1, block), repeated(frame(FRAME.continuation, 0, 1, NOTHING), MIB)]),
  ],
];
