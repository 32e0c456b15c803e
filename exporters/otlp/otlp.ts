import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { Batch, TelemetrySignal } from '../../pipeline/batch.ts';
import { isTelemetry } from '../../pipeline/batch.ts';
import { ClientTls } from '../../pipeline/client-tls.ts';
import type { Component, Consumer, Context } from '../../pipeline/component.ts';
import { compress } from '../../pipeline/compression.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { Http2Client } from '../../pipeline/http2/client.ts';
import { headerBlock } from '../../pipeline/http2/header-encoder.ts';
import { InFlight } from '../../pipeline/in-flight.ts';
import { checkPartialSuccess } from '../../pipeline/partial-success.ts';
import { EXPORT_METHODS } from '../../proto/otlp/export.ts';
import { errorOf, partialSuccessIn, refusalIn } from './answer.ts';
import type { OtlpExporterConfig } from './config.ts';

/** In front of a gRPC message: whether it is compressed, and its length in four bytes. */
const PREFIX_BYTES = 5;

/** Sends each batch, as the bytes that it is, in one unary call. */
export class OtlpExporter implements Component, Consumer {
  readonly #config: OtlpExporterConfig;
  readonly #context: Context;
  readonly #headers: Readonly<Record<TelemetrySignal, Buffer>>;
  readonly #inFlight = new InFlight();
  #client: Http2Client | undefined;
  #endReloading: () => void = () => {};

  constructor(config: OtlpExporterConfig, context: Context) {
    this.#config = config;
    this.#context = context;
    this.#headers = {
      traces: headersOf(config, EXPORT_METHODS.traces),
      metrics: headersOf(config, EXPORT_METHODS.metrics),
      logs: headersOf(config, EXPORT_METHODS.logs),
    };
  }

  /** Does not wait for the destination: it is connected to when there is something to send. */
  async start(): Promise<void> {
    const tls = await this.#tls();
    this.#client = new Http2Client({ ...hostAndPort(this.#config.endpoint.address), tls });
  }

  async consume(batch: Batch): Promise<void> {
    const client = this.#client;
    if (client === undefined) throw new PipelineError('stopping', 'the exporter does not run');
    if (!isTelemetry(batch)) throw new PipelineError('internal', `the otlp exporter was given ${batch.signal}`);
    const { compression, endpoint } = this.#config;
    const message = await compress(compression, batch.encoded());
    const answer = await this.#call(client, batch.signal, message);
    const refusal = refusalIn(answer);
    if (refusal !== undefined) throw errorOf(refusal, endpoint.address);
    checkPartialSuccess(partialSuccessIn(answer), this.#context);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#endReloading();
    await this.#inFlight.drain(deadline);
    this.#client?.close();
    this.#client = undefined;
  }

  async #call(client: Http2Client, signal: TelemetrySignal, message: Uint8Array) {
    const { compression, endpoint, timeout } = this.#config;
    const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
    prefix[0] = compression === 'none' ? 0 : 1;
    prefix.writeUInt32BE(message.length, 1);
    const cancel = new AbortController();
    const done = this.#inFlight.add(() => cancel.abort());
    try {
      return await client.request(this.#headers[signal], [prefix, message], timeout, cancel.signal);
    } catch (error) {
      throw errorOf(error as Error, endpoint.address);
    } finally {
      done();
    }
  }

  async #tls(): Promise<(() => ConnectionOptions) | undefined> {
    const { endpoint, tls } = this.#config;
    if (endpoint.scheme === 'http' || (endpoint.scheme === undefined && tls.insecure)) return undefined;
    const { host } = hostAndPort(endpoint.address);
    const files = await ClientTls.load(tls);
    this.#endReloading = files.keepFresh(this.#context.clock, this.#context.logger);
    // An address is checked against the certificate all the same, but is no name to ask for (RFC 6066, 3).
    return () => ({ ...(isIP(host) === 0 && { servername: host }), ...files.options });
  }
}

/** The header block of every call of a method: it never changes. */
function headersOf({ headers, endpoint, tls, compression, timeout }: OtlpExporterConfig, path: string): Buffer {
  const own = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  return headerBlock({
    ':method': 'POST',
    ':scheme': endpoint.scheme === 'http' || (endpoint.scheme === undefined && tls.insecure) ? 'http' : 'https',
    ':path': path,
    ':authority': tls.server_name_override ?? endpoint.address,
    te: 'trailers',
    'content-type': 'application/grpc',
    'user-agent': 'windback',
    'grpc-timeout': grpcTimeout(timeout),
    'grpc-accept-encoding': 'identity,gzip,zstd',
    ...(compression !== 'none' && { 'grpc-encoding': compression }),
    ...Object.fromEntries(own),
  });
}

/** At most eight digits and a unit (gRPC over HTTP2, Timeout). */
function grpcTimeout(ms: number): string {
  return ms < 1e8 ? `${Math.ceil(ms)}m` : `${Math.ceil(ms / 1000)}S`;
}

/** `host:port`, the host perhaps an IPv6 address in brackets. */
function hostAndPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(colon + 1)) };
}
