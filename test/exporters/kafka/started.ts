/** Exporters under test, alone and behind the engine's queue. */
import { afterEach } from 'vitest';
import { kafkaExporterConfig } from '../../../exporters/kafka/config.ts';
import { KafkaExporter } from '../../../exporters/kafka/kafka.ts';
import type { DecisionBatch } from '../../../pipeline/batch.ts';
import type { Component, Consumer, Context } from '../../../pipeline/component.ts';
import { guardExporter } from '../../../pipeline/guard.ts';
import type { DecisionEvent } from '../../../proto/windback/decision.ts';
import { testContext } from '../../support/context.ts';
import { ofPipelines } from '../../support/pipeline.ts';
import { decisionEvent } from '../../support/decision-event.ts';

const started: Component[] = [];
afterEach(async () => {
  for (const one of started.splice(0)) await one.stop(AbortSignal.timeout(5000));
});

export interface Started {
  readonly exporter: Component & Consumer;
  readonly context: Context;
}

/** The exporter alone: one attempt a batch. */
export async function startExporter(
  options: Record<string, unknown>,
  context = testContext('kafka'),
): Promise<Started> {
  const exporter = new KafkaExporter(kafkaExporterConfig.parse(options), context);
  started.push(exporter);
  await exporter.start();
  return { exporter, context };
}

/** The exporter as the engine runs it, with shorter pauses than its defaults. */
export async function startQueued(options: Record<string, unknown>, context = testContext('kafka')): Promise<Started> {
  const retry_on_failure = { initial_interval: '200ms', max_interval: '1s' };
  const config = kafkaExporterConfig.parse({ retry_on_failure, ...options });
  const exporter = ofPipelines(guardExporter(new KafkaExporter(config, context), config, context));
  started.push(exporter);
  await exporter.start();
  return { exporter, context };
}

export function decisions(...events: DecisionEvent[]): DecisionBatch {
  return { signal: 'decisions', items: events.length, decisions: events };
}

/** A decision about one of a few services. */
export function decisionOf(service: string, id: string, reason?: string): DecisionEvent {
  const event = decisionEvent(id);
  const subject = `shop/${service}/prod`;
  return { ...event, subject, data: { ...event.data, ...(reason === undefined ? {} : { reason }) } };
}
