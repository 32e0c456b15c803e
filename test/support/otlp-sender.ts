import type { TelemetrySignal } from '../../pipeline/batch.ts';
import { EXPORT_METHODS } from '../../proto/otlp/export.ts';
import { framed, RawGrpc } from './grpc-raw.ts';

/** Requests that a server turns away, or whose connection breaks, are sent again, as any OTLP client does. */
const ATTEMPTS = 100;
const PAUSE_MS = 20;

/** A client with one long-lived connection, which opens another one when the server asks it to. */
export class OtlpSender {
  readonly #address: string;
  #grpc: RawGrpc | undefined;
  /** How many connections it has opened. */
  connections = 0;
  /** How many requests it had to send again. */
  retries = 0;

  constructor(address: string) {
    this.#address = address;
  }

  /** Resolves when the server has taken it. */
  async send(request: Uint8Array, signal: TelemetrySignal = 'traces'): Promise<void> {
    let why: unknown;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        const { code, message } = await this.#connected().call({
          path: EXPORT_METHODS[signal],
          pieces: [framed(request)],
        });
        if (code === 0) return;
        why = new Error(`status ${code}: ${message}`);
      } catch (error) {
        why = error;
      }
      this.retries++;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    throw why;
  }

  close(): void {
    this.#grpc?.close();
    this.#grpc = undefined;
  }

  #connected(): RawGrpc {
    const { session } = this.#grpc ?? {};
    if (this.#grpc === undefined || session === undefined || session.closed || session.destroyed) {
      this.#grpc = new RawGrpc(this.#address);
      this.connections++;
    }
    return this.#grpc;
  }
}
