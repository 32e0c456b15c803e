import { Counter, Gauge, Registry } from 'prom-client';

/** Adds to one time series whose labels are already bound, so that counting on a hot path allocates nothing. */
export interface Count {
  add(amount: number): void;
}

/** Sets one time series whose labels are already bound. */
export interface Level {
  set(value: number): void;
  /** Takes the series out of the exposition, when what it measured is gone. */
  remove(): void;
}

export type Labels = Readonly<Record<string, string>>;

/**
 * What a component counts with. Metric names are those of the Collector with its prefix replaced by ours, listed in
 * `docs/metrics.md`; the label `component` (as `receiver`, `processor` or `exporter`) is given by the caller.
 */
export class Meter {
  readonly registry = new Registry();
  readonly #refreshers: (() => void)[] = [];
  readonly #labelNames = new Map<string, string>();
  readonly #help: Readonly<Record<string, string>>;

  /** `help` maps each metric name that may exist to its one-line meaning: a closed table, like the errors. */
  constructor(help: Readonly<Record<string, string>>) {
    this.#help = help;
  }

  counter(name: string, labels: Labels = {}): Count {
    this.#checkLabels(name, labels);
    const existing = this.registry.getSingleMetric(name) as Counter | undefined;
    const metric =
      existing ??
      new Counter({ name, help: this.#meaning(name), labelNames: Object.keys(labels), registers: [this.registry] });
    const child = metric.labels(labels);
    child.inc(0);
    return { add: (amount) => child.inc(amount) };
  }

  gauge(name: string, labels: Labels = {}): Level {
    this.#checkLabels(name, labels);
    const existing = this.registry.getSingleMetric(name) as Gauge | undefined;
    const metric =
      existing ??
      new Gauge({ name, help: this.#meaning(name), labelNames: Object.keys(labels), registers: [this.registry] });
    const child = metric.labels(labels);
    child.set(0);
    return { set: (value) => child.set(value), remove: () => metric.remove(labels) };
  }

  /** A gauge that is read when somebody looks. */
  observe(name: string, labels: Labels, read: () => number): void {
    const level = this.gauge(name, labels);
    this.beforeText(() => level.set(read()));
  }

  /** Calls `refresh` whenever somebody looks, before the text is made. */
  beforeText(refresh: () => void): void {
    this.#refreshers.push(refresh);
  }

  /** The Prometheus text format, version 0.0.4. */
  async text(): Promise<string> {
    for (const refresh of this.#refreshers) refresh();
    return this.registry.metrics();
  }

  /** All series of a metric have the same label names, whichever came first: to add them up must make sense. */
  #checkLabels(name: string, labels: Labels): void {
    const names = Object.keys(labels).sort().join(', ');
    const known = this.#labelNames.get(name) ?? names;
    if (known !== names) throw new Error(`metric ${name} has the labels ${known}, not ${names}`);
    this.#labelNames.set(name, known);
  }

  #meaning(name: string): string {
    const meaning = this.#help[name];
    if (meaning === undefined) throw new Error(`metric ${name} is not in the table of metrics`);
    return meaning;
  }
}
