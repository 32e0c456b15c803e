import { type Batch, isTelemetry } from '../../pipeline/batch.ts';
import { batchJson } from '../../pipeline/batch-json.ts';
import type { Component, Consumer, Context } from '../../pipeline/component.ts';
import type { DebugConfig } from './config.ts';
import { itemLines } from './item-lines.ts';

/**
 * Shows batches: `basic` through the log, which must not hold telemetry; more than that as plain text on `output`,
 * for eyes. Decisions say their sentence in the log whatever the verbosity.
 */
export class DebugExporter implements Component, Consumer {
  readonly #config: DebugConfig;
  readonly #context: Context;
  readonly #output: NodeJS.WritableStream;

  constructor(config: DebugConfig, context: Context, output: NodeJS.WritableStream) {
    this.#config = config;
    this.#context = context;
    this.#output = output;
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  async consume(batch: Batch): Promise<void> {
    const { signal, items } = batch;
    if (batch.signal === 'decisions') {
      for (const { id, subject, data } of batch.decisions) {
        this.#context.logger.info({ id, subject, decision: data.decision, dry_run: data.dry_run }, data.reason);
      }
    }
    const resources = isTelemetry(batch) ? { resources: batch.columns.resources.count } : {};
    if (this.#config.verbosity === 'basic') this.#context.logger.info({ signal, items, ...resources }, signal);
    else await this.#print(this.#config.verbosity === 'normal' ? linesOf(batch) : detailsOf(batch));
  }

  async #print(text: string): Promise<void> {
    const title = `${this.#context.id} ${new Date(this.#context.clock.now()).toISOString()}`;
    const { promise, resolve } = Promise.withResolvers<void>();
    // A broken stderr must not stop the pipeline.
    this.#output.write(`--- ${title}\n${printable(text)}\n`, () => resolve());
    await promise;
  }
}

function linesOf(batch: Batch): string {
  if (isTelemetry(batch)) return itemLines(batch.signal, batchJson(batch)).join('\n');
  if (batch.signal === 'decisions') {
    return batch.decisions.map(({ subject, data }) => `${data.decision} ${subject}: ${data.reason}`).join('\n');
  }
  const deltas = batch.signal === 'health' ? batch.deltas : [];
  return deltas
    .map(({ source, slot, series }) => `delta of ${source}, second ${slot}: ${series.length} series`)
    .join('\n');
}

function detailsOf(batch: Batch): string {
  if (isTelemetry(batch)) return JSON.stringify(batchJson(batch), null, 2);
  if (batch.signal === 'decisions') return JSON.stringify(batch.decisions, null, 2);
  return JSON.stringify(batch.signal === 'health' ? batch.deltas : [], null, 2);
}

/** Telemetry can hold anything; its control characters must not reach a terminal. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}]/gu, (c) => (c === '\n' ? c : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`));
}
