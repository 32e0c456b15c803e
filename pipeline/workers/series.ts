import type { CellMaker, ForeignReading, Labels } from '../telemetry/meter.ts';
import type { SeriesPlace } from './messages.ts';

const CHUNK = 256;

/**
 * Where a worker's meter keeps its values: in memory that the main thread reads, so that it costs no message to show
 * them, and what was counted is known when the worker is lost. `tell` is told of each new series. The worker alone
 * writes.
 */
export function cellMaker(tell: (place: SeriesPlace) => void): CellMaker {
  let chunk = new Float64Array(new SharedArrayBuffer(CHUNK * Float64Array.BYTES_PER_ELEMENT));
  let used = 0;
  return (name, type, labels) => {
    if (used === CHUNK) {
      chunk = new Float64Array(new SharedArrayBuffer(CHUNK * Float64Array.BYTES_PER_ELEMENT));
      used = 0;
    }
    const cells = chunk;
    const index = used++;
    tell({ name, type, labels, memory: cells.buffer, index });
    return {
      get value() {
        return cells[index] as number;
      },
      set value(value) {
        cells[index] = value;
      },
    };
  };
}

interface Place extends Pick<SeriesPlace, 'name' | 'type' | 'labels' | 'index'> {
  readonly cells: Float64Array;
}

/** The series of the workers, the lost ones' counters included: a counter never goes back. */
export class WorkerSeries {
  readonly #places = new Map<number, Place[]>();
  /** Of lost workers, by name and labels. */
  readonly #retired = new Map<string, ForeignReading>();

  add(worker: number, { name, type, labels, memory, index }: SeriesPlace): void {
    const places = this.#places.get(worker) ?? [];
    places.push({ name, type, labels, index, cells: new Float64Array(memory) });
    this.#places.set(worker, places);
  }

  /** The series of one worker as they stand. */
  *of(worker: number): Generator<ForeignReading> {
    for (const { name, type, labels, cells, index } of this.#places.get(worker) ?? []) {
      const value = cells[index] as number;
      if (!Number.isNaN(value)) yield { name, type, labels, value };
    }
  }

  /** The counters of workers that are no more. */
  retired(): Iterable<ForeignReading> {
    return this.#retired.values();
  }

  *all(): Generator<ForeignReading> {
    yield* this.retired();
    for (const worker of this.#places.keys()) yield* this.of(worker);
  }

  /** The sum of a worker's series of one name, of those whose labels `isWanted`. */
  sum(worker: number, name: string, isWanted: (labels: Labels) => boolean = () => true): number {
    let sum = 0;
    for (const reading of this.of(worker)) if (reading.name === name && isWanted(reading.labels)) sum += reading.value;
    return sum;
  }

  /** The worker is no more. Its counters stay, its gauges measure nothing. */
  retire(worker: number): void {
    for (const reading of this.of(worker)) {
      if (reading.type !== 'counter') continue;
      const key = JSON.stringify([reading.name, Object.entries(reading.labels).sort()]);
      const value = (this.#retired.get(key)?.value ?? 0) + reading.value;
      this.#retired.set(key, { ...reading, value });
    }
    this.#places.delete(worker);
  }
}
