/**
 * An open loop over many connections: requests are due at a rate, whatever becomes of those before. One that finds no
 * connection free waits for it, and its time goes on counting from when it was due.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { answerAll } from '../load/asked.ts';
import { bodyOf, type Encoding } from '../load/body.ts';
import { encodeRequest } from '../load/encode.ts';
import type { Protocol } from '../load/senders.ts';
import { usualShape, variantsOf } from '../load/shape.ts';
import { Counting, type Tally } from './answers.ts';
import { GrpcLane } from './grpc-lane.ts';
import { HttpLane } from '../load/http-lane.ts';
import { failed, type Lane } from '../load/lanes.ts';

export interface Offer {
  readonly protocol: Protocol;
  readonly encoding: Encoding;
  readonly port: number;
  readonly connections: number;
  /** Requests a second. */
  readonly rate: number;
  readonly seconds: number;
}

/** Spans of a request. */
export const ITEMS = 512;
/** How long a client waits, as the SDKs do unless told otherwise. */
export const TIMEOUT_MS = 10_000;
const TICK_MS = 2;
/** How often one of the requests is made anew, so that its spans ended lately. */
const FRESH_EVERY_MS = 200;

interface Waiting {
  readonly dueMs: number;
}

class Offering {
  readonly #offer: Offer;
  readonly #lanes: Lane[];
  readonly #bodies: Buffer[];
  readonly #counting = new Counting();
  #waiting: Waiting[] = [];
  #open = 0;
  #next = 0;
  #freshMs = 0;

  constructor(offer: Offer) {
    this.#offer = offer;
    const { protocol, port, encoding, connections } = offer;
    this.#lanes = Array.from({ length: connections }, () =>
      protocol === 'grpc' ? new GrpcLane(port, encoding) : new HttpLane(port, encoding),
    );
    this.#bodies = Array.from({ length: variantsOf(SHAPE) }, (_, variant) => this.#encoded(variant));
  }

  /** Resolves when every request has had its end. */
  async run(): Promise<Tally> {
    const { rate, seconds } = this.#offer;
    const { user: userBefore, system: systemBefore } = process.cpuUsage();
    const startMs = performance.now();
    const total = Math.round(rate * seconds);
    for (let due = 0; due < total || this.#waiting.length > 0 || this.#open > 0; ) {
      const nowMs = performance.now();
      for (; due < total && startMs + (due * 1000) / rate <= nowMs; due++) {
        this.#counting.offered++;
        this.#waiting.push({ dueMs: startMs + (due * 1000) / rate });
      }
      this.#giveUp(nowMs);
      this.#begin();
      if (due < total) this.#freshen(nowMs);
      await sleep(TICK_MS);
    }
    for (const lane of this.#lanes) lane.close();
    const { user, system } = process.cpuUsage();
    return this.#counting.tally((user + system - userBefore - systemBefore) / 1e6);
  }

  #giveUp(nowMs: number): void {
    const late = this.#waiting.findIndex(({ dueMs }) => nowMs - dueMs < TIMEOUT_MS);
    const count = late < 0 ? this.#waiting.length : late;
    for (const { dueMs } of this.#waiting.slice(0, count)) this.#counting.add(failed('timeout'), nowMs - dueMs);
    if (count > 0) this.#waiting = this.#waiting.slice(count);
  }

  /** Begins what waits, the oldest first, over connections in turn. */
  #begin(): void {
    let begun = 0;
    for (let tried = 0; begun < this.#waiting.length && tried < this.#lanes.length; tried++) {
      const lane = this.#lanes[this.#next++ % this.#lanes.length] as Lane;
      if (lane.room === 0) continue;
      this.#send(lane, this.#waiting[begun++] as Waiting);
      tried = -1;
    }
    if (begun > 0) this.#waiting = this.#waiting.slice(begun);
  }

  #send(lane: Lane, { dueMs }: Waiting): void {
    const body = this.#bodies[this.#next % this.#bodies.length] as Buffer;
    this.#open++;
    lane.send(body, Math.max(1, dueMs + TIMEOUT_MS - performance.now()), (outcome) => {
      this.#open--;
      this.#counting.add(outcome, performance.now() - dueMs);
    });
  }

  #freshen(nowMs: number): void {
    if (nowMs - this.#freshMs < FRESH_EVERY_MS) return;
    this.#freshMs = nowMs;
    const variant = Math.floor(nowMs / FRESH_EVERY_MS) % this.#bodies.length;
    this.#bodies[variant] = this.#encoded(variant);
  }

  /** What is under way keeps the bytes that it began with. */
  #encoded(variant: number): Buffer {
    const { encoding, protocol } = this.#offer;
    return bodyOf(encodeRequest(SHAPE, variant, Date.now()), ITEMS, encoding, protocol === 'grpc').bytes;
  }
}

const SHAPE = usualShape('traces', ITEMS);

answerAll((offer: Offer) => new Offering(offer).run());
