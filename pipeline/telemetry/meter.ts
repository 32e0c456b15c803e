import { UNADDABLE } from './metrics-table.ts';

/** Adds to one time series whose labels are already bound, so that counting on a hot path allocates nothing. */
export interface Count {
  /** Adds `amount`, which must not be negative. */
  add(amount: number): void;
}

/** Sets one time series whose labels are already bound. */
export interface Level {
  set(value: number): void;
  /** Takes the series out of the exposition, when what it measured is gone. */
  remove(): void;
}

/** A gauge that is moved, never set: whoever shares its labels adds to the same sum. Its series is bound. */
export interface Stock {
  add(change: number): void;
}

export type Labels = Readonly<Record<string, string>>;

/** One time series, as whoever looks sees it. */
export interface Reading {
  readonly labels: Labels;
  readonly value: number;
}

interface Series extends Reading {
  value: number;
  /** Whoever made a gauge of it last: it alone may remove it. */
  owner?: Level;
}

/** A time series of another meter: one of an ingest worker. */
export interface ForeignReading extends Reading {
  readonly name: string;
  readonly type: Metric['type'];
}

/** Where the value of a new time series is kept. */
export type CellMaker = (name: string, type: Metric['type'], labels: Labels) => { value: number };

/** What a component counts with: the meter, or its own part of one. */
export type Instruments = Pick<Meter, 'counter' | 'gauge' | 'stock' | 'observe' | 'beforeText' | 'read' | 'text'>;

/** The part of a meter that one component uses. At its end its gauges are gone; its counters stay, for they never go back. */
export interface MeterPart extends Instruments {
  end(): void;
}

interface Metric {
  readonly type: 'counter' | 'gauge';
  /** Sorted. */
  readonly labelNames: readonly string[];
  /** By the values of the labels. */
  readonly series: Map<string, Series>;
}

/**
 * What a component counts with. Metric names are those of the Collector with its prefix replaced by ours, listed in
 * `docs/metrics.md`; the label `component` (as `receiver`, `processor` or `exporter`) is given by the caller.
 */
export class Meter {
  readonly #metrics = new Map<string, Metric>();
  readonly #refreshers = new Set<() => void>();
  readonly #help: Readonly<Record<string, string>>;
  readonly #makeCell: CellMaker | undefined;
  readonly #sources: (() => Iterable<ForeignReading>)[] = [];

  /**
   * `help` maps each metric name that may exist to its one-line meaning: a closed table, like the errors. `makeCell`:
   * where values are kept, for a meter that another thread reads.
   */
  constructor(help: Readonly<Record<string, string>>, makeCell?: CellMaker) {
    this.#help = help;
    this.#makeCell = makeCell;
  }

  counter(name: string, labels: Labels = {}): Count {
    const series = this.#series(name, this.#metric(name, 'counter', labels), labels);
    return {
      add(amount) {
        if (!(amount >= 0)) throw new Error(`counter ${name} cannot count ${amount}`);
        series.value += amount;
      },
    };
  }

  gauge(name: string, labels: Labels = {}): Level {
    const metric = this.#metric(name, 'gauge', labels);
    const level: Level = {
      set: (value) => {
        const series = this.#series(name, metric, labels);
        series.owner ??= level;
        series.value = value;
      },
      remove: () => {
        const key = keyOf(metric, labels);
        const series = metric.series.get(key);
        if (series === undefined || series.owner !== level) return;
        // For whoever reads the cell: there is nothing any more.
        series.value = Number.NaN;
        metric.series.delete(key);
      },
    };
    const series = this.#series(name, metric, labels);
    series.owner = level;
    series.value = 0;
    return level;
  }

  stock(name: string, labels: Labels): Stock {
    const series = this.#series(name, this.#metric(name, 'gauge', labels), labels);
    return {
      add(change) {
        series.value += change;
      },
    };
  }

  /** A gauge that is read when somebody looks, until the returned function is called. */
  observe(name: string, labels: Labels, read: () => number): () => void {
    const level = this.gauge(name, labels);
    const end = this.beforeText(() => level.set(read()));
    return () => {
      end();
      level.remove();
    };
  }

  /** Calls `refresh` whenever somebody looks, before the text is made, until the returned function is called. */
  beforeText(refresh: () => void): () => void {
    this.#refreshers.add(refresh);
    return () => this.#refreshers.delete(refresh);
  }

