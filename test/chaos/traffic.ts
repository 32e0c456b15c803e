import { traces } from '../support/telemetry.ts';
import type { Outgoing, Sender } from './sender.ts';

/** An attribute of every span that repeats its id, so that the sink can tell whether a span is what was sent. */
export const ID_ATTRIBUTE = 'chaos.id';

/** A service of one round: what its new version is like. */
export interface Played {
  readonly name: string;
  readonly candidate: 'fails' | 'works';
  /** When its traffic begins. */
  readonly begins: 'at_once' | 'after_faults';
}

const NAMESPACE = 'chaos';
const ENVIRONMENT = 'test';
const TICK_MS = 100;
/** How long the old version is alone, ms. */
const ALONE_MS = 1800;
const INSTANCES = 2;
/** Spans of each instance in a tick. */
const BASELINE_SPANS = 2;
const CANDIDATE_SPANS = 1;
/** Nothing new is sent while so many requests wait, so that an outage does not fill the memory. */
const PENDING_MAX = 400;
const FILLING = 'x'.repeat(200);

export function serviceKeyOf(name: string): string {
  return `${NAMESPACE}/${name}/${ENVIRONMENT}`;
}

/** Requests to all services of a round, every one a span, sent as they end. */
export class Traffic {
  readonly #sender: Sender;
  readonly #round: number;
  readonly #filler: number;
  readonly #begun = new Map<Played, number>();
  #spans = 0;
  #requests = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `filler`: spans more in every tick, of a service that is not rolled out. */
  constructor(sender: Sender, round: number, filler: number) {
    this.#sender = sender;
    this.#round = round;
    this.#filler = filler;
  }

  begin(services: readonly Played[]): void {
    for (const service of services) this.#begun.set(service, performance.now());
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    if (this.#sender.pending.size > PENDING_MAX) return;
    for (const [{ name, candidate }, begunMs] of this.#begun) {
      this.#send(name, '1.0', BASELINE_SPANS, false);
      if (performance.now() - begunMs > ALONE_MS) this.#send(name, '2.0', CANDIDATE_SPANS, candidate === 'fails');
    }
    if (this.#filler > 0)
      this.#send(`r${this.#round}-filler`, '1.0', Math.ceil(this.#filler / INSTANCES), false, FILLING);
  }

  #send(service: string, version: string, spans: number, fails: boolean, filling = ''): void {
    const now = Date.now() / 1000;
    const ids: string[] = [];
    const groups = Array.from({ length: INSTANCES }, (_, instance) => ({
      resource: {
        'service.namespace': NAMESPACE,
        'service.name': service,
        'deployment.environment.name': ENVIRONMENT,
        'service.version': version,
        'service.instance.id': `${service}-${version}-${instance}`,
      },
      items: Array.from({ length: spans }, () => {
        const id = this.#nextId();
        ids.push(id);
        const attributes = { [ID_ATTRIBUTE]: id, ...(filling === '' ? {} : { filling }) };
        return {
          name: 'GET /',
          end: now,
          durationMs: 5 + (this.#spans % 7),
          status: fails ? 2 : 1,
          attributes,
          spanId: id,
          traceId: id.padStart(32, '0'),
        };
      }),
    }));
    const via: Outgoing['via'] = this.#requests++ % 2 === 0 ? 'grpc' : 'http';
    this.#sender.send({ ids, bytes: traces(...groups).bytes, via });
  }

  /** 16 hex digits: the round, then a count. */
  #nextId(): string {
    return this.#round.toString(16).padStart(4, '0') + (++this.#spans).toString(16).padStart(12, '0');
  }
}
