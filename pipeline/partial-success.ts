import type { PartialSuccess } from '../proto/otlp/export.ts';
import type { TelemetrySignal } from './batch.ts';
import type { Context } from './component.ts';
import type { Count } from './telemetry/meter.ts';

/** Longer messages of a destination are cut in the log. */
const MESSAGE_CHARS_MAX = 500;

/**
 * Counts and logs what a destination refused of a request that it answered with success (OTLP, Partial Success). The
 * specification forbids to send it again, so these items are dropped.
 */
export class PartialSuccessReport {
  readonly #context: Context;
  readonly #dropped = new Map<TelemetrySignal, Count>();

  constructor(context: Context) {
    this.#context = context;
  }

  report(signal: TelemetrySignal, { rejected, message }: PartialSuccess): void {
    if (rejected === 0 && message === '') return;
    const answer = message.slice(0, MESSAGE_CHARS_MAX);
    if (rejected === 0) {
      this.#context.logger.warn({ signal, answer }, 'the destination accepted everything, with a warning');
      return;
    }
    this.#context.logger.warn({ signal, rejected, answer }, 'the destination refused a part of a request for good');
    let count = this.#dropped.get(signal);
    if (count === undefined) {
      const labels = { exporter: this.#context.id, signal, reason: 'rejected' };
      count = this.#context.meter.counter('windback_exporter_dropped_items_total', labels);
      this.#dropped.set(signal, count);
    }
    count.add(rejected);
  }
}
