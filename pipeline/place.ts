import type { Signal } from './batch.ts';
import type { Component, Consumer, Context, ExporterFactory, ProcessorFactory, ReceiverFactory } from './component.ts';
import type { Configured } from './config/loaded.ts';
import type { GuardedExporter } from './direct-exporter.ts';
import { Door, Entrance } from './door.ts';
import { type Followers, Wiring } from './fanout.ts';
import { guardExporter } from './guard.ts';
import type { Count } from './telemetry/meter.ts';

/** What a place holds, with what it is made from. */
export type Configuration =
  | { readonly kind: 'receivers'; readonly configured: Configured<ReceiverFactory> }
  | { readonly kind: 'processors'; readonly configured: Configured<ProcessorFactory> }
  | { readonly kind: 'exporters'; readonly configured: Configured<ExporterFactory> };

export type Kind = Configuration['kind'];

/** What follows a place, and where it counts, by signal, what it leaves out on purpose. */
export interface Connection {
  readonly followers: ReadonlyMap<Signal, Followers>;
  readonly filtered: ReadonlyMap<Signal, (reason: string) => Count>;
}

const UNCONNECTED: Connection = { followers: new Map(), filtered: new Map() };

type Made =
  | { readonly kind: 'receivers'; readonly component: Component }
  | { readonly kind: 'processors'; readonly component: Component & Consumer }
  | { readonly kind: 'exporters'; readonly component: GuardedExporter };

/** A way in for one pipeline that ends with `signal`; a processor has one for all. */
interface Way {
  readonly pipeline: string;
  readonly signal: Signal;
  readonly entrance: Entrance;
}

/** A place in the graph, and the component in it, which may be made anew there. */
export class Place {
  /** The configured id; for a processor of a named pipeline, `id@name`. */
  readonly id: string;
  readonly configuration: Configuration;
  /** Where its component hands batches to. */
  readonly wiring = new Wiring();
  /** Where batches come in. */
  readonly door = new Door();
  readonly #ways: Way[] = [];
  #filtered: Connection['filtered'] = UNCONNECTED.filtered;
  #made: Made | undefined;
  #context: Context | undefined;

  constructor(id: string, configuration: Configuration) {
    this.id = id;
    this.configuration = configuration;
  }

  get kind(): Kind {
    return this.configuration.kind;
  }

  /** From here on its batches go, and are counted, as `connection` says; nowhere without one. */
  connect({ followers, filtered }: Connection = UNCONNECTED): void {
    this.wiring.connect(followers);
    this.#filtered = filtered;
  }

  /** Where a pipeline that has come to `signal` hands its batches to. */
  entrance(pipeline: string, signal: Signal): Entrance {
    const isOne = this.kind === 'processors';
    const known = this.#ways.find((way) => isOne || (way.pipeline === pipeline && way.signal === signal));
    if (known !== undefined) return known.entrance;
    const way = { pipeline, signal, entrance: new Entrance(this.door) };
    this.#ways.push(way);
    this.#lead(way);
    return way.entrance;
  }

  /** The signals that come in. */
  get signals(): ReadonlySet<Signal> {
    return new Set(this.#ways.map(({ signal }) => signal));
  }

  /** Makes the component, which is to be started then. Throws what its factory throws. */
  make(context: Context): void {
    this.#made = this.#create(context);
    this.#context = context;
    for (const way of this.#ways) this.#lead(way);
  }

  /** Throws where none has been made. */
  get component(): Component {
    if (this.#made === undefined) throw new Error(`nothing was made for ${this.id}`);
    return this.#made.component;
  }

  get context(): Context {
    if (this.#context === undefined) throw new Error(`nothing was made for ${this.id}`);
    return this.#context;
  }

  #create(context: Context): Made {
    const { kind, configured } = this.configuration;
    const config = configured.config as never;
    if (kind === 'receivers') return { kind, component: configured.factory.create(config, this.wiring, context) };
    if (kind === 'exporters') {
      return { kind, component: guardExporter(configured.factory.create(config, context), config, context) };
    }
    const counting: Context = {
      ...context,
      filtered: (signal, reason, items) => this.#filtered.get(signal)?.(reason).add(items),
    };
    return { kind, component: configured.factory.create(config, this.wiring, counting) };
  }

  #lead({ pipeline, signal, entrance }: Way): void {
    const made = this.#made;
    if (made?.kind === 'exporters') entrance.lead(made.component.of(pipeline, signal));
    else if (made?.kind === 'processors') entrance.lead(made.component);
  }
}
