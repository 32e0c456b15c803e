import type { Component, Consumer, Context, QueuedConfig } from './component.ts';
import { DirectExporter, type GuardedExporter } from './direct-exporter.ts';
import { ExporterCounters } from './exporter-counters.ts';
import { QueuedExporter } from './queue.ts';

/** Puts the counters in front of an exporter, and the queue with its retries where the configuration has them. */
export function guardExporter(exporter: Component & Consumer, config: unknown, context: Context): GuardedExporter {
  const { sending_queue, retry_on_failure } = config as QueuedConfig;
  const counters = new ExporterCounters(context);
  if (sending_queue === undefined || retry_on_failure === undefined)
    return new DirectExporter(exporter, counters, context.logger);
  return new QueuedExporter(exporter, sending_queue, retry_on_failure, counters, context);
}
