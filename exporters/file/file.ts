import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Batch, isTelemetry } from '../../pipeline/batch.ts';
import { batchJson } from '../../pipeline/batch-json.ts';
import type { Component, Consumer } from '../../pipeline/component.ts';
import { compress } from '../../pipeline/compression.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { structuredEvent } from '../../proto/windback/decision.ts';
import type { FileConfig } from './config.ts';

/**
 * Writes each batch as one line (each decision as its own) and resolves when the operating system has it. It is the
 * only writer of its file: after a failed write it cuts off what was half written, so that lines are whole or absent.
 */
export class FileExporter implements Component, Consumer {
  readonly #config: FileConfig;
  #handle: FileHandle | undefined;
  /** Bytes of whole lines; undefined where the path is no ordinary file, such as a pipe. */
  #wholeBytes: number | undefined;
  /** Settled when the writes before are done: lines of concurrent batches must not mix. */
  #writing: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(config: FileConfig) {
    this.#config = config;
  }

  async start(): Promise<void> {
    if (this.#stopped) return;
    const { path, append } = this.#config;
    try {
      await mkdir(dirname(path), { recursive: true });
      // Always in append mode: after a cut, a plain write would go on at the old position and leave a hole.
      this.#handle = await open(path, 'a');
      const found = await this.#handle.stat();
      if (!found.isFile()) return;
      if (!append) await this.#handle.truncate(0);
      this.#wholeBytes = append ? found.size : 0;
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

  async #write(lines: Uint8Array): Promise<void> {
    const bytes = await compress(this.#config.compression, lines);
    if (this.#handle === undefined) throw new PipelineError('stopping', `${this.#config.path} is closed`);
    try {
      await this.#handle.appendFile(bytes);
      if (this.#wholeBytes !== undefined) this.#wholeBytes += bytes.length;
    } catch (error) {
      // If even the cut fails the next one is tried from the same place.
      if (this.#wholeBytes !== undefined) await this.#handle.truncate(this.#wholeBytes).catch(() => undefined);
      throw unwritable(error);
    }
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
