import { z } from 'zod';
import type { Signal } from '../batch.ts';
import type { Component, Outlets, ProcessorFactory, ReceiverFactory } from '../component.ts';
import type { Configured, LoadedConfig, PipelineConfig, Ref } from '../config/loaded.ts';
import { sourceSignals } from '../graph-check.ts';

/**
 * One configuration cut in two at the health deltas. Ingest workers run the pipelines of telemetry that shareable
 * receivers feed; the main thread runs the rest. Where the cut goes through, each half has an end: the workers hand
 * batches over by a target (`deltas:health`, `exporter:file`), and in the main thread they come out of a receiver of
 * that name.
 */
export interface Target {
  readonly name: string;
  /** The exporter, or the processor whose deltas they are. */
  readonly id: string;
  readonly kind: 'deltas' | 'exporter';
}

const TELEMETRY: ReadonlySet<Signal> = new Set(['traces', 'metrics', 'logs']);
const nothing = z.strictObject({});
const nowhere = { file: 'workers', line: 0, column: 0 };
const still: Component = { start: async () => {}, stop: async () => {} };

/** Whether any receiver of the configuration can run in workers at all. */
export function canShare(loaded: LoadedConfig): boolean {
  return loaded.pipelines.some((pipeline) => isForWorkers(loaded, pipeline));
}

/** Where what the workers make goes. */
export function targetsOf(loaded: LoadedConfig): Target[] {
  const shared = loaded.pipelines.filter((pipeline) => isForWorkers(loaded, pipeline));
  const sources = new Set(shared.flatMap(({ processors }) => processors.map(({ id }) => id)));
  const deltas = [...sources]
    .filter((id) => loaded.pipelines.some(({ receivers }) => receivers.some((ref) => isSource(ref, id))))
    .map((id): Target => ({ name: `deltas:${id}`, id, kind: 'deltas' }));
  const exporters = new Set(shared.flatMap((pipeline) => singles(loaded, pipeline).map(({ id }) => id)));
  return [...deltas, ...[...exporters].map((id): Target => ({ name: `exporter:${id}`, id, kind: 'exporter' }))];
}

/** The ids of what workers run: receivers, and processors as the graph names them. */
export function sharedIds(loaded: LoadedConfig): string[] {
  const shared = loaded.pipelines.filter((pipeline) => isForWorkers(loaded, pipeline));
  const receivers = shared.flatMap((pipeline) => shareable(loaded, pipeline).map(({ id }) => id));
  const processors = shared.flatMap(({ name, processors: own }) =>
    own.map(({ id }) => (name === '' ? id : `${id}@${name}`)),
  );
  return [...new Set([...receivers, ...processors])];
}

/** The ids of the exporters that every worker runs. */
export function workerExporters(loaded: LoadedConfig): ReadonlySet<string> {
  const shared = loaded.pipelines.filter((pipeline) => isForWorkers(loaded, pipeline));
  return new Set(shared.flatMap((pipeline) => ownExporters(loaded, pipeline).map(({ id }) => id)));
}

/** The ids of the exporters that the main thread runs beside ingest workers. */
export function mainExporters(loaded: LoadedConfig): ReadonlySet<string> {
  const { pipelines } = mainPart(loaded, () => {});
  return new Set(pipelines.flatMap(({ exporters }) => exporters.map(({ id }) => id)));
}

/** What a worker runs. `link` makes what hands batches over, by the name of the target. */
export function workerPart(loaded: LoadedConfig, link: (target: string) => ProcessorFactory): LoadedConfig {
  const targets = targetsOf(loaded);
  const links = targets.map(({ name }): [string, Configured<ProcessorFactory>] => [name, configured(name, link(name))]);
  const telemetry = loaded.pipelines
    .filter((pipeline) => isForWorkers(loaded, pipeline))
    .map((pipeline): PipelineConfig => {
      const single = singles(loaded, pipeline);
      return {
        ...pipeline,
        receivers: shareable(loaded, pipeline),
        processors: [...pipeline.processors, ...single.map(({ id }) => ref(`exporter:${id}`, 'processors'))],
        exporters: ownExporters(loaded, pipeline),
      };
    });
  const deltas = targets
    .filter(({ kind }) => kind === 'deltas')
    .map(({ name, id }) => pipelineOf('health', name, [ref(id, 'processors')], [ref(name, 'processors')]));
  return {
    ...loaded,
    processors: new Map([...loaded.processors, ...links]),
    pipelines: [...telemetry, ...deltas],
  };
}

