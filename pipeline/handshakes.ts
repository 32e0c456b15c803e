import type { TLSSocket } from 'node:tls';
import type { Context } from './component.ts';
import type { Count } from './telemetry/meter.ts';

/** How often the log tells of clients that are not let in: whoever looks for open ports must not fill it. */
const TELL_EVERY_MS = 60_000;

/** Counts TLS handshakes that failed, and tells of them now and then: the client alone would know, and not always why. */
export class FailedHandshakes {
  readonly #context: Context;
  readonly #key: string;
  readonly #count: Count;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #since = 0;

  constructor(transport: 'grpc' | 'http', context: Context) {
    this.#context = context;
    this.#key = `protocols.${transport}.tls`;
    const labels = { receiver: context.id, transport };
    this.#count = context.meter.counter('windback_receiver_failed_handshakes_total', labels);
  }

  note(error: NodeJS.ErrnoException, { authorizationError }: TLSSocket, client: string | undefined): void {
    const refused = authorizationError as Error | string | null | undefined;
    // Who only looks whether the port is open, as load balancers do, has not asked to be let in.
    if (refused == null && error.code === 'ECONNRESET') return;
    const code = refused == null ? error.code : String(refused);
    const why = refused == null ? error.message : 'its certificate is not accepted';
    const { logger, clock } = this.#context;
    this.#count.add(1);
    this.#since++;
    const now = clock.now();
    if (now - this.#toldAtMs < TELL_EVERY_MS) return;
    const details = { key: this.#key, client, code, failed: this.#since };
    logger.warn(details, `a TLS handshake failed, its client is not let in: ${why}`);
    this.#toldAtMs = now;
    this.#since = 0;
  }
}
