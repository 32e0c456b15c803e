import { createReadStream } from 'node:fs';
import { addAbortSignal, type Readable } from 'node:stream';
import { PipelineError } from '../../pipeline/errors.ts';
import type { TelemetrySignal } from '../../proto/otlp/columns.ts';
import { encodeJson, JsonError, parseJson } from '../../proto/otlp/json.ts';
import { gunzipped, MAGIC_BYTES, splitFrames, storageOf, unzstd } from './inflate.ts';
import { type CaptureProblem, type Line, splitLines } from './lines.ts';

/** One request of a capture. */
export interface CaptureRequest {
  /** From 1. */
  readonly line: number;
  readonly signal: TelemetrySignal;
  /** An encoded Export{Trace,Metrics,Logs}ServiceRequest. */
  readonly bytes: Uint8Array;
}

export type { CaptureProblem } from './lines.ts';

export type CaptureEntry = CaptureRequest | CaptureProblem;

export interface CaptureSettings {
  /** The longest line, bytes. */
  readonly maxLineBytes?: number;
  /** Ends the reading early, without an error. */
  readonly signal?: AbortSignal;
}

/** The path that means standard input. */
export const STDIN = '-';

const MAX_LINE_BYTES = 64 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;

/**
 * Reads a capture: one OTLP/JSON request a line, plain, gzip or zstd (told by the first bytes, not by the name), or in
 * the frames that the Collector's file exporter writes when it compresses. A broken line is given as a problem and the
 * rest goes on. A line that holds several signals gives a request for each. Throws `file_unreadable` where the file
 * itself cannot be read.
 */
export async function* readCapture(path: string, settings: CaptureSettings = {}): AsyncGenerator<CaptureEntry> {
  let line = 0;
  try {
    for await (const entry of linesOf(path, settings)) {
      line = entry.line;
      if ('problem' in entry) yield entry;
      else yield* requestsOf(entry.line, entry.bytes);
    }
  } catch (error) {
    if (settings.signal?.aborted === true) return;
    if (error instanceof PipelineError) throw error;
    const what = `the compressed data is broken (${(error as Error).message}); nothing after it can be read`;
    yield { line: line + 1, code: 'malformed', problem: what, isLast: true };
  }
}

async function* linesOf(path: string, settings: CaptureSettings): AsyncGenerator<Line> {
  const chunks = read(path, settings.signal);
  const maxBytes = settings.maxLineBytes ?? MAX_LINE_BYTES;
  let head: Buffer = Buffer.alloc(0);
  while (head.length < MAGIC_BYTES) {
    const { value, done } = await chunks.next();
    if (done === true) break;
    head = Buffer.concat([head, value]);
  }
  const all = prepend(head, chunks);
  switch (storageOf(head)) {
    case 'plain':
      return yield* splitLines(all, maxBytes);
    case 'gzip':
      return yield* splitLines(gunzipped(all), maxBytes);
    case 'zstd':
      return yield* splitLines(unzstd(all), maxBytes);
    case 'framed':
      return yield* splitFrames(all, maxBytes);
  }
}

async function* prepend(head: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head;
  yield* rest;
}

async function* read(path: string, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  const stream: Readable = path === STDIN ? process.stdin : createReadStream(path, { highWaterMark: READ_BYTES });
  if (signal !== undefined) addAbortSignal(signal, stream);
  try {
    yield* stream as AsyncIterable<Buffer>;
  } catch (error) {
    throw new PipelineError('file_unreadable', (error as Error).message, { cause: error });
  }
}

/** The top-level fields of the requests, lowerCamelCase and as in the .proto files. */
const FIELDS: readonly (readonly [TelemetrySignal, string, string])[] = [
  ['traces', 'resourceSpans', 'resource_spans'],
  ['metrics', 'resourceMetrics', 'resource_metrics'],
  ['logs', 'resourceLogs', 'resource_logs'],
];

function* requestsOf(line: number, bytes: Uint8Array): Generator<CaptureEntry> {
  try {
    const value = parseJson(bytes);
    const object = typeof value === 'object' && value !== null ? value : {};
    const found = FIELDS.filter(([, name, snake]) => name in object || snake in object);
    if (found.length === 0) {
      throw new JsonError('', 'not an OTLP request: it has none of resourceSpans, resourceMetrics and resourceLogs');
    }
    for (const [signal] of found) yield { line, signal, bytes: encodeJson(signal, value) };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    yield { line, code: 'malformed', problem: error.message };
  }
}
