import { access, constants, glob, stat } from 'node:fs/promises';
import { TelemetryBatch } from '../../pipeline/batch.ts';
import type { Component, Context, Outlets } from '../../pipeline/component.ts';
import { asPipelineError, PipelineError } from '../../pipeline/errors.ts';
import type { TelemetrySignal } from '../../proto/otlp/columns.ts';
import { TooManyEntries } from '../../proto/otlp/growing.ts';
import { type CaptureProblem, type CaptureRequest, readCapture, STDIN } from './capture.ts';
import type { OtlpFileConfig } from './config.ts';

/** Problems beyond these are counted, and told in one line at the end of the file. */
const PROBLEMS_LOGGED_MAX = 100;

/**
 * Reads capture files once, one after the other and one request at a time: the next is read when the pipeline has
 * taken responsibility for the one before. What the pipeline cannot take yet is offered until it does.
 */
export class OtlpFileReceiver implements Component {
  readonly #config: OtlpFileConfig;
  readonly #next: Outlets;
  readonly #context: Context;
  readonly #stopping = new AbortController();
  #reading: Promise<void> | undefined;

  constructor(config: OtlpFileConfig, next: Outlets, context: Context) {
    this.#config = config;
    this.#next = next;
    this.#context = context;
  }

  /** Rejects with `file_unreadable` if a path does not exist, a pattern matches nothing, or a file is closed to us. */
  async start(): Promise<void> {
    const files = await findFiles(this.#config.include);
    if (this.#stopping.signal.aborted) return;
    this.#reading = this.#readAll(files);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#stopping.abort();
    const late = Promise.withResolvers<void>();
    if (deadline.aborted) late.resolve();
    else deadline.addEventListener('abort', () => late.resolve(), { once: true });
    await Promise.race([this.#reading, late.promise]);
  }

  async #readAll(files: readonly string[]): Promise<void> {
    for (const file of files) {
      try {
        await this.#readFile(file);
      } catch (thrown) {
        const error = asPipelineError(thrown);
        this.#refuseRequest('unknown', error.code);
        this.#context.logger.error({ code: error.code }, `${file}: ${error.message}; ${error.row.todo}`);
      }
      if (this.#stopping.signal.aborted) return;
    }
    this.#context.logger.info({ files: files.length }, 'every capture was read to its end');
  }

  async #readFile(file: string): Promise<void> {
    const { signal } = this.#stopping;
    let problems = 0;
    for await (const entry of readCapture(file, { maxLineBytes: this.#config.max_line, signal })) {
      if (signal.aborted) return;
      const opened = 'problem' in entry ? entry : open(entry);
      if ('problem' in opened) this.#report(file, opened, ++problems);
      else await this.#deliver(file, entry.line, opened);
    }
    if (problems > PROBLEMS_LOGGED_MAX) {
      this.#context.logger.warn({ problems }, `${file}: ${problems} lines were skipped`);
    }
  }

  #report(file: string, { line, code, problem }: CaptureProblem, count: number): void {
    this.#refuseRequest('unknown', code);
    if (count <= PROBLEMS_LOGGED_MAX) this.#context.logger.warn({ code }, `${file}:${line}: ${problem}`);
  }

  async #deliver(file: string, line: number, batch: TelemetryBatch): Promise<void> {
    const { signal } = batch;
    for (let attempt = 1; ; attempt++) {
      try {
        // A consumer owns what it was given, even if it refuses it: each attempt gets its own.
        await this.#next.to(signal).consume(batch.fork());
        this.#count('windback_receiver_accepted_items_total', { signal }, batch.items);
        return;
      } catch (thrown) {
        const error = asPipelineError(thrown);
        if (!error.row.retryable) return this.#refuse(file, line, batch, error);
        if (attempt === 1)
          this.#context.logger.warn({ code: error.code }, `${file}:${line}: waiting: ${error.message}`);
        await this.#context.clock.sleep(error.retryAfterMs ?? this.#config.retry_interval, this.#stopping.signal);
        if (this.#stopping.signal.aborted) return;
      }
    }
  }

  #refuse(file: string, line: number, batch: TelemetryBatch, error: PipelineError): void {
    const { signal, items } = batch;
    this.#count('windback_receiver_refused_items_total', { signal, reason: error.code }, items);
    this.#context.logger.warn({ code: error.code, items }, `${file}:${line}: ${error.message}; ${error.row.todo}`);
  }

  #refuseRequest(signal: TelemetrySignal | 'unknown', reason: string): void {
    this.#count('windback_receiver_refused_requests_total', { signal, reason }, 1);
  }

  #count(metric: string, labels: Readonly<Record<string, string>>, amount: number): void {
    this.#context.meter.counter(metric, { receiver: this.#context.id, transport: 'file', ...labels }).add(amount);
  }
}

/** A request, or why it cannot be had: the lines after it are read all the same. */
function open({ line, signal, bytes }: CaptureRequest): TelemetryBatch | CaptureProblem {
  try {
    return TelemetryBatch.open(signal, bytes);
  } catch (error) {
    if (!(error instanceof TooManyEntries)) throw error;
    return { line, code: 'too_large', problem: error.message };
  }
}

/** The files that the list names, in its order, each once. */
async function findFiles(include: readonly string[]): Promise<string[]> {
  const files = new Set<string>();
  for (const entry of include) {
    if (entry === STDIN) files.add(entry);
    else for (const file of await matches(entry)) files.add(file);
  }
  return [...files];
}

async function matches(entry: string): Promise<string[]> {
  // A path that exists is meant literally, brackets and all.
  if (!/[*?[\]{}]/.test(entry) || (await exists(entry))) {
    await checkReadable(entry);
    return [entry];
  }
  const found: string[] = [];
  for await (const file of glob(entry)) found.push(file);
  found.sort();
  if (found.length === 0) throw new PipelineError('file_unreadable', `no file matches ${entry}`);
  for (const file of found) await checkReadable(file);
  return found;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function checkReadable(path: string): Promise<void> {
  try {
    await access(path, constants.R_OK);
    if ((await stat(path)).isDirectory()) throw new Error(`${path} is a directory`);
  } catch (error) {
    throw new PipelineError('file_unreadable', (error as Error).message, { cause: error });
  }
}
