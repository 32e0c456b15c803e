import type { Signal } from './batch.ts';
import type { Component, Consumer, Context, ExporterFactory, ProcessorFactory, ReceiverFactory } from './component.ts';
import type { Configured, LoadedConfig, PipelineConfig } from './config/loaded.ts';
import { type Branch, Fanout, Wiring } from './fanout.ts';
import { type Flow, flowOf } from './graph-check.ts';
import { Books, type Seam } from './ledger/books.ts';
import type { GuardedExporter } from './direct-exporter.ts';
import { guardExporter } from './queue.ts';
import type { Count, Meter } from './telemetry/meter.ts';

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

/** A processor with where it counts, by signal, what it leaves out on purpose. */
interface WiredProcessor extends Wired<Component & Consumer> {
  readonly filtered: Map<Signal, (reason: string) => Count>;
}

/**
 * Makes every component that a pipeline uses and connects them. The configuration has passed `checkGraph`. What passes
 * is counted in `meter`.
 */
export function buildGraph(loaded: LoadedConfig, contextOf: (id: string) => Context, meter: Meter): Graph {
  return new Builder(loaded, contextOf, meter).build();
}

/** One pipeline on its way into the graph. */
interface Line {
  readonly pipeline: PipelineConfig;
  readonly flow: Flow;
  readonly books: Books;
}

class Builder {
  readonly #loaded: LoadedConfig;
  readonly #contextOf: (id: string) => Context;
  readonly #meter: Meter;
  readonly #exporters = new Map<string, GuardedExporter>();
  readonly #processors = new Map<string, WiredProcessor>();
  readonly #receivers = new Map<string, Wired<Component>>();

  constructor(loaded: LoadedConfig, contextOf: (id: string) => Context, meter: Meter) {
    this.#loaded = loaded;
    this.#contextOf = contextOf;
    this.#meter = meter;
  }

  build(): Graph {
    const lines = this.#downstreamFirst().map((pipeline) => this.#line(pipeline));
    for (const line of lines) this.#connectInside(line);
    for (const line of lines) this.#connectEntry(line);
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

  #line(pipeline: PipelineConfig): Line {
    const flow = flowOf(this.#loaded, pipeline);
    const ids = (refs: PipelineConfig['exporters']) => refs.map(({ id }) => id);
    const [processors, exporters] = [ids(pipeline.processors), ids(pipeline.exporters)];
    return { pipeline, flow, books: new Books(this.#meter, { id: pipeline.id, flow, processors, exporters }) };
  }

  #connectInside(line: Line): void {
    const { pipeline, flow, books } = line;
    for (let i = pipeline.processors.length - 1; i >= 0; i--) {
      const processor = this.#processor(pipeline.processors[i]?.id as string, pipeline.name);
      const out = processor.wiring.to(flow[i + 1] as Signal);
      for (const branch of this.#after(line, i)) out.add(branch);
      // What nothing is handed to from outside only lends its processors: another pipeline counts what comes to them.
      if (pipeline.receivers.length === 0) continue;
      out.countAt(books.seams[i + 1] as Seam);
      processor.filtered.set(flow[i] as Signal, (reason) => books.filtered(i, reason));
    }
  }

  /** What stands behind processor `i` of the pipeline: the next one, or the exporters. */
  #after({ pipeline, flow, books }: Line, i: number): Branch[] {
    const next = pipeline.processors[i + 1];
    if (next !== undefined) {
      const { part } = this.#processor(next.id, pipeline.name);
      const factories = pipeline.processors.slice(i + 1).map(({ id }) => this.#processorFactory(id));
      const mutates = factories.some((factory) => factory.mutates);
      const readsAttributes = factories.some((factory) => factory.readsAttributes === true);
      return [{ consumer: part, mutates, readsAttributes }];
    }
    return pipeline.exporters.map(({ id }) => ({
      consumer: this.#exporter(id).of(pipeline.id, flow.at(-1) as Signal),
      mutates: false,
      repeated: books.repeated(id),
    }));
  }

  #connectEntry(line: Line): void {
    const { pipeline, flow, books } = line;
    const entry = new Fanout();
    const branches = this.#after(line, -1);
    for (const branch of branches) entry.add(branch);
    entry.countAt(books.seams[0] as Seam);
    const mutates = branches.some((branch) => branch.mutates);
    for (const ref of pipeline.receivers) {
      const sources =
        ref.from === 'receivers'
          ? [this.#receiver(ref.id)]
          : [...this.#processors.values()].filter(({ id }) => id.split('@')[0] === ref.id);
      for (const { wiring } of sources)
        wiring.to(flow[0] as Signal).add({ consumer: entry, mutates, readsAttributes: entry.readsAttributes });
    }
  }

  #processorFactory(id: string): ProcessorFactory {
    return this.#configured<ProcessorFactory>(this.#loaded.processors, id).factory;
  }

  #exporter(id: string): GuardedExporter {
    const existing = this.#exporters.get(id);
    if (existing !== undefined) return existing;
    const { factory, config } = this.#configured<ExporterFactory>(this.#loaded.exporters, id);
    const context = this.#contextOf(id);
    const exporter = guardExporter(factory.create(config as never, context), config, context);
    this.#exporters.set(id, exporter);
    return exporter;
  }

  #processor(id: string, pipelineName: string): WiredProcessor {
    const key = pipelineName === '' ? id : `${id}@${pipelineName}`;
    const existing = this.#processors.get(key);
    if (existing !== undefined) return existing;
    const { factory, config } = this.#configured<ProcessorFactory>(this.#loaded.processors, id);
    const wiring = new Wiring();
    const filtered: WiredProcessor['filtered'] = new Map();
    const context: Context = {
      ...this.#contextOf(key),
      filtered: (signal, reason, items) => filtered.get(signal)?.(reason).add(items),
    };
    const wired = { id: key, part: factory.create(config as never, wiring, context), wiring, filtered };
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
