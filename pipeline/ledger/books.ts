import type { Signal } from '../batch.ts';
import type { ErrorCode } from '../errors.ts';
import type { Count, Meter } from '../telemetry/meter.ts';

/**
 * A place between two parts of a pipeline, where items are counted as they pass: before its first processor, between two
 * of them, or before its exporters. They pass when whatever is behind has taken them.
 */
export class Seam {
  /** Items whose `consume` has not come to its end. */
  open = 0;
  readonly #received: Count | undefined;
  readonly #accepted: readonly Count[];
  readonly #refused: ((code: ErrorCode) => Count) | undefined;

  constructor(accepted: readonly Count[], entry?: { received: Count; refused: (code: ErrorCode) => Count }) {
    this.#accepted = accepted;
    this.#received = entry?.received;
    this.#refused = entry?.refused;
  }

  enter(items: number): void {
    this.open += items;
    this.#received?.add(items);
  }

  accept(items: number): void {
    this.open -= items;
    for (const count of this.#accepted) count.add(items);
  }

  refuse(items: number, code: ErrorCode): void {
    this.open -= items;
    this.#refused?.(code).add(items);
  }
}

/** What the books of a pipeline are made of. */
export interface BookedPipeline {
  readonly id: string;
  /** `flow[i]` is the signal that processor i takes; the last one is what comes out. */
  readonly flow: readonly Signal[];
  /** As the graph names them, without the name of the pipeline. */
  readonly processors: readonly string[];
  readonly exporters: readonly string[];
}

/**
 * The books of one pipeline. They are series of the meter and nothing else, so that those of ingest workers add up, and
 * those of a lost one are known. `pipeline/ledger/view.ts` reads and checks them.
 */
export class Books {
  readonly #meter: Meter;
  readonly #pipeline: BookedPipeline;
  /** `seams[i]` is before processor i, the last one before the exporters. */
  readonly seams: readonly Seam[];
  /** What each processor holds is looked at by one. */
  readonly #watches = new Set<() => void>();
  #isClosed = false;

  constructor(meter: Meter, pipeline: BookedPipeline) {
    this.#meter = meter;
    this.#pipeline = pipeline;
    this.seams = pipeline.flow.map((_, i) => this.#seam(i));
    pipeline.processors.forEach((_, i) => this.#watchHeld(i));
  }

  /** No batch enters by them any more; those that have are counted to their end. */
  close(): void {
    this.#isClosed = true;
    for (const look of this.#watches) look();
  }

  /** Where to count what `exporter` took while another exporter of the pipeline did not. */
  repeated(exporter: string): Count {
    return this.#ofExporter('repeated', exporter);
  }

  /** Where to count what processor i leaves out on purpose. */
  filtered(i: number, reason: string): Count {
    return this.#ofProcessor('filtered', i, { reason });
  }

  #seam(i: number): Seam {
    const { id: pipeline, flow, processors, exporters } = this.#pipeline;
    const signal = flow[i] as Signal;
    const labels = { pipeline, signal };
    const isEntry = i === 0 || flow[i - 1] !== signal;
    const accepted: Count[] = isEntry
      ? [this.#meter.counter('windback_pipeline_accepted_items_total', labels)]
      : [this.#ofProcessor('outgoing', i - 1)];
    if (i < processors.length) {
      accepted.push(this.#ofProcessor('incoming', i));
      if (flow[i + 1] !== signal) accepted.push(this.#ofProcessor('consumed', i));
    } else {
      accepted.push(this.#meter.counter('windback_pipeline_handed_items_total', labels));
      accepted.push(...exporters.map((exporter) => this.#ofExporter('incoming', exporter)));
    }
    if (!isEntry) return new Seam(accepted);
    const refusals = new Map<ErrorCode, Count>();
    const refused = (reason: ErrorCode): Count => {
      const known = refusals.get(reason);
      if (known !== undefined) return known;
      const count = this.#meter.counter('windback_pipeline_refused_items_total', { ...labels, reason });
      refusals.set(reason, count);
      return count;
    };
    const received = this.#meter.counter('windback_pipeline_received_items_total', labels);
    return new Seam(accepted, { received, refused });
  }

  /** What has entered processor i and not gone on from there: the caller waits, and the items are inside. */
  #watchHeld(i: number): void {
    const { id: pipeline, flow, processors } = this.#pipeline;
    const labels = { pipeline, processor: processors[i] as string, signal: flow[i] as Signal };
    const held = this.#meter.stock('windback_processor_held_items', labels);
    const [before, behind] = [this.seams[i] as Seam, this.seams[i + 1] as Seam];
    const isEnd = flow[i + 1] !== flow[i];
    let told = 0;
    const look = () => {
      const now = Math.max(0, before.open - (isEnd ? 0 : behind.open));
      held.add(now - told);
      told = now;
      if (!this.#isClosed || before.open > 0) return;
      this.#watches.delete(look);
      end();
    };
    const end = this.#meter.beforeText(look);
    this.#watches.add(look);
  }

  #ofProcessor(what: 'incoming' | 'outgoing' | 'filtered' | 'consumed', i: number, more: object = {}): Count {
    const { id: pipeline, flow, processors } = this.#pipeline;
    const labels = { pipeline, processor: processors[i] as string, signal: flow[i] as Signal, ...more };
    return this.#meter.counter(`windback_processor_${what}_items_total`, labels);
  }

  #ofExporter(what: 'incoming' | 'repeated', exporter: string): Count {
    const { id: pipeline, flow } = this.#pipeline;
    return this.#meter.counter(`windback_exporter_${what}_items_total`, {
      exporter,
      pipeline,
      signal: flow.at(-1) as Signal,
    });
  }
}
