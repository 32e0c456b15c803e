import { TelemetryBatch } from '../../pipeline/batch.ts';
import { type CaptureProblem, readCapture } from '../../receivers/otlp-file/capture.ts';
import { WireError } from '../../proto/wire/reader.ts';
import { sentAtMs } from './event-time.ts';

/** One request of the recordings, or a line that is none. */
export type Recorded =
  | { readonly path: string; readonly line: number; readonly atMs: number; readonly batch: TelemetryBatch }
  | { readonly path: string; readonly line: number; readonly problem: string; readonly isLast: boolean };

/** Reads several captures as one, in the order of time: whatever was recorded first is given first. */
export async function* mergeCaptures(paths: readonly string[]): AsyncGenerator<Recorded> {
  const readers = paths.map((path) => read(path));
  const heads = await Promise.all(readers.map((reader) => reader.next()));
  for (;;) {
    let first = -1;
    for (let i = 0; i < heads.length; i++) {
      if (heads[i]?.done !== true && (first < 0 || timeOf(heads[i]) < timeOf(heads[first]))) first = i;
    }
    if (first < 0) return;
    yield heads[first]?.value as Recorded;
    heads[first] = await (readers[first] as AsyncGenerator<Recorded>).next();
  }
}

/** A problem is told at once. */
function timeOf(head: IteratorResult<Recorded> | undefined): number {
  return head === undefined || head.done === true || 'problem' in head.value
    ? Number.NEGATIVE_INFINITY
    : head.value.atMs;
}

async function* read(path: string): AsyncGenerator<Recorded> {
  let lastMs = 0;
  for await (const entry of readCapture(path)) {
    if ('problem' in entry) {
      const { problem, isLast = false } = entry as CaptureProblem;
      yield { path, line: entry.line, problem, isLast };
      continue;
    }
    try {
      const batch = TelemetryBatch.open(entry.signal, entry.bytes);
      // A request whose items have no time was sent right after the one before it.
      lastMs = sentAtMs(batch.columns) ?? lastMs;
      yield { path, line: entry.line, atMs: lastMs, batch };
    } catch (thrown) {
      if (!(thrown instanceof WireError)) throw thrown;
      yield { path, line: entry.line, problem: thrown.message, isLast: false };
    }
  }
}
