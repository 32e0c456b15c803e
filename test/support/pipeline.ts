/** Small components that write down what happens to them, and the configurations that connect them. */
import { pino } from 'pino';
import { z } from 'zod';
import {
  type Batch,
  type HealthBatch,
  type Signal,
  TelemetryBatch,
  type TelemetrySignal,
} from '../../pipeline/batch.ts';
import type { Clock } from '../../pipeline/clock.ts';
import type {
  Component,
  ComponentTable,
  Consumer,
  Context,
  Outlets,
  ProcessorFactory,
} from '../../pipeline/component.ts';
import { loadConfig } from '../../pipeline/config/load.ts';
import type { LoadedConfig } from '../../pipeline/config/loaded.ts';
import { endpoint } from '../../pipeline/config/scalars.ts';
import type { GuardedExporter } from '../../pipeline/direct-exporter.ts';
import { queuedExporterFields } from '../../pipeline/queue-config.ts';
import type { Surroundings } from '../../pipeline/service.ts';
import type { Logger } from '../../pipeline/telemetry/logger.ts';
import { type Labels, Meter } from '../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../pipeline/telemetry/metrics-table.ts';
import { encodeTree } from './otlp-wire.ts';

const TELEMETRY = ['traces', 'metrics', 'logs'] as const;

/** What the components below did, in order, such as `start sink`. */
export class Journal {
  readonly lines: string[] = [];
  /** What arrived where. */
  readonly batches: { id: string; batch: Batch }[] = [];
  readonly outlets = new Map<string, Outlets>();
  readonly loggers = new Map<string, Logger>();
  /** Ids of components that fail to start. */
  readonly failing = new Set<string>();
  /** Awaited by each `start`, after its line is written. */
  onStart: (id: string) => Promise<void> = async () => {};
  /** The same for each `stop`. */
  onStop: (id: string) => Promise<void> = async () => {};

  component(id: string): Component {
    return {
      start: async () => {
        this.lines.push(`start ${id}`);
        await this.onStart(id);
        if (this.failing.has(id)) throw new Error(`${id} is broken`);
      },
      stop: async () => {
        this.lines.push(`stop ${id}`);
        await this.onStop(id);
      },
    };
  }

  at(id: string): Batch[] {
    return this.batches.filter((each) => each.id === id).map(({ batch }) => batch);
  }
}

/** Receivers `source` (telemetry), `deltas` and `decider`; processors `pass`, `change`, `late`, `fold` and `judge`. */
export function journalTable(journal: Journal): ComponentTable {
  const declared = {
    stability: 'beta',
    summary: 'For tests.',
    config: z.strictObject({ level: z.int().default(0), endpoint: endpoint.optional() }),
  } as const;
  const receiver = (type: string, emits: readonly Signal[]) => ({
    ...declared,
    type,
    emits,
    create(_config: unknown, next: Outlets, { id, logger }: Context) {
      journal.outlets.set(id, next);
      journal.loggers.set(id, logger);
      return journal.component(id);
    },
  });
  const processor = (type: string, parts: Pick<ProcessorFactory, 'accepts' | 'emits' | 'mutates' | 'after'>) => ({
    ...declared,
    ...parts,
    type,
    create(_config: unknown, next: Outlets, { id, logger }: Context): Component & Consumer {
      journal.outlets.set(id, next);
      journal.loggers.set(id, logger);
      const consume = async (batch: Batch) => {
        journal.batches.push({ id, batch });
        const passes = parts.emits.includes(batch.signal);
        if (passes) await next.to(batch.signal).consume(batch);
        for (const signal of parts.emits.filter((made) => !parts.accepts.includes(made))) {
          await next.to(signal).consume(health(batch.items, signal));
        }
      };
      return { ...journal.component(id), consume };
    },
  });
  const queued = z.strictObject({ ...declared.config.shape, ...queuedExporterFields });
  const exporter = (type: string, accepts: readonly Signal[], config: z.ZodType = declared.config) => ({
    ...declared,
    type,
    accepts,
    config,
    create(_config: unknown, { id, logger }: Context): Component & Consumer {
      journal.loggers.set(id, logger);
      const consume = async (batch: Batch) => void journal.batches.push({ id, batch });
      return { ...journal.component(id), consume };
    },
  });
  const through = { accepts: TELEMETRY, emits: TELEMETRY, mutates: false };
  return {
    receivers: [receiver('source', TELEMETRY), receiver('deltas', ['health']), receiver('decider', ['decisions'])],
    processors: [
      processor('pass', through),
      processor('change', { ...through, mutates: true }),
      processor('late', { ...through, after: ['pass'] }),
      processor('traces_only', { accepts: ['traces'], emits: ['traces'], mutates: false }),
      processor('fold', { ...through, emits: [...TELEMETRY, 'health'] }),
      processor('judge', { accepts: ['health'], emits: ['decisions'], mutates: false }),
    ],
    exporters: [
      exporter('sink', [...TELEMETRY, 'decisions']),
      exporter('traces_sink', ['traces']),
      exporter('queued', [...TELEMETRY, 'health', 'decisions'], queued),
    ],
  };
}

