import type { Component, Consumer, Context, ExporterFactory, ProcessorFactory, ReceiverFactory } from './component.ts';
import type { Configured, LoadedConfig, PipelineConfig } from './config/loaded.ts';
import { type Branch, Wiring } from './fanout.ts';
import { flowOf } from './graph-check.ts';
import { guardExporter } from './queue.ts';

/** The running graph, in the order in which its parts start: nothing starts before what it hands batches to. */
export interface Graph {
  readonly exporters: readonly Instance[];
  readonly processors: readonly Instance[];
  readonly receivers: readonly Instance[];
}

export interface Instance {
  /** The configured id; for a processor of a named pipeline, `id@name`. */
  readonly id: string;
  readonly component: Component;
}

interface Wired<Part> {
  readonly id: string;
  readonly part: Part;
  readonly wiring: Wiring;
}

/** Makes every component that a pipeline uses and connects them. The configuration has passed `checkGraph`. */
export function buildGraph(loaded: LoadedConfig, contextOf: (id: string) => Context): Graph {
  return new Builder(loaded, contextOf).build();
}

class Builder {
  readonly #loaded: LoadedConfig;
  readonly #contextOf: (id: string) => Context;
  readonly #exporters = new Map<string, Component & Consumer>();
  readonly #processors = new Map<string, Wired<Component & Consumer>>();
  readonly #receivers = new Map<string, Wired<Component>>();

  constructor(loaded: LoadedConfig, contextOf: (id: string) => Context) {
    this.#loaded = loaded;
    this.#contextOf = contextOf;
  }

  build(): Graph {
    const pipelines = this.#downstreamFirst();
    for (const pipeline of pipelines) this.#connectInside(pipeline);
    for (const pipeline of pipelines) this.#connectEntry(pipeline);
    return {
      exporters: [...this.#exporters].map(([id, component]) => ({ id, component })),
      processors: [...this.#processors.values()].map(({ id, part }) => ({ id, component: part })),
      receivers: [...this.#receivers.values()].map(({ id, part }) => ({ id, component: part })),
    };
  }

  /** A pipeline that another one feeds comes before it, so that instances are made in starting order. */
  #downstreamFirst(): PipelineConfig[] {
    const ordered = new Set<PipelineConfig>();
    const visit = (pipeline: PipelineConfig): void => {
      if (ordered.has(pipeline)) return;
      const sources = new Set(pipeline.processors.map(({ id }) => id));
      for (const other of this.#loaded.pipelines) {
        const isFed = other.receivers.some((ref) => ref.from === 'processors' && sources.has(ref.id));
        if (isFed && other !== pipeline) visit(other);
      }
      ordered.add(pipeline);
    };
    for (const pipeline of this.#loaded.pipelines) visit(pipeline);
    return [...ordered];
  }

  #connectInside(pipeline: PipelineConfig): void {
    const flow = flowOf(this.#loaded, pipeline);
    for (let i = pipeline.processors.length - 1; i >= 0; i--) {
      const processor = this.#processor(pipeline.processors[i]?.id as string, pipeline.name);
      const out = processor.wiring.to(flow[i + 1] as (typeof flow)[number]);
      for (const branch of this.#after(pipeline, i)) out.add(branch);
    }
  }

  /** What stands behind processor `i` of the pipeline: the next one, or the exporters. */
  #after(pipeline: PipelineConfig, i: number): Branch[] {
    const next = pipeline.processors[i + 1];
    if (next !== undefined) {
      const { part } = this.#processor(next.id, pipeline.name);
      const factories = pipeline.processors.slice(i + 1).map(({ id }) => this.#processorFactory(id));
      const mutates = factories.some((factory) => factory.mutates);
      const readsAttributes = factories.some((factory) => factory.readsAttributes === true);
      return [{ consumer: part, mutates, readsAttributes }];
    }
    return pipeline.exporters.map((ref) => ({ consumer: this.#exporter(ref.id), mutates: false }));
  }

  #connectEntry(pipeline: PipelineConfig): void {
    const signal = flowOf(this.#loaded, pipeline)[0] as PipelineConfig['signal'];
    const entry = this.#after(pipeline, -1);
    for (const ref of pipeline.receivers) {
      const sources =
        ref.from === 'receivers'
          ? [this.#receiver(ref.id)]
          : [...this.#processors.values()].filter(({ id }) => id.split('@')[0] === ref.id);
      for (const { wiring } of sources) for (const branch of entry) wiring.to(signal).add(branch);
    }
  }

  #processorFactory(id: string): ProcessorFactory {
    return this.#configured<ProcessorFactory>(this.#loaded.processors, id).factory;
  }

  #exporter(id: string): Component & Consumer {
    const existing = this.#exporters.get(id);
    if (existing !== undefined) return existing;
    const { factory, config } = this.#configured<ExporterFactory>(this.#loaded.exporters, id);
    const context = this.#contextOf(id);
    const exporter = guardExporter(factory.create(config as never, context), config, context);
    this.#exporters.set(id, exporter);
    return exporter;
  }

  #processor(id: string, pipelineName: string): Wired<Component & Consumer> {
    const key = pipelineName === '' ? id : `${id}@${pipelineName}`;
    const existing = this.#processors.get(key);
    if (existing !== undefined) return existing;
    const { factory, config } = this.#configured<ProcessorFactory>(this.#loaded.processors, id);
    const wiring = new Wiring();
    const wired = { id: key, part: factory.create(config as never, wiring, this.#contextOf(key)), wiring };
    this.#processors.set(key, wired);
    return wired;
  }

  #receiver(id: string): Wired<Component> {
    const existing = this.#receivers.get(id);
    if (existing !== undefined) return existing;
    const { factory, config } = this.#configured<ReceiverFactory>(this.#loaded.receivers, id);
    const wiring = new Wiring();
    const wired = { id, part: factory.create(config as never, wiring, this.#contextOf(id)), wiring };
    this.#receivers.set(id, wired);
    return wired;
  }

  #configured<Factory>(from: ReadonlyMap<string, Configured<Factory>>, id: string): Configured<Factory> {
    return from.get(id) as Configured<Factory>;
  }
}
