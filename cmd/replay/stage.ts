import { z } from 'zod';
import type { Batch } from '../../pipeline/batch.ts';
import type { Component, Consumer, ExporterFactory, Outlets, ReceiverFactory } from '../../pipeline/component.ts';
import type { Configured, LoadedConfig, PipelineConfig, Ref } from '../../pipeline/config/loaded.ts';
import { isTelemetrySignal } from './signals.ts';

/** Processors that only guard or pace a live process; a replay has its own pace, and must not depend on it. */
const LEFT_OUT = new Set(['memory_limiter', 'batch']);

const nothing = z.strictObject({});
const nowhere = { file: 'replay', line: 0, column: 0 };

/** The entry into the graph: what the replay reads goes in here. */
export interface Stage {
  readonly loaded: LoadedConfig;
  /** Set once the service has been built. */
  readonly outlets: () => Outlets;
}

/**
 * The configuration with its ends cut off: every receiver is the recording, decisions go to `decide`, and telemetry
 * goes nowhere. A replay shows what would have been decided; it must never tell a real broker.
 */
export function stage(loaded: LoadedConfig, decide: (batch: Batch) => Promise<void>): Stage {
  let outlets: Outlets | undefined;
  const recording: ReceiverFactory = {
    type: 'recording',
    stability: 'beta',
    summary: '',
    config: nothing,
    emits: ['traces', 'metrics', 'logs'],
    create(_config, next) {
      outlets = next;
      return still;
    },
  };
  const stagedReceiver = configured('recording', recording);
  const exporters = [
    configured('decided', sink('decided', decide)),
    configured(
      'nowhere',
      sink('nowhere', async () => {}),
    ),
  ];
  return {
    loaded: {
      ...loaded,
      receivers: new Map([[stagedReceiver.id, stagedReceiver]]),
      exporters: new Map(exporters.map((exporter) => [exporter.id, exporter])),
      pipelines: loaded.pipelines
        .filter(({ signal }) => signal !== 'health')
        .map((pipeline) => staged(loaded, pipeline)),
    },
    outlets: () => outlets as Outlets,
  };
}

function staged(loaded: LoadedConfig, pipeline: PipelineConfig): PipelineConfig {
  const ref = (id: string, from: Ref['from']): Ref => ({ id, at: nowhere, from });
  const isTelemetry = isTelemetrySignal(pipeline.signal);
  const kept = pipeline.processors.filter(({ id }) => !LEFT_OUT.has(loaded.processors.get(id)?.factory.type as string));
  return {
    ...pipeline,
    receivers: isTelemetry
      ? [ref('recording', 'receivers')]
      : pipeline.receivers.filter(({ from }) => from === 'processors'),
    processors: kept,
    exporters: [ref(isTelemetry ? 'nowhere' : 'decided', 'exporters')],
  };
}

const still: Component = { start: async () => {}, stop: async () => {} };

function sink(type: string, consume: (batch: Batch) => Promise<void>): ExporterFactory {
  return {
    type,
    stability: 'beta',
    summary: '',
    config: nothing,
    accepts: ['traces', 'metrics', 'logs', 'decisions'],
    create: (): Component & Consumer => ({ ...still, consume }),
  };
}

function configured<Factory>(id: string, factory: Factory): Configured<Factory> {
  return { id, factory, config: {}, at: nowhere };
}