export function loadYaml(yaml: string, table: ComponentTable): LoadedConfig {
  return loadConfig({ sources: ['config.yaml'], sets: [], env: {}, readFile: () => yaml }, table);
}

/** A request of `items` empty spans, metrics with a point, or records. */
export function telemetry(items: number, signal: TelemetrySignal = 'traces'): TelemetryBatch {
  const point = [{ number: 5, value: [{ number: 1, value: [] }] }];
  const one = { number: 2, value: signal === 'metrics' ? point : [] };
  const scope = { number: 2, value: Array.from({ length: items }, () => one) };
  return TelemetryBatch.open(signal, encodeTree([{ number: 1, value: [scope] }]));
}

/** `items` of deltas or decisions, without content. */
export function health(items: number, signal: Signal = 'health'): HealthBatch {
  return { signal: signal as 'health', items, deltas: [], ...(signal === 'decisions' ? { decisions: [] } : {}) };
}

export function surroundings(clock: Clock): Surroundings {
  return { clock, random: () => 0.5, logger: pino({ level: 'silent' }), meter: new Meter(METRICS) };
}

/** A guarded exporter as if each signal came from the pipeline of that name. */
export function ofPipelines(exporter: GuardedExporter): Component & Consumer {
  return {
    start: () => exporter.start(),
    stop: (deadline) => exporter.stop(deadline),
    consume: (batch) => exporter.of(batch.signal, batch.signal).consume(batch),
  };
}

/** Lets everything happen that does not wait for a clock. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A meter whose values can be read in the middle of everything. */
export class OpenMeter extends Meter {
  readonly counts = new Map<string, number>();
  /** The sum of all series of a stock. */
  readonly stocks = new Map<string, number>();
  readonly reads = new Map<string, () => number>();

  constructor() {
    super(METRICS);
  }

  override counter(name: string, labels: Labels = {}) {
    const count = super.counter(name, labels);
    const key = [name, ...Object.values(labels)].join(' ');
    return {
      add: (amount: number) => {
        this.counts.set(key, (this.counts.get(key) ?? 0) + amount);
        count.add(amount);
      },
    };
  }

  override stock(name: string, labels: Labels) {
    const stock = super.stock(name, labels);
    return {
      add: (change: number) => {
        this.stocks.set(name, (this.stocks.get(name) ?? 0) + change);
        stock.add(change);
      },
    };
  }

  override observe(name: string, labels: Labels, read: () => number): () => void {
    this.reads.set(name, read);
    return super.observe(name, labels, read);
  }

  /** The sum of all series of a counter of which the labels' values contain `part`. */
  sum(name: string, part = ''): number {
    let sum = 0;
    for (const [key, value] of this.counts) if (key.startsWith(`${name} `) && key.includes(part)) sum += value;
    return sum;
  }
}
