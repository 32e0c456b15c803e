import type { Signal } from './batch.ts';
import type { Context, ProcessorFactory } from './component.ts';
import type { Configured, LoadedConfig, PipelineConfig } from './config/loaded.ts';
import { type Branch, Fanout, type Followers } from './fanout.ts';
import { type Flow, flowOf } from './graph-check.ts';
import { Books, type Seam } from './ledger/books.ts';
import { type Configuration, type Connection, type Kind, Place } from './place.ts';
import type { Count, Meter } from './telemetry/meter.ts';

/** Every place that a pipeline uses, in the order in which they start: nothing starts before what it hands batches to. */
export interface Graph extends Readonly<Record<Kind, readonly Place[]>> {
  readonly connections: ReadonlyMap<Place, Connection>;
  /** Those of its pipelines; to be closed when the graph is no more. */
  readonly books: readonly Books[];
}

/** The place of a running graph that goes on in a new one, if there is such. */
export type Keep = (id: string, configuration: Configuration) => Place | undefined;

/**
 * Plans the graph of a configuration, which has passed `checkGraph`; what passes is counted in `meter`. Nothing is made,
 * and nothing is connected.
 */
export function planGraph(loaded: LoadedConfig, meter: Meter, keep: Keep = () => undefined): Graph {
  return new Planner(loaded, meter, keep).plan();
}

/** The same with every component made and connected. */
export function buildGraph(loaded: LoadedConfig, contextOf: (id: string) => Context, meter: Meter): Graph {
  const graph = planGraph(loaded, meter);
  connect(graph);
  for (const place of startingOrder(graph)) place.make(contextOf(place.id));
  return graph;
}

/** From here on batches go as the graph says. */
export function connect({ connections }: Graph): void {
  for (const [place, connection] of connections) place.connect(connection);
}

export function startingOrder({ exporters, processors, receivers }: Graph): Place[] {
  return [...exporters, ...processors, ...receivers];
}

/** What a processor of a pipeline is called. */
export function placeId(id: string, pipelineName: string): string {
  return pipelineName === '' ? id : `${id}@${pipelineName}`;
}

/** One pipeline on its way into the graph. */
interface Line {
  readonly pipeline: PipelineConfig;
  readonly flow: Flow;
  readonly books: Books;
}

/** A connection that is being planned. */
interface Draft extends Connection {
  readonly followers: Map<Signal, Followers>;
  readonly filtered: Map<Signal, (reason: string) => Count>;
}

class Planner {
  readonly #loaded: LoadedConfig;
  readonly #meter: Meter;
  readonly #keep: Keep;
  readonly #places = {
    exporters: new Map<string, Place>(),
    processors: new Map<string, Place>(),
    receivers: new Map<string, Place>(),
  };
  readonly #drafts = new Map<Place, Draft>();

  constructor(loaded: LoadedConfig, meter: Meter, keep: Keep) {
    this.#loaded = loaded;
    this.#meter = meter;
    this.#keep = keep;
  }

  plan(): Graph {
    const lines = this.#downstreamFirst().map((pipeline) => this.#line(pipeline));
    for (const line of lines) this.#connectInside(line);
    for (const line of lines) this.#connectEntry(line);
    const { exporters, processors, receivers } = this.#places;
    return {
      exporters: [...exporters.values()],
      processors: [...processors.values()],
      receivers: [...receivers.values()],
      connections: this.#drafts,
      books: lines.map(({ books }) => books),
    };
  }

  /** A pipeline that another one feeds comes before it, so that places are found in starting order. */
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
      const branches = this.#after(line, i);
      // What nothing is handed to from outside only lends its processors: another pipeline counts what comes to them.
      if (pipeline.receivers.length === 0) {
        this.#add(processor, flow[i + 1] as Signal, branches);
        continue;
      }
      this.#add(processor, flow[i + 1] as Signal, branches, books.seams[i + 1]);
      this.#draft(processor).filtered.set(flow[i] as Signal, (reason) => books.filtered(i, reason));
    }
  }

  /** What stands behind processor `i` of the pipeline: the next one, or the exporters. */
  #after({ pipeline, flow, books }: Line, i: number): Branch[] {
    const next = pipeline.processors[i + 1];
    if (next !== undefined) {
      const consumer = this.#processor(next.id, pipeline.name).entrance(pipeline.id, flow[i + 1] as Signal);
      const factories = pipeline.processors.slice(i + 1).map(({ id }) => this.#processorFactory(id));
      const mutates = factories.some((factory) => factory.mutates);
      const readsAttributes = factories.some((factory) => factory.readsAttributes === true);
      return [{ consumer, mutates, readsAttributes }];
    }
    return pipeline.exporters.map(({ id }) => ({
      consumer: this.#exporter(id).entrance(pipeline.id, flow.at(-1) as Signal),
      mutates: false,
      repeated: books.repeated(id),
    }));
  }

  #connectEntry(line: Line): void {
    const { pipeline, flow, books } = line;
    const entry = new Fanout();
    const branches = this.#after(line, -1);
    entry.connect({ branches, seam: books.seams[0] });
    const mutates = branches.some((branch) => branch.mutates);
    for (const ref of pipeline.receivers) {
      const sources =
        ref.from === 'receivers'
          ? [this.#receiver(ref.id)]
          : [...this.#places.processors.values()].filter(({ id }) => id.split('@')[0] === ref.id);
      const branch = { consumer: entry, mutates, readsAttributes: entry.readsAttributes };
      for (const source of sources) this.#add(source, flow[0] as Signal, [branch]);
    }
  }

  #add(source: Place, signal: Signal, branches: readonly Branch[], counted?: Seam): void {
    const { followers } = this.#draft(source);
    const known = followers.get(signal);
    followers.set(signal, { branches: [...(known?.branches ?? []), ...branches], seam: counted ?? known?.seam });
  }

  #draft(place: Place): Draft {
    return this.#drafts.get(place) as Draft;
  }

  #processorFactory(id: string): ProcessorFactory {
    return configuredAs(this.#loaded.processors, id).factory;
  }

  #exporter(id: string): Place {
    return this.#place(id, { kind: 'exporters', configured: configuredAs(this.#loaded.exporters, id) });
  }

  #processor(id: string, pipelineName: string): Place {
    const configured = configuredAs(this.#loaded.processors, id);
    return this.#place(placeId(id, pipelineName), { kind: 'processors', configured });
  }

  #receiver(id: string): Place {
    return this.#place(id, { kind: 'receivers', configured: configuredAs(this.#loaded.receivers, id) });
  }

  #place(id: string, configuration: Configuration): Place {
    const known = this.#places[configuration.kind];
    let place = known.get(id);
    if (place === undefined) {
      place = this.#keep(id, configuration) ?? new Place(id, configuration);
      known.set(id, place);
      this.#drafts.set(place, { followers: new Map(), filtered: new Map() });
    }
    return place;
  }
}

function configuredAs<Factory>(from: ReadonlyMap<string, Configured<Factory>>, id: string): Configured<Factory> {
  return from.get(id) as Configured<Factory>;
}