/** What the main thread runs. `onOutlets` is told, by the target, what follows where its batches come out. */
export function mainPart(loaded: LoadedConfig, onOutlets: (target: string, outlets: Outlets) => void): LoadedConfig {
  const targets = targetsOf(loaded);
  const ends = targets.map(({ name, kind }): [string, Configured<ReceiverFactory>] => [
    name,
    configured(name, end(name, kind === 'deltas' ? ['health'] : [...TELEMETRY], onOutlets)),
  ]);
  const kept = loaded.pipelines.flatMap((pipeline): PipelineConfig[] => {
    if (!isForWorkers(loaded, pipeline)) return [withEnds(pipeline, targets)];
    const receivers = pipeline.receivers.filter((one) => !shareable(loaded, pipeline).includes(one));
    return receivers.length === 0 ? [] : [{ ...pipeline, receivers }];
  });
  return {
    ...loaded,
    receivers: new Map([...loaded.receivers, ...ends]),
    pipelines: [...kept, ...homes(loaded), ...exporterPipelines(loaded, targets)],
  };
}

/** The instances that fold what workers leave to the main thread, whether or not anything else feeds them there. */
function homes(loaded: LoadedConfig): PipelineConfig[] {
  return loaded.pipelines
    .filter((pipeline) => isForWorkers(loaded, pipeline))
    .flatMap((pipeline) =>
      pipeline.processors
        .filter(({ id }) => sourceSignals(loaded.processors.get(id)?.factory as ProcessorFactory).length > 0)
        .map((processor) => ({ ...pipeline, receivers: [], processors: [processor], exporters: [] })),
    );
}

function exporterPipelines(loaded: LoadedConfig, targets: readonly Target[]): PipelineConfig[] {
  return targets
    .filter(({ kind }) => kind === 'exporter')
    .flatMap(({ name, id }) => {
      const signals = loaded.pipelines
        .filter((pipeline) => singles(loaded, pipeline).some((exporter) => exporter.id === id))
        .map(({ signal }) => signal);
      return [...new Set(signals)].map((signal) => ({
        ...pipelineOf(signal, name, [ref(name, 'receivers')], []),
        exporters: [ref(id, 'exporters')],
      }));
    });
}

/** A pipeline that lists a source which workers run gets what they hand over, too. */
function withEnds(pipeline: PipelineConfig, targets: readonly Target[]): PipelineConfig {
  const ends = targets
    .filter(({ kind, id }) => kind === 'deltas' && pipeline.receivers.some((one) => isSource(one, id)))
    .map(({ name }) => ref(name, 'receivers'));
  return { ...pipeline, receivers: [...pipeline.receivers, ...ends] };
}

function isForWorkers(loaded: LoadedConfig, pipeline: PipelineConfig): boolean {
  return TELEMETRY.has(pipeline.signal) && shareable(loaded, pipeline).length > 0;
}

function shareable(loaded: LoadedConfig, { receivers }: PipelineConfig): Ref[] {
  return receivers.filter(
    ({ id, from }) => from === 'receivers' && loaded.receivers.get(id)?.factory.isShareable === true,
  );
}

function singles(loaded: LoadedConfig, pipeline: PipelineConfig): Ref[] {
  if (!isForWorkers(loaded, pipeline)) return [];
  return pipeline.exporters.filter(({ id }) => loaded.exporters.get(id)?.factory.isSingle === true);
}

/** Those that each worker has for itself. */
function ownExporters(loaded: LoadedConfig, pipeline: PipelineConfig): Ref[] {
  const single = singles(loaded, pipeline);
  return pipeline.exporters.filter((exporter) => !single.includes(exporter));
}

function isSource({ from, id }: Ref, processor: string): boolean {
  return from === 'processors' && id === processor;
}

function ref(id: string, from: Ref['from']): Ref {
  return { id, at: nowhere, from };
}

function pipelineOf(
  signal: Signal,
  name: string,
  receivers: readonly Ref[],
  processors: readonly Ref[],
): PipelineConfig {
  return { id: `${signal}/${name}`, signal, name: '', receivers, processors, exporters: [], at: nowhere };
}

function end(
  target: string,
  emits: readonly Signal[],
  onOutlets: (target: string, outlets: Outlets) => void,
): ReceiverFactory {
  return {
    type: 'workers',
    stability: 'beta',
    summary: '',
    config: nothing,
    emits,
    create(_config, next) {
      onOutlets(target, next);
      return still;
    },
  };
}

function configured<Factory>(id: string, factory: Factory): Configured<Factory> {
  return { id, factory, config: {}, at: nowhere };
}
