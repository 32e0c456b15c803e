/**
 * A load generator: sends the encoded requests of a shape, in turn, over some connections with some requests under way
 * on each. Closed loop, in which the next request waits for an answer; or at a rate, in which latency counts from when a
 * request was due, so that a server which stalls cannot hide it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Body, bodyOf } from './body.ts';
import { encodeRequest } from './encode.ts';
import { openSender, type Sender, type Target } from './senders.ts';
import { type Shape, variantsOf } from './shape.ts';

export interface Load {
  readonly target: Target;
  readonly shape: Shape;
  /** Requests under way on each connection. */
  readonly streams: number;
}

export interface Sending {
  readonly seconds: number;
  /** Requests a second; undefined: as many as are answered. */
  readonly rate?: number;
}

export interface Sent {
  readonly items: number;
  readonly requests: number;
  /** Without compression and framing. */
  readonly bytesPerItem: number;
  /** From the first request to the last answer. */
  readonly seconds: number;
  /** Milliseconds since the epoch. */
  readonly startedMs: number;
  /** Answer latency, ms. */
  readonly p50: number;
  readonly p99: number;
  /** Of the process that sent. */
  readonly cpuSeconds: number;
}

export class Generator {
  readonly #load: Load;
  readonly #sender: Sender;
  readonly #bodies: readonly Body[];
  /** Those that are not under way, the one that is next in turn first. */
  readonly #free: Body[];
  readonly #bytesPerItem: number;
  #number = 0;

  private constructor(load: Load, sender: Sender, bodies: readonly Body[], bytesPerItem: number) {
    this.#load = load;
    this.#sender = sender;
    this.#bodies = bodies;
    this.#free = [...bodies];
    this.#bytesPerItem = bytesPerItem;
  }

  /** Encodes all requests, with items that ended just now, and connects. */
  static async open(load: Load): Promise<Generator> {
    const { shape, target } = load;
    const nowMs = Date.now();
    let bytes = 0;
    const bodies = Array.from({ length: variantsOf(shape) }, (_, variant) => {
      const request = encodeRequest(shape, variant, nowMs);
      bytes += request.length;
      return bodyOf(request, shape.items, target.encoding, target.protocol === 'grpc');
    });
    const sender = await openSender(target);
    return new Generator(load, sender, bodies, bytes / bodies.length / shape.items);
  }

  /** Sends for a while; rejects at the first answer that is not OK. */
  async send({ seconds, rate }: Sending): Promise<Sent> {
    const { connections } = this.#load.target;
    const latencies: number[] = [];
    const cpu = process.cpuUsage();
    const startedMs = performance.timeOrigin + performance.now();
    const start = performance.now();
    const end = start + seconds * 1000;
    let due = 0;
    const work = async (connection: number): Promise<void> => {
      for (;;) {
        let from = performance.now();
        if (rate !== undefined) {
          from = start + (due++ * 1000) / rate;
          if (from < end) await until(from);
        }
        if (from >= end) return;
        await this.#sendOne(connection);
        latencies.push(performance.now() - from);
      }
    };
    const workers = Array.from({ length: connections * this.#load.streams }, (_, i) => work(i % connections));
    await Promise.all(workers);
    const took = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const sorted = Float64Array.from(latencies).sort();
    return {
      items: latencies.length * this.#load.shape.items,
      requests: latencies.length,
      bytesPerItem: this.#bytesPerItem,
      seconds: took,
      startedMs,
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      cpuSeconds: (user + system) / 1e6,
    };
  }

  close(): void {
    this.#sender.close();
  }

  async #sendOne(connection: number): Promise<void> {
    const number = this.#number++;
    const body = this.#free.shift() ?? (this.#bodies[number % this.#bodies.length] as Body).copy();
    body.stamp(number);
    await this.#sender.send(body.bytes, connection);
    this.#free.push(body);
  }
}

/** Timers are good to a millisecond. */
async function until(at: number): Promise<void> {
  for (;;) {
    const left = at - performance.now();
    if (left <= 0) return;
    await (left > 1 ? sleep(left - 0.5) : new Promise(setImmediate));
  }
}

/** The value below which a share of a sorted list lies; 0 of an empty one. */
function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
