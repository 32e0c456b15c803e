import type { TelemetrySignal } from '../../pipeline/batch.ts';
import type { Context } from '../../pipeline/component.ts';
import type { Level } from '../../pipeline/telemetry/meter.ts';

/** Counts what is folded and has not reached whoever takes the deltas: what would be lost with this thread. */
export class Unsent {
  readonly #context: Context;
  readonly #items = new Map<TelemetrySignal, { level: Level; items: number }>();

  constructor(context: Context) {
    this.#context = context;
  }

  add(signal: TelemetrySignal, items: number): void {
    let entry = this.#items.get(signal);
    if (entry === undefined) {
      const labels = { processor: this.#context.id, signal };
      entry = { level: this.#context.meter.gauge('windback_health_unsent_items', labels), items: 0 };
      this.#items.set(signal, entry);
    }
    entry.items += items;
    entry.level.set(entry.items);
  }

  /** What has been folded until now is on its way. Returns what to call when it has come to its end. */
  take(): () => void {
    const taken = [...this.#items].map(([signal, { items }]) => [signal, items] as const);
    return () => {
      for (const [signal, items] of taken) if (items > 0) this.add(signal, -items);
    };
  }
}
