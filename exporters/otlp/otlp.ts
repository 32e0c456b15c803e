import {
  type ChannelCredentials,
  Client,
  type ClientUnaryCall,
  compressionAlgorithms,
  connectivityState,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import type { Batch, TelemetrySignal } from '../../pipeline/batch.ts';
import { isTelemetry } from '../../pipeline/batch.ts';
import { loadClientTls } from '../../pipeline/client-tls.ts';
import type { Component, Consumer, Context } from '../../pipeline/component.ts';
import { asPipelineError, PipelineError } from '../../pipeline/errors.ts';
import { InFlight } from '../../pipeline/in-flight.ts';
import { checkPartialSuccess } from '../../pipeline/partial-success.ts';
import { decodeExportResponse, EXPORT_METHODS, type PartialSuccess } from '../../proto/otlp/export.ts';
import { errorOf } from './answer.ts';
import type { OtlpExporterConfig } from './config.ts';

/** The longest pause between two attempts to connect: gRPC's own two minutes would outlast most outages. */
const RECONNECT_MS_MAX = 5000;

/** Sends each batch, as the bytes that it is, in one unary call. */
export class OtlpExporter implements Component, Consumer {
  readonly #config: OtlpExporterConfig;
  readonly #context: Context;
  readonly #metadata: Metadata;
  readonly #inFlight = new InFlight();
  #client: Client | undefined;

  constructor(config: OtlpExporterConfig, context: Context) {
    this.#config = config;
    this.#context = context;
    this.#metadata = metadataOf(config.headers);
  }

  /** Does not wait for the destination: it is connected to when there is something to send. */
  async start(): Promise<void> {
    const { endpoint, compression } = this.#config;
    this.#client = new Client(endpoint.address, await this.#credentials(), {
      'grpc.primary_user_agent': 'windback',
      'grpc.max_send_message_length': -1,
      'grpc.max_reconnect_backoff_ms': RECONNECT_MS_MAX,
      'grpc.default_compression_algorithm':
        compression === 'gzip' ? compressionAlgorithms.gzip : compressionAlgorithms.identity,
      ...this.#serverName(),
    });
  }

  async consume(batch: Batch): Promise<void> {
    const client = this.#client;
    if (client === undefined) throw new PipelineError('stopping', 'the exporter does not run');
    if (!isTelemetry(batch)) throw new PipelineError('internal', `the otlp exporter was given ${batch.signal}`);
    const answer = await this.#call(client, batch.signal, batch.encoded());
    checkPartialSuccess(readAnswer(answer), this.#context);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await this.#inFlight.drain(deadline);
    this.#client?.close();
    this.#client = undefined;
  }

  #call(client: Client, signal: TelemetrySignal, bytes: Uint8Array): Promise<Buffer> {
    const { endpoint, timeout } = this.#config;
    return new Promise((resolve, reject) => {
      let done = (): void => {};
      const onAnswer = (error: ServiceError | null, answer?: Buffer): void => {
        done();
        if (error === null) return resolve(answer ?? Buffer.alloc(0));
        const isConnected = client.getChannel().getConnectivityState(false) === connectivityState.READY;
        reject(errorOf(error, endpoint.address, isConnected));
      };
      let call: ClientUnaryCall;
      try {
        const options = { deadline: Date.now() + timeout };
        const metadata = this.#metadata.clone();
        call = client.makeUnaryRequest(EXPORT_METHODS[signal], asBuffer, same, bytes, metadata, options, onAnswer);
      } catch (error) {
        return reject(asPipelineError(error));
      }
      done = this.#inFlight.add(() => call.cancel());
    });
  }

  async #credentials(): Promise<ChannelCredentials> {
    const { endpoint, tls } = this.#config;
    if (endpoint.scheme === 'http' || (endpoint.scheme === undefined && tls.insecure))
      return credentials.createInsecure();
    const { ca, cert, key, rejectUnauthorized } = await loadClientTls(tls);
    return credentials.createSsl(ca ?? null, key ?? null, cert ?? null, { rejectUnauthorized });
  }

  #serverName(): Record<string, string> {
    const name = this.#config.tls.server_name_override;
    return name === undefined ? {} : { 'grpc.ssl_target_name_override': name, 'grpc.default_authority': name };
  }
}

/** It said OK; that its answer cannot be read does not undo that. */
function readAnswer(answer: Uint8Array): PartialSuccess {
  try {
    return decodeExportResponse(answer);
  } catch (error) {
    return { rejected: 0, message: `unreadable answer: ${(error as Error).message}` };
  }
}

function metadataOf(headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(headers)) {
    metadata.set(key, key.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
  }
  return metadata;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function same(bytes: Buffer): Buffer {
  return bytes;
}
