/**
 * Sends at a rate until it is told to stop, every request encoded just before, so that its spans have just ended. Most of
 * them go over gRPC, some over HTTP with gzip. What is refused is counted and not sent again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { answerAll } from '../load/asked.ts';
import { bodyOf, type Encoding } from '../load/body.ts';
import { openSender, type Protocol, type Sender } from '../load/senders.ts';
import { usualShape } from '../load/shape.ts';
import { tracesRequest } from '../load/spans.ts';
import { type Pace, Rollouts } from './rollouts.ts';

export interface SenderStart {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Spans a second. */
  readonly rate: number;
  readonly pace: Pace;
}

export interface SenderState {
  readonly sentItems: number;
  readonly acceptedItems: number;
  readonly refused: number;
  /** What the first refusal said. */
  readonly refusal?: string;
  /** Of answers since the question before, ms from when each was due. */
  readonly p99Ms: number;
}

export type SenderQuestion = { readonly start: SenderStart } | 'state' | 'stop';

const ITEMS = 250;
const CONNECTIONS = 4;
/** Of so many requests one goes over HTTP. */
const HTTP_EVERY = 4;

interface Way {
  readonly protocol: Protocol;
  readonly encoding: Encoding;
  readonly sender: Sender;
}

class Traffic {
  readonly #ways: readonly [Way, Way];
  readonly #rollouts: Rollouts;
  readonly #intervalMs: number;
  readonly #startedMs = performance.now();
  #isOver = false;
  #sent = 0;
  #accepted = 0;
  #refused = 0;
  #refusal: string | undefined;
  #latencies: number[] = [];
  readonly #underWay = new Set<Promise<void>>();

  private constructor(ways: readonly [Way, Way], { rate, pace }: SenderStart) {
    this.#ways = ways;
    this.#rollouts = new Rollouts(pace);
    this.#intervalMs = (1000 * ITEMS) / rate;
  }

  static async start(start: SenderStart): Promise<Traffic> {
    const { grpcPort, httpPort } = start;
    const traffic = new Traffic([await way('grpc', 'identity', grpcPort), await way('http', 'gzip', httpPort)], start);
    void traffic.#run();
    return traffic;
  }

  state(): SenderState {
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    this.#latencies = [];
    const state = {
      sentItems: this.#sent * ITEMS,
      acceptedItems: this.#accepted * ITEMS,
      refused: this.#refused,
      p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    };
    return this.#refusal === undefined ? state : { ...state, refusal: this.#refusal };
  }

  /** Resolves when all that was sent is answered. */
  async stop(): Promise<SenderState> {
    this.#isOver = true;
    await Promise.all(this.#underWay);
    for (const { sender } of this.#ways) sender.close();
    return this.state();
  }

  async #run(): Promise<void> {
    for (let number = 0; !this.#isOver; number++) {
      const dueMs = this.#startedMs + number * this.#intervalMs;
      const leftMs = dueMs - performance.now();
      if (leftMs > 0) await sleep(leftMs);
      if (this.#isOver) return;
      this.#sent++;
      const sending = this.#send(number, dueMs);
      this.#underWay.add(sending);
      void sending.finally(() => this.#underWay.delete(sending));
    }
  }

  async #send(number: number, dueMs: number): Promise<void> {
    const { protocol, encoding, sender } = this.#ways[number % HTTP_EVERY === 0 ? 1 : 0];
    const part = this.#rollouts.next(ITEMS, dueMs - this.#startedMs);
    const request = tracesRequest(usualShape('traces', ITEMS), [part], Date.now());
    const body = bodyOf(request, ITEMS, encoding, protocol === 'grpc');
    body.stamp(number);
    try {
      await sender.send(body.bytes, number % CONNECTIONS);
      this.#accepted++;
      this.#latencies.push(performance.now() - dueMs);
    } catch (thrown) {
      this.#refused++;
      this.#refusal ??= (thrown as Error).message;
    }
  }
}

async function way(protocol: Protocol, encoding: Encoding, port: number): Promise<Way> {
  const sender = await openSender({ protocol, port, signal: 'traces', encoding, connections: CONNECTIONS });
  return { protocol, encoding, sender };
}

let traffic: Traffic | undefined;

answerAll(async (question: SenderQuestion) => {
  if (typeof question === 'object') {
    traffic = await Traffic.start(question.start);
    return true;
  }
  return question === 'state' ? traffic?.state() : traffic?.stop();
});
