/** A server of OTLP/gRPC that is wrong in several ways: Windback, with its answers spoiled on the way. */
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { CODES, type GrpcAnswer, GrpcClient, prefixed } from './clients/grpc.ts';
import { without } from './wrong-http.ts';
import { bytesField, varintField } from './wire/bytes.ts';

interface Fault {
  /** The clauses that it breaks. */
  readonly breaks: readonly string[];
  answer(answer: GrpcAnswer): GrpcAnswer;
}

type Code = (typeof CODES)[number];

/** Says one code where another one is right. */
const instead = (right: Code, wrong: Code) => (answer: GrpcAnswer) =>
  CODES[answer.code] === right ? { ...answer, code: CODES.indexOf(wrong) } : answer;

export const GRPC_FAULTS: Readonly<Record<string, Fault>> = {
  'takes half of a request, and does not say why': {
    breaks: ['grpc.partial-success-message'],
    answer: (answer) =>
      answer.message.includes('is 3 bytes long')
        ? { ...answer, code: 0, message: '', body: prefixed(bytesField(1, varintField(1, 1))) }
        : answer,
  },
  'takes the blame for bad data': {
    breaks: ['grpc.bad-data-code'],
    answer: instead('INVALID_ARGUMENT', 'INTERNAL'),
  },
  'has no details': {
    breaks: ['grpc.bad-data-details'],
    answer: (answer) => without(answer, 'grpc-status-details-bin'),
  },
  'asks for more of what is too large': {
    breaks: ['grpc.size-limit', 'grpc.size-limit-code', 'grpc.size-limit-inflated'],
    answer: instead('RESOURCE_EXHAUSTED', 'UNAVAILABLE'),
  },
  'does not find what it never had': {
    breaks: ['grpc.unknown-method', 'grpc.unknown-compression'],
    answer: instead('UNIMPLEMENTED', 'NOT_FOUND'),
  },
  'sets a partial success in which there is nothing': {
    breaks: ['grpc.full-success-unset'],
    answer: (answer) => (answer.body.length === 5 ? { ...answer, body: prefixed(Buffer.from([0x0a, 0])) } : answer),
  },
};

export class WrongGrpc {
  readonly #right: GrpcClient;
  readonly #server: Http2Server;

  constructor(right: string) {
    this.#right = new GrpcClient(right);
    this.#server = createServer();
    this.#server.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      this.#serve(stream, headers).catch(() => stream.destroy());
    });
  }

  /** Resolves to its address. */
  start(): Promise<string> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        resolve(`127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
      });
    });
  }

  close(): void {
    this.#right.close();
    this.#server.close();
  }

  async #serve(stream: ServerHttp2Stream, told: IncomingHttpHeaders): Promise<void> {
    const body = await buffer(stream);
    const isForwarded = ([name]: readonly [string, unknown]): boolean => !/^:|^te$/.test(name);
    const headers = Object.entries(told).filter(isForwarded) as [string, string][];
    const right = await this.#right.call({
      path: String(told[':path']),
      message: body.subarray(5),
      isCompressed: body[0] === 1,
      headers: Object.fromEntries(headers),
    });
    const {
      code,
      body: message,
      ...answer
    } = Object.values(GRPC_FAULTS).reduce((changed, fault) => fault.answer(changed), right);
    const { 'grpc-status': _, ...others } = answer.headers;
    const answered = { ...others, ':status': 200 };
    if (message.length === 0) return stream.respond({ ...answered, 'grpc-status': code }, { endStream: true });
    stream.respond(answered, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': code }));
    stream.end(message);
  }
}
