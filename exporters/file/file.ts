import { type FileHandle, mkdir, open, realpath, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Batch, isTelemetry } from '../../pipeline/batch.ts';
import { batchJson } from '../../pipeline/batch-json.ts';
import type { Component, Consumer, Context } from '../../pipeline/component.ts';
import { compress } from '../../pipeline/compression.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { structuredEvent } from '../../proto/windback/decision.ts';
import type { FileConfig } from './config.ts';
import { wholeBytes } from './tail.ts';

/**
 * Writes each batch as one line (each decision as its own) and resolves when the operating system has it. It is the
 * only writer of its file: at start and after a failed write it cuts off what was half written, so that lines are whole
 * or absent.
 */
export class FileExporter implements Component, Consumer {
  readonly #config: FileConfig;
  readonly #context: Context;
  #handle: FileHandle | undefined;
  /** Whether there is anything to cut: the path may also be a pipe, say. */
  #isFile = false;
  /** Where a write began of which it is not known that it is whole. Nothing is written until it is cut off. */
  #tornAt: number | undefined;
  /** Settled when the writes before are done: lines of concurrent batches must not mix. */
  #writing: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(config: FileConfig, context: Context) {
    this.#config = config;
    this.#context = context;
  }

  async start(): Promise<void> {
    if (this.#stopped) return;
    try {
      await mkdir(dirname(this.#config.path), { recursive: true });
      await this.#open();
    } catch (error) {
      throw unwritable(error);
    } finally {
      // A stop that came meanwhile found no file to close.
      if (this.#stopped) await this.#close();
    }
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#stopped = true;
    const late = Promise.withResolvers<void>();
    if (deadline.aborted) late.resolve();
    else deadline.addEventListener('abort', () => late.resolve(), { once: true });
    await Promise.race([this.#writing, late.promise]);
    await this.#close();
  }

  async consume(batch: Batch): Promise<void> {
    const lines = Buffer.from(linesOf(batch));
    if (lines.length === 0) return;
    const written = this.#writing.then(() => this.#write(lines));
    this.#writing = written.catch(() => undefined);
    await written;
  }

  async #open(): Promise<void> {
    const { path, append, compression } = this.#config;
    // Always in append mode: after a cut, a plain write would go on at the old position and leave a hole.
    const handle = (this.#handle = await open(path, 'a'));
    const found = await handle.stat();
    this.#isFile = found.isFile();
    if (!this.#isFile) return;
    if (!append) return handle.truncate(0);
    const whole = await wholeBytes(path, found.size, compression);
    if (whole === undefined) return this.#startAnew();
    const bytes = found.size - whole;
    if (bytes === 0) return;
    await handle.truncate(whole);
    this.#context.logger.warn({ path, bytes }, 'cut off half a line at the end of the file, left by a crash');
  }

  /** Under a name of its own each time: whole lines may be in it. */
  async #startAnew(): Promise<void> {
    const { path, compression } = this.#config;
    const file = await realpath(path);
    const movedTo = `${file}.damaged-${new Date(this.#context.clock.now()).toISOString().replaceAll(':', '')}`;
    await this.#close();
    await rename(file, movedTo);
    this.#handle = await open(path, 'a');
    const what = 'no whole line is at the end of the file as it is configured; moved it aside and began a new one';
    this.#context.logger.warn({ path, compression, movedTo }, what);
  }

  async #write(lines: Uint8Array): Promise<void> {
    const bytes = await compress(this.#config.compression, lines);
    const handle = this.#handle;
    if (handle === undefined) throw new PipelineError('stopping', `${this.#config.path} is closed`);
    try {
      await this.#cutTorn(handle);
      // Asked each time, since whoever rotates by `copytruncate` says nothing.
      if (this.#isFile) this.#tornAt = (await handle.stat()).size;
      await handle.appendFile(bytes);
      this.#tornAt = undefined;
    } catch (error) {
      // If even the cut fails the next write begins with it.
      await this.#cutTorn(handle).catch(() => undefined);
      throw unwritable(error);
    }
  }

  async #cutTorn(handle: FileHandle): Promise<void> {
    if (this.#tornAt === undefined) return;
    const { size } = await handle.stat();
    // A file that is shorter now was rotated during the write, and holds at most a piece of what was written.
    await handle.truncate(size < this.#tornAt ? 0 : this.#tornAt);
    this.#tornAt = undefined;
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    if (handle === undefined) return;
    // What can be synced is; a pipe cannot.
    await handle.sync().catch(() => undefined);
    await handle.close();
  }
}

/** The batch as text, each line with its newline. */
function linesOf(batch: Batch): string {
  if (isTelemetry(batch)) return `${JSON.stringify(batchJson(batch))}\n`;
  if (batch.signal !== 'decisions')
    throw new PipelineError('internal', `the file exporter cannot take ${batch.signal}`);
  return batch.decisions.map((event) => `${JSON.stringify(structuredEvent(event))}\n`).join('');
}

function unwritable(error: unknown): PipelineError {
  return new PipelineError('file_unwritable', (error as Error).message, { cause: error });
}
