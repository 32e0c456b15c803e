import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { EXPORT_METHODS } from '../../proto/otlp/export.ts';
import { GRPC } from '../../pipeline/grpc-codes.ts';
import type { Encoding } from '../load/body.ts';
import { failed, type Lane, type Outcome } from '../load/lanes.ts';

/** Requests under way on one connection, as of a client that goes on sending while it waits. */
const STREAMS_MAX = 10;
const CANCEL = 8;
const NAMES = new Map(Object.entries(GRPC).map(([name, number]) => [String(number), name.toUpperCase()]));

/** A connection of gRPC with some requests under way. */
export class GrpcLane implements Lane {
  readonly #port: number;
  readonly #headers: Record<string, string>;
  #session: ClientHttp2Session | undefined;
  #underWay = 0;

  constructor(port: number, encoding: Encoding) {
    this.#port = port;
    this.#headers = {
      ':method': 'POST',
      ':path': EXPORT_METHODS.traces,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(encoding === 'identity' ? {} : { 'grpc-encoding': encoding }),
    };
  }

  get room(): number {
    return STREAMS_MAX - this.#underWay;
  }

  send(body: Buffer, timeoutMs: number, over: (outcome: Outcome) => void): void {
    const session = (this.#session ??= this.#open());
    this.#underWay++;
    let outcome: Outcome | undefined;
    let why: string | undefined;
    const stream = session.request(this.#headers);
    const timer = setTimeout(() => {
      why = 'timeout';
      stream.close(CANCEL);
    }, timeoutMs);
    const read = (headers: IncomingHttpHeaders): void => void (outcome ??= outcomeOf(headers));
    stream.on('response', read);
    stream.on('trailers', read);
    stream.on('error', (error: NodeJS.ErrnoException) => (why ??= error.code ?? error.message));
    stream.on('close', () => {
      clearTimeout(timer);
      this.#underWay--;
      over(outcome ?? failed(why ?? `reset ${stream.rstCode}`));
    });
    stream.resume();
    stream.end(body);
  }

  close(): void {
    this.#session?.destroy();
  }

  #open(): ClientHttp2Session {
    const session = connect(`http://127.0.0.1:${this.#port}`, {
      maxSessionMemory: 1000,
      settings: { enablePush: false, initialWindowSize: 1 << 20 },
    });
    const forget = (): void => {
      if (this.#session === session) this.#session = undefined;
    };
    // What goes wrong goes wrong with a request, which tells.
    session.on('error', forget);
    session.on('goaway', forget);
    session.on('close', forget);
    return session;
  }
}

/** Undefined where the headers say nothing of how it ended. */
function outcomeOf(headers: IncomingHttpHeaders): Outcome | undefined {
  const status = headers['grpc-status'];
  if (status === undefined) return undefined;
  const saysWhen = String(headers['grpc-status-details-bin'] ?? '') !== '';
  const name = NAMES.get(String(status)) ?? `status ${String(status)}`;
  return { status: name, kind: name === 'OK' ? 'taken' : 'refused', saysWhen };
}
