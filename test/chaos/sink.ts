import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall, status } from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXPORT_METHODS } from '../../proto/otlp/export.ts';
import { requestType } from '../../proto/otlp/schema.ts';
import { ID_ATTRIBUTE } from './traffic.ts';

/** What the destination does with a request. `taken_and_refused` is the worst: it has it, and says that it has not. */
export type SinkMode = 'takes' | 'refuses' | 'slow' | 'taken_and_refused';

const SLOW_MS = 400;

/** A destination of telemetry, of another make than Windback: gRPC by @grpc/grpc-js, spans by protobufjs. */
export class Sink {
  mode: SinkMode = 'takes';
  /** How often each span came, by id. */
  readonly delivered = new Map<string, number>();
  /** Spans whose content is not what was sent. */
  readonly spoilt: string[] = [];
  readonly #type = requestType('traces');
  readonly #server = new Server({ 'grpc.max_receive_message_length': 64 << 20 });

  constructor() {
    const identity = (bytes: Buffer): Buffer => bytes;
    const method = {
      path: EXPORT_METHODS.traces,
      requestStream: false,
      responseStream: false,
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: identity,
      responseDeserialize: identity,
    } as const;
    this.#server.addService(
      { Export: method },
      {
        Export: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => void this.#take(call, answer),
      },
    );
  }

  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
  }

  close(): void {
    this.#server.forceShutdown();
  }

  async #take({ request }: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): Promise<void> {
    const { mode } = this;
    if (mode === 'slow') await sleep(SLOW_MS);
    if (mode !== 'refuses') this.#note(request);
    if (mode === 'takes' || mode === 'slow') answer(null, Buffer.alloc(0));
    else answer({ code: status.UNAVAILABLE, details: 'the sink is not well' });
  }

  #note(request: Buffer): void {
    const { resourceSpans = [] } = this.#type.toObject(this.#type.decode(request)) as Decoded;
    for (const { scopeSpans = [] } of resourceSpans) {
      for (const { spans = [] } of scopeSpans) {
        for (const { spanId, attributes = [] } of spans) {
          const id = Buffer.from(spanId).toString('hex');
          this.delivered.set(id, (this.delivered.get(id) ?? 0) + 1);
          const said = attributes.find(({ key }) => key === ID_ATTRIBUTE)?.value.stringValue;
          if (said !== id) this.spoilt.push(id);
        }
      }
    }
  }
}

interface Decoded {
  readonly resourceSpans?: readonly {
    readonly scopeSpans?: readonly {
      readonly spans?: readonly {
        readonly spanId: Uint8Array;
        readonly attributes?: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
      }[];
    }[];
  }[];
}
