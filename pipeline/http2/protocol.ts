/** Numbers of HTTP/2 (RFC 9113). */

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const ERROR = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

export const SETTING = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const FRAME_HEADER_BYTES = 9;
/** SETTINGS_MAX_FRAME_SIZE as it begins, which we leave as it is: no peer gains by larger frames. */
export const FRAME_BYTES_MAX = 16_384;
/** The largest SETTINGS_MAX_FRAME_SIZE. */
export const FRAME_SIZE_LIMIT = 2 ** 24 - 1;
/** Windows begin with this, and never exceed the other (RFC 9113, 6.9). */
export const WINDOW_BYTES_FIRST = 65_535;
export const WINDOW_BYTES_MAX = 2 ** 31 - 1;

/** How a client begins (RFC 9113, 3.4). */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Names in lower case; what comes several times is joined as RFC 9110, 5.3 says. */
export type Headers = Readonly<Record<string, string | undefined>>;

/**
 * What breaks the rules so that the connection must end: the two sides can no longer agree on what it carries. What
 * concerns one stream only is no error of this kind; it ends with a reset.
 */
export class Http2Error extends Error {
  /** One of `ERROR`. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'Http2Error';
    this.code = code;
  }
}

/** A frame's header: nine bytes into `into` at `at`. */
export function putFrameHeader(
  into: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  into[at] = length >>> 16;
  into[at + 1] = length >>> 8;
  into[at + 2] = length;
  into[at + 3] = type;
  into[at + 4] = flags;
  into.writeUInt32BE(streamId, at + 5);
}

/** A whole frame. */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  putFrameHeader(bytes, 0, payload.length, type, flags, streamId);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

/** A header block as frames: what does not fit into HEADERS follows in CONTINUATION (RFC 9113, 6.10). */
export function headerFrames(streamId: number, endsStream: boolean, block: Buffer): Buffer {
  const flags = endsStream ? FLAG.endStream : 0;
  if (block.length <= FRAME_BYTES_MAX) return frame(FRAME.headers, flags | FLAG.endHeaders, streamId, block);
  const frames = [frame(FRAME.headers, flags, streamId, block.subarray(0, FRAME_BYTES_MAX))];
  for (let at = FRAME_BYTES_MAX; at < block.length; at += FRAME_BYTES_MAX) {
    const end = at + FRAME_BYTES_MAX;
    const isLast = end >= block.length;
    frames.push(frame(FRAME.continuation, isLast ? FLAG.endHeaders : 0, streamId, block.subarray(at, end)));
  }
  return Buffer.concat(frames);
}

/** A frame whose payload is numbers of 32 bits. */
export function wordsFrame(type: number, flags: number, streamId: number, ...words: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + words.length * 4);
  putFrameHeader(bytes, 0, words.length * 4, type, flags, streamId);
  words.forEach((word, i) => bytes.writeUInt32BE(word, FRAME_HEADER_BYTES + i * 4));
  return bytes;
}

/** A SETTINGS frame: identifier and value, pair by pair. */
export function settingsFrame(settings: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.allocUnsafe(settings.length * 6);
  settings.forEach(([identifier, value], i) => {
    payload.writeUInt16BE(identifier, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(FRAME.settings, 0, 0, payload);
}
