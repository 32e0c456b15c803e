/** A line of a capture without its newline, or why it cannot be had. */
export type Line = { readonly line: number; readonly bytes: Uint8Array } | CaptureProblem;

/** What is wrong with a line. The lines after it are read all the same. */
export interface CaptureProblem {
  /** From 1. */
  readonly line: number;
  /** A code of the table of errors. */
  readonly code: 'malformed' | 'too_large';
  /** A sentence; never the content. */
  readonly problem: string;
  /** Whether nothing after it can be read. */
  readonly isLast?: boolean;
}

const NEWLINE = 10;

/**
 * Splits a stream of bytes into lines. Holds at most `maxBytes` of one line: the rest of a longer line is passed over
 * and the line becomes a problem. Blank lines are counted but not given.
 */
export async function* splitLines(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Line> {
  const current = new GrowingLine(maxBytes);
  let line = 1;
  for await (const chunk of chunks) {
    let start = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, start)) {
      current.add(chunk.subarray(start, at));
      const done = current.take(line++);
      if (done !== undefined) yield done;
      start = at + 1;
    }
    current.add(chunk.subarray(start));
  }
  const last = current.take(line);
  if (last !== undefined) yield last;
}

class GrowingLine {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(part: Buffer): void {
    if (part.length === 0) return;
    this.#length += part.length;
    if (this.#length > this.#maxBytes) this.#parts = [];
    else this.#parts.push(part);
  }

  /** What was added since the last call; undefined if it was blank. */
  take(line: number): Line | undefined {
    const length = this.#length;
    const parts = this.#parts;
    this.#length = 0;
    this.#parts = [];
    if (length > this.#maxBytes) return tooLong(line, length, this.#maxBytes);
    const bytes = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, length);
    return isBlank(bytes) ? undefined : { line, bytes };
  }
}

export function tooLong(line: number, length: number, maxBytes: number): CaptureProblem {
  return { line, code: 'too_large', problem: `the line has ${length} bytes, more than max_line allows (${maxBytes})` };
}

/** Spaces, tabs and carriage returns only. */
function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 32 || byte === 9 || byte === 13);
}
