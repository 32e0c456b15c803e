import { pino } from 'pino';
import {
  type Batch,
  isTelemetry,
  type Signal,
  type TelemetryBatch,
  type TelemetrySignal,
} from '../../pipeline/batch.ts';
import { type Clock, SystemClock } from '../../pipeline/clock.ts';
import type { Consumer, Context, Outlets } from '../../pipeline/component.ts';
import { Roles } from '../../pipeline/roles.ts';
import { Router } from '../../pipeline/routes.ts';
import { MemoryStorage, type Storage } from '../../pipeline/storage.ts';
import type { Logger } from '../../pipeline/telemetry/logger.ts';
import { Meter } from '../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../pipeline/telemetry/metrics-table.ts';

/** A context of its own for one component under test: silent, seeded, on the machine's clock unless another is given. */
export function testContext(
  id: string,
  parts: { clock?: Clock; logger?: Logger; storage?: Storage; router?: Router } = {},
): Context {
  let seed = 1;
  return {
    id,
    logger: parts.logger ?? pino({ level: 'silent' }),
    meter: new Meter(METRICS),
    clock: parts.clock ?? new SystemClock(),
    random: () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    },
    roles: new Roles(),
    storage: parts.storage ?? new MemoryStorage(),
    routes: (parts.router ?? new Router()).of(id),
  };
}

/** A logger whose lines can be read, as the objects that they are. */
export function recordingLogger(): { logger: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => {
    lines.push(JSON.parse(line));
  };
  return { logger: pino({ level: 'debug', base: null }, { write }), lines };
}

/** What stands behind a component: keeps every batch of its signals, once `answer` has let it through. */
export class Sink implements Outlets, Consumer {
  readonly batches: Batch[] = [];
  readonly #signals: readonly Signal[];
  /** Replace it to refuse, wait or fail. */
  answer: (batch: Batch) => Promise<void> = async () => {};

  constructor(signals: readonly Signal[] = ['traces', 'metrics', 'logs']) {
    this.#signals = signals;
  }

  to(): Consumer {
    return this;
  }

  has(signal: Signal): boolean {
    return this.#signals.includes(signal);
  }

  async consume(batch: Batch): Promise<void> {
    if (isTelemetry(batch)) batch.keep();
    await this.answer(batch);
    this.batches.push(batch);
  }

  telemetry(signal: TelemetrySignal): TelemetryBatch[] {
    return this.batches.filter(isTelemetry).filter((batch) => batch.signal === signal);
  }

  items(signal: TelemetrySignal): number {
    return this.telemetry(signal).reduce((sum, batch) => sum + batch.items, 0);
  }
}

/** The value of a counter with exactly these labels; 0 where nothing counted yet. */
export async function counted(context: Context, name: string, labels: Record<string, string>): Promise<number> {
  const same = context.meter
    .read(name)
    .find(({ labels: found }) => Object.entries(labels).every(([key, value]) => found[key] === value));
  return same?.value ?? 0;
}
