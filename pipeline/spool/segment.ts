import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { DONE, type Found, HEADER_BYTES, STATE_OFFSET } from './record.ts';

const DONE_BYTE = Buffer.from([DONE]);

/** One file of a spool: records behind one another, and how many of them are still to be delivered. */
export class Segment {
  readonly path: string;
  /** Where the next record goes. */
  length: number;
  /** Records that are not done. */
  live = 0;
  /** Whether no more is written to it: then it is removed once nothing in it is live. */
  isClosed: boolean;
  #handle: FileHandle | undefined;
  #marks: number | undefined;

  private constructor(path: string, length: number, handle: FileHandle | undefined) {
    this.path = path;
    this.length = length;
    this.isClosed = handle === undefined;
    this.#handle = handle;
  }

  /** A new file, for records to be written to. */
  static async create(path: string): Promise<Segment> {
    // Not for others to read: it is telemetry.
    return new Segment(path, 0, await open(path, 'wx', 0o600));
  }

  /** One that was left, of which so many records are live. */
  static left(path: string, length: number, live: number): Segment {
    const segment = new Segment(path, length, undefined);
    segment.live = live;
    return segment;
  }

  /** Writes all, behind what is there, and waits for the disk where `fsync`. What is there afterwards counts only then. */
  async append(buffers: readonly Uint8Array[], fsync: boolean): Promise<void> {
    const handle = this.#handle as FileHandle;
    const total = buffers.reduce((sum, { length }) => sum + length, 0);
    let { bytesWritten } = await handle.writev(buffers, this.length);
    // A write ends short where the disk becomes full, or at 2 GiB; the next one says why.
    while (bytesWritten < total) {
      const rest = Buffer.concat(buffers).subarray(bytesWritten);
      bytesWritten += (await handle.write(rest, 0, rest.length, this.length + bytesWritten)).bytesWritten;
    }
    if (fsync) await handle.datasync();
    this.length += total;
  }

  /** Takes away what a failed `append` has left, as far as that can be done, and closes it to writing. */
  async repair(): Promise<void> {
    await this.#handle?.truncate(this.length).catch(() => {});
    await this.close();
  }

  /** The record with its header. */
  async read({ offset, length }: Found): Promise<Buffer> {
    const record = Buffer.allocUnsafe(HEADER_BYTES + length);
    const handle = await open(this.path, 'r');
    try {
      let read = 0;
      while (read < record.length) {
        const { bytesRead } = await handle.read(record, read, record.length - read, offset + read);
        if (bytesRead === 0) throw new Error('the file ends within a record');
        read += bytesRead;
      }
    } finally {
      await handle.close();
    }
    return record;
  }

  /** Notes in the file that a record need not be delivered any more. Takes no space, so it works on a full disk too. */
  markDone({ offset }: Found): void {
    this.live--;
    this.#marks ??= openSync(this.path, 'r+');
    writeSync(this.#marks, DONE_BYTE, 0, 1, offset + STATE_OFFSET);
  }

  /** Ends writing. */
  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    this.isClosed = true;
    await handle?.close();
  }

  /** Lets go of the file. */
  release(): void {
    if (this.#marks !== undefined) closeSync(this.#marks);
    this.#marks = undefined;
  }

  remove(): void {
    this.release();
    unlinkSync(this.path);
  }
}
