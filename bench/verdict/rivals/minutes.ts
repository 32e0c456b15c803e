/** Per-minute values of each cohort of one service: what a judge that queries a time-series database sees. */
import { BIN_MS, BINS, CANDIDATE, type Frame, type Layout } from '../world.ts';

export const MINUTE = 60;

/** Sums over a stretch of time. */
export class Sums {
  all = 0;
  bad = 0;
  readonly bins = new Float64Array(BINS);
  memory = 0;
  samples = 0;

  clear(): void {
    this.all = 0;
    this.bad = 0;
    this.memory = 0;
    this.samples = 0;
    this.bins.fill(0);
  }

  /** Share of failed requests; NaN without requests. */
  get errorRatio(): number {
    return this.bad / this.all;
  }

  /** Mean duration, ms; NaN without requests. */
  get meanMs(): number {
    let sum = 0;
    for (let i = 0; i < BINS; i++) sum += (this.bins[i] as number) * (BIN_MS[i] as number);
    return sum / this.all;
  }

  /** Duration below which the share `q` of the requests lies, ms; NaN without requests. */
  quantileMs(q: number): number {
    if (this.all === 0) return Number.NaN;
    let below = 0;
    for (let i = 0; i < BINS; i++) {
      below += this.bins[i] as number;
      if (below >= q * this.all) return BIN_MS[i] as number;
    }
    return BIN_MS[BINS - 1] as number;
  }

  /** Mean of the memory samples, bytes; NaN without samples. */
  get meanMemory(): number {
    return this.memory / this.samples;
  }
}

type OnMinute = (second: number, candidate: Sums, baseline: Sums) => void;

/** The minutes of one service from second 0 on. All rivals of a rollout share them: to add up is what costs. */
class Minutes {
  readonly listeners: OnMinute[] = [];
  readonly #cells: readonly { readonly index: number; readonly isCandidate: boolean }[];
  readonly #service: number;
  readonly #baseline = new Sums();
  readonly #candidate = new Sums();
  /** First second that has not been added. */
  #next = 0;

  constructor(layout: Layout, service: number) {
    this.#service = service;
    this.#cells = layout.cells.flatMap((cell, index) =>
      cell.service === service ? [{ index, isCandidate: cell.cohort === CANDIDATE }] : [],
    );
  }

  /** Adds a step, the first time it is shown. */
  observe(frame: Frame): void {
    if (frame.second < this.#next) return;
    this.#next = frame.end;
    for (const { index, isCandidate } of this.#cells) {
      const all = frame.all[index] as number;
      if (all === 0) continue;
      const sums = isCandidate ? this.#candidate : this.#baseline;
      sums.all += all;
      sums.bad += frame.bad[index] as number;
      addBins(sums.bins, frame.bins, index * BINS);
    }
    for (const { service, cohort, kind, value } of frame.extras) {
      if (service !== this.#service || kind !== 'resource' || value === undefined) continue;
      const sums = cohort === CANDIDATE ? this.#candidate : this.#baseline;
      sums.memory += value;
      sums.samples++;
    }
    if (frame.end % MINUTE !== 0) return;
    for (const listener of this.listeners) listener(frame.end, this.#candidate, this.#baseline);
    this.#candidate.clear();
    this.#baseline.clear();
  }
}

const SHARED = new WeakMap<Layout, Map<number, Minutes>>();

/** Has `listener` called at the end of every minute. Returns what must be shown every step. */
export function everyMinute(layout: Layout, service: number, listener: OnMinute): (frame: Frame) => void {
  const services = SHARED.get(layout) ?? new Map<number, Minutes>();
  SHARED.set(layout, services);
  const minutes = services.get(service) ?? new Minutes(layout, service);
  services.set(service, minutes);
  minutes.listeners.push(listener);
  return (frame) => minutes.observe(frame);
}

function addBins(into: Float64Array, bins: Uint32Array, offset: number): void {
  for (let i = 0; i < BINS; i++) into[i] = (into[i] as number) + (bins[offset + i] as number);
}
