/** The ways in which a body can be compressed or inflated in Node, and what they cost. */
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import {
  gunzip,
  gunzipSync,
  gzip,
  gzipSync,
  type ZlibOptions,
  zstdCompress,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
  type ZstdOptions,
} from 'node:zlib';
import { EncoderLanes } from '../../pipeline/deflaters.ts';
import { GZIP_FASTEST, Recoder, ZSTD_FASTEST } from '../../pipeline/recoder.ts';

export const KINDS = ['gzip', 'zstd', 'gunzip', 'unzstd'] as const;
export type Kind = (typeof KINDS)[number];

/** What is done, to which body. */
export interface Work {
  readonly kind: Kind;
  readonly body: Uint8Array;
  /** More than the outcome, bytes. */
  readonly roomBytes: number;
}

/** A way of doing it, ready for any number of times. */
export interface Run {
  once(): unknown;
  close?(): unknown;
}

export interface Way {
  readonly name: string;
  readonly kinds: readonly Kind[];
  make(work: Work): Run;
}

export const WAYS: readonly Way[] = [
  { name: 'calling thread, new', kinds: KINDS, make: ({ kind, body }) => ({ once: () => SYNC[kind](body) }) },
  { name: 'calling thread, used again', kinds: KINDS, make: again },
  { name: 'thread pool, new', kinds: KINDS, make: ({ kind, body }) => ({ once: () => POOLED[kind](body) }) },
  { name: 'thread pool, used again', kinds: ['gzip', 'zstd'], make: lanes },
  { name: 'worker, used again', kinds: KINDS, make: elsewhere },
];

const SYNC = {
  gzip: (body: Uint8Array) => gzipSync(body, GZIP_FASTEST),
  zstd: (body: Uint8Array) => zstdCompressSync(body, ZSTD_FASTEST),
  gunzip: (body: Uint8Array) => gunzipSync(body),
  unzstd: (body: Uint8Array) => zstdDecompressSync(body),
} satisfies Record<Kind, unknown>;

const gzipAsync = promisify<Uint8Array, ZlibOptions, Buffer>(gzip);
const zstdAsync = promisify<Uint8Array, ZstdOptions, Buffer>(zstdCompress);
const POOLED = {
  gzip: (body: Uint8Array) => gzipAsync(body, GZIP_FASTEST),
  zstd: (body: Uint8Array) => zstdAsync(body, ZSTD_FASTEST),
  gunzip: promisify<Uint8Array, Buffer>(gunzip),
  unzstd: promisify<Uint8Array, Buffer>(zstdDecompress),
} satisfies Record<Kind, unknown>;

function again({ kind, body, roomBytes }: Work): Run {
  const recoder = new Recoder(kind);
  const room = Buffer.allocUnsafeSlow(roomBytes);
  const once = () => {
    const length = recoder.into(room, body);
    if (length === undefined) throw new Error(`${kind} failed`);
    // What is inflated lies where it is wanted; what is compressed is copied out.
    return kind === 'gzip' || kind === 'zstd' ? Buffer.from(room.subarray(0, length)) : length;
  };
  return { once };
}

function lanes({ kind, body }: Work): Run {
  if (kind !== 'gzip' && kind !== 'zstd') throw new Error(`${kind} is not done in the thread pool`);
  const encoders = new EncoderLanes(kind);
  return { once: () => encoders.deflate(body) };
}

/** The body is copied, so that it can be used again; the outcome changes hands. */
function elsewhere({ kind, body, roomBytes }: Work): Run {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: { kind, roomBytes } });
  const waiting: (() => void)[] = [];
  worker.on('message', () => waiting.shift()?.());
  const once = () =>
    new Promise<void>((resolve) => {
      waiting.push(resolve);
      worker.postMessage(body, []);
    });
  return { once, close: () => worker.terminate() };
}