  /** Reads what is observed, as whoever looks would. */
  refresh(): void {
    for (const refresh of this.#refreshers) refresh();
  }

  /** For one component. */
  part(): MeterPart {
    const ends = new Set<() => void>();
    const ending = (end: () => void): (() => void) => {
      const once = () => {
        ends.delete(once);
        end();
      };
      ends.add(once);
      return once;
    };
    return {
      counter: (name, labels) => this.counter(name, labels),
      gauge: (name, labels) => {
        const level = this.gauge(name, labels);
        return { set: (value) => level.set(value), remove: ending(() => level.remove()) };
      },
      stock: (name, labels) => this.stock(name, labels),
      observe: (name, labels, read) => ending(this.observe(name, labels, read)),
      beforeText: (refresh) => ending(this.beforeText(refresh)),
      read: (name) => this.read(name),
      text: () => this.text(),
      end: () => {
        for (const end of ends) end();
      },
    };
  }

  /** Adds the series of another meter to those of this one, for whoever looks: `UNADDABLE` says what not to add up. */
  addSource(read: () => Iterable<ForeignReading>): void {
    this.#sources.push(read);
  }

  /** What was counted in this meter itself, without a refresh and without other meters. */
  *own(): Generator<ForeignReading> {
    for (const [name, { type, series }] of this.#metrics)
      for (const { labels, value } of series.values()) yield { name, type, labels, value };
  }

  /** The series of a metric as they stand, without a refresh. */
  read(name: string): Reading[] {
    return [...(this.#merged().get(name)?.series.values() ?? [])].map(({ labels, value }) => ({ labels, value }));
  }

  /** The Prometheus text format, version 0.0.4. */
  async text(): Promise<string> {
    this.refresh();
    return [...this.#merged()].map(([name, metric]) => textOf(name, metric, this.#meaning(name))).join('\n');
  }

  #merged(): ReadonlyMap<string, Metric> {
    if (this.#sources.length === 0) return this.#metrics;
    const merged = new Map<string, Metric>();
    for (const [name, { type, labelNames, series }] of this.#metrics) {
      const own = [...series].map(([key, { labels, value }]) => [key, { labels, value }] as const);
      merged.set(name, { type, labelNames, series: new Map(own) });
    }
    for (const source of this.#sources) for (const reading of source()) mergeInto(merged, reading);
    return merged;
  }

  #series(name: string, metric: Metric, labels: Labels): Series {
    const key = keyOf(metric, labels);
    let series = metric.series.get(key);
    if (series === undefined) {
      series =
        this.#makeCell === undefined ? { labels, value: 0 } : celled(labels, this.#makeCell(name, metric.type, labels));
      metric.series.set(key, series);
    }
    return series;
  }

  /** All series of a metric have the same label names, whichever came first: to add them up must make sense. */
  #metric(name: string, type: Metric['type'], labels: Labels): Metric {
    const labelNames = Object.keys(labels).sort();
    const known = this.#metrics.get(name);
    if (known === undefined) {
      this.#meaning(name);
      const metric: Metric = { type, labelNames, series: new Map() };
      this.#metrics.set(name, metric);
      return metric;
    }
    const [have, want] = [known.labelNames.join(', '), labelNames.join(', ')];
    if (have !== want) throw new Error(`metric ${name} has the labels ${have}, not ${want}`);
    if (known.type !== type) throw new Error(`metric ${name} is a ${known.type}, not a ${type}`);
    return known;
  }

  #meaning(name: string): string {
    const meaning = this.#help[name];
    if (meaning === undefined) throw new Error(`metric ${name} is not in the table of metrics`);
    return meaning;
  }
}

function celled(labels: Labels, cell: { value: number }): Series {
  return {
    labels,
    get value() {
      return cell.value;
    },
    set value(value) {
      cell.value = value;
    },
  };
}

function mergeInto(merged: Map<string, Metric>, { name, type, labels, value }: ForeignReading): void {
  let metric = merged.get(name);
  if (metric === undefined) {
    metric = { type, labelNames: Object.keys(labels).sort(), series: new Map() };
    merged.set(name, metric);
  }
  const key = keyOf(metric, labels);
  const own = metric.series.get(key);
  if (own === undefined) metric.series.set(key, { labels, value });
  else own.value = UNADDABLE.has(name) ? Math.max(own.value, value) : own.value + value;
}

function keyOf({ labelNames }: Metric, labels: Labels): string {
  return JSON.stringify(labelNames.map((name) => labels[name]));
}

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
function textOf(name: string, { type, series }: Metric, meaning: string): string {
  const lines = [...series.values()].map(({ labels, value }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escape(text).replaceAll('"', '\\"')}"`);
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${numberText(value)}\n`;
  });
  return `# HELP ${name} ${escape(meaning)}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}
