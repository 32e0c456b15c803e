/** Load generator, system under test and sink, and one measured stretch of them. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Asked } from '../load/asked.ts';
import type { Load, Sending, Sent } from '../load/generator.ts';
import type { GeneratorQuestion } from '../load/generator-process.ts';
import { usualShape } from '../load/shape.ts';
import type { SinkAnswer } from '../load/sink-process.ts';
import type { Case } from './cases.ts';
import type { Round } from './result.ts';
import type { Places } from './system.ts';
import { pinLoad, type UnderTest } from './under-test.ts';

const LOAD = join(import.meta.dirname, '../load');
const POLL_MS = 20;
/** Longer than any batch waits to be filled. */
const QUIET_MS = 400;
/** How long nothing may come out while something is still inside. */
const STALLED_MS = 15_000;
/** Requests under way: for HTTP/1.1 on as many connections, for gRPC on half as many. */
const UNDER_WAY = 8;
/** Where requests wait for others, so many that they need not wait long. */
const UNDER_WAY_BATCHED = 64;

/** The load of a case. */
export function loadOf({ protocol, signal, encoding, size, isBatched }: Case, port: number): Load {
  const streams = (isBatched ? UNDER_WAY_BATCHED / UNDER_WAY : 1) * (protocol === 'grpc' ? 2 : 1);
  const connections = (isBatched ? UNDER_WAY_BATCHED : UNDER_WAY) / streams;
  return { target: { protocol, port, signal, encoding, connections }, shape: usualShape(signal, size), streams };
}

export class Rig {
  readonly #generator = new Asked(join(LOAD, 'generator-process.ts'));
  readonly #sink = new Asked(join(LOAD, 'sink-process.ts'));
  #ports: Places['sink'] | undefined;
  /** What has to have come out, once all is quiet. */
  #expected = 0;

  /** Starts the sink; returns where it listens. */
  async start(): Promise<Places['sink']> {
    this.#ports ??= await this.#sink.ask<Places['sink']>('start');
    return this.#ports;
  }

  pin(isPinned: boolean): void {
    for (const { pid } of [this.#generator, this.#sink]) pinLoad(pid, isPinned);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#generator.stop(), this.#sink.stop()]);
  }

  /** Something was sent from elsewhere, or is lost: what has come out after a while is what had to. */
  async settle(): Promise<void> {
    let last = -1;
    for (let next = await this.#received(); next.items !== last; next = await this.#received()) {
      last = next.items;
      await sleep(QUIET_MS);
    }
    this.#expected = last;
  }

  /** Makes fresh requests, sends them for a while and waits until all that came in has come out. */
  async measure(server: UnderTest, load: Load, sending: Sending, isForwarded: boolean): Promise<Round> {
    await this.#generator.ask({ open: load } satisfies GeneratorQuestion);
    const before = await this.#received();
    const used = server.usage().cpuSeconds;
    const sent = await this.#generator.ask<Sent>({ send: sending } satisfies GeneratorQuestion);
    if (isForwarded) this.#expected += sent.items;
    const after = isForwarded ? await this.#drained(this.#expected) : before;
    const cpuSeconds = server.usage().cpuSeconds - used;
    await this.#generator.ask({ close: true } satisfies GeneratorQuestion);
    const seconds = isForwarded ? Math.max(sent.seconds, (after.lastMs - sent.startedMs) / 1000) : sent.seconds;
    return {
      items: sent.items,
      bytesPerItem: sent.bytesPerItem,
      bytesPerItemOut: (after.bytes - before.bytes) / sent.items,
      itemsPerCpuSecond: sent.items / cpuSeconds,
      itemsPerSecond: sent.items / seconds,
      serverCores: cpuSeconds / seconds,
      generatorCores: sent.cpuSeconds / sent.seconds,
      sinkCores: (after.cpuSeconds - before.cpuSeconds) / seconds,
      p50: sent.p50,
      p99: sent.p99,
    };
  }

  async #received(): Promise<SinkAnswer> {
    const received = await this.#sink.ask<SinkAnswer>('received');
    if (received.trouble !== undefined) throw new Error(`the sink could not read a request: ${received.trouble}`);
    return received;
  }

  /** Waits until the sink has `items` in all. Throws where fewer come, or more. */
  async #drained(items: number): Promise<SinkAnswer> {
    let last = await this.#received();
    let sinceMs = performance.now();
    while (last.items < items) {
      if (performance.now() - sinceMs > STALLED_MS) {
        throw new Error(`${items - last.items} items of ${items} did not come out`);
      }
      await sleep(POLL_MS);
      const next = await this.#received();
      if (next.items !== last.items) sinceMs = performance.now();
      last = next;
    }
    if (last.items > items) throw new Error(`${last.items - items} items more came out than had been sent`);
    return last;
  }
}
