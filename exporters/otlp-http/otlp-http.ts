import { Agent as HttpAgent, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Batch, TelemetryBatch, TelemetrySignal } from '../../pipeline/batch.ts';
import { isTelemetry } from '../../pipeline/batch.ts';
import { ClientTls } from '../../pipeline/client-tls.ts';
import type { Component, Consumer, Context } from '../../pipeline/component.ts';
import { compress } from '../../pipeline/compression.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { InFlight } from '../../pipeline/in-flight.ts';
import { checkPartialSuccess } from '../../pipeline/partial-success.ts';
import { EXPORT_PATHS } from '../../proto/otlp/export.ts';
import { decodeToJson } from '../../proto/otlp/json-decode.ts';
import { errorOf, partialSuccessIn } from './answer.ts';
import type { OtlpHttpExporterConfig } from './config.ts';
import { post } from './post.ts';

interface Agents {
  readonly http: HttpAgent;
  /** Of the certificates that are in use. */
  https: HttpsAgent;
}

/** Sends each batch in one POST over connections that are kept. */
export class OtlpHttpExporter implements Component, Consumer {
  readonly #config: OtlpHttpExporterConfig;
  readonly #context: Context;
  readonly #urls: Readonly<Record<TelemetrySignal, URL>>;
  readonly #inFlight = new InFlight();
  #agents: Agents | undefined;
  #endReloading: () => void = () => {};

  constructor(config: OtlpHttpExporterConfig, context: Context) {
    this.#config = config;
    this.#context = context;
    const base = config.endpoint.replace(/\/+$/, '');
    this.#urls = {
      traces: new URL(config.traces_endpoint ?? base + EXPORT_PATHS.traces),
      metrics: new URL(config.metrics_endpoint ?? base + EXPORT_PATHS.metrics),
      logs: new URL(config.logs_endpoint ?? base + EXPORT_PATHS.logs),
    };
  }

  /** Does not wait for the destination: it is connected to when there is something to send. */
  async start(): Promise<void> {
    const { clock, logger } = this.#context;
    const tls = await ClientTls.load(this.#config.tls);
    const secure = () => new HttpsAgent({ keepAlive: true, ...tls.options });
    const agents: Agents = { http: new HttpAgent({ keepAlive: true }), https: secure() };
    this.#agents = agents;
    this.#endReloading = tls.keepFresh(clock, logger, () => {
      retire(agents.https);
      agents.https = secure();
    });
  }

  async consume(batch: Batch): Promise<void> {
    const agents = this.#agents;
    if (agents === undefined) throw new PipelineError('stopping', 'the exporter does not run');
    if (!isTelemetry(batch)) throw new PipelineError('internal', `the otlp_http exporter was given ${batch.signal}`);
    const url = this.#urls[batch.signal];
    const body = await this.#bodyOf(batch);
    const answer = await post(url, this.#options(url, body, agents), body, this.#config.timeout, this.#inFlight);
    if (answer.status < 200 || answer.status > 299) throw errorOf(answer, url.href, this.#context.clock.now());
    checkPartialSuccess(partialSuccessIn(answer), this.#context);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#endReloading();
    await this.#inFlight.drain(deadline);
    this.#agents?.http.destroy();
    this.#agents?.https.destroy();
    this.#agents = undefined;
  }

  async #bodyOf(batch: TelemetryBatch): Promise<Uint8Array> {
    const { encoding, compression } = this.#config;
    const bytes = batch.encoded();
    const body = encoding === 'json' ? Buffer.from(JSON.stringify(decodeToJson(batch.signal, bytes))) : bytes;
    return compress(compression, body);
  }

  #options(url: URL, body: Uint8Array, agents: Agents): RequestOptions {
    const { encoding, compression, headers } = this.#config;
    return {
      agent: url.protocol === 'https:' ? agents.https : agents.http,
      headers: {
        'user-agent': 'windback',
        ...headers,
        'content-type': encoding === 'json' ? 'application/json' : 'application/x-protobuf',
        'content-length': body.length,
        ...(compression !== 'none' && { 'content-encoding': compression }),
      },
    };
  }
}

/** Lets requests under way end, and keeps no connection for others. */
function retire(agent: HttpsAgent): void {
  agent.maxFreeSockets = 0;
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}
