import type { TelemetrySignal } from '../../pipeline/batch.ts';
import type { Encoding } from '../../pipeline/compression.ts';
import { asPipelineError, PipelineError } from '../../pipeline/errors.ts';
import type { Headers } from '../../pipeline/http2/protocol.ts';
import type { RequestListener } from '../../pipeline/http2/server-stream.ts';
import { convertJson } from '../../proto/otlp/json-lane.ts';
import { JsonError, jsonToProtobuf } from '../../proto/otlp/json.ts';
import { Body } from './body.ts';
import type { Budget } from './budget.ts';
import type { Decode } from './content.ts';
import type { Exchange } from './http-exchange.ts';
import { errorReply, type Fields, type Form, partialReply, type Reply, SUCCESS } from './http-reply.ts';
import type { Intake } from './intake.ts';

export interface HttpCallSettings {
  readonly maxRequestBytes: number;
  readonly requestTimeoutMs: number;
}

const ENCODINGS: ReadonlyMap<string, Encoding> = new Map([
  ['', 'identity'],
  ['identity', 'identity'],
  ['none', 'identity'],
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['zstd', 'zstd'],
  ['deflate', 'deflate'],
]);

/** One POST to a signal's path: from its first byte to its answer. */
export class HttpCall implements RequestListener {
  readonly #exchange: Exchange;
  readonly #signal: TelemetrySignal;
  readonly #intake: Intake;
  readonly #settings: HttpCallSettings;
  readonly #form: Form;
  readonly #encoding: Encoding;
  /** What every answer has besides, if any. */
  readonly #fields: Fields | undefined;
  readonly #body: Body;
  readonly #timer: NodeJS.Timeout;
  #phase: 'arriving' | 'serving' | 'over' = 'arriving';

  /** Throws `bad_content_type`, `bad_encoding`, `too_large` or `memory_limit`, where nothing of it needs to be read. */
  constructor(
    exchange: Exchange,
    signal: TelemetrySignal,
    intake: Intake,
    budget: Budget,
    settings: HttpCallSettings,
    fields: Fields | undefined,
  ) {
    const { headers } = exchange;
    const form = formOf(headers);
    if (form === undefined) throw new PipelineError('bad_content_type', headers['content-type'] ?? 'there is none');
    this.#exchange = exchange;
    this.#signal = signal;
    this.#intake = intake;
    this.#settings = settings;
    this.#form = form;
    this.#fields = fields;
    this.#encoding = encodingOf(headers);
    const told = headers['content-length'] ?? '';
    this.#body = new Body(budget, settings.maxRequestBytes, /^\d+$/.test(told) ? Number(told) : undefined);
    this.#timer = setTimeout(() => this.#late(), settings.requestTimeoutMs);
    exchange.listen(this);
    if (headers['expect']?.toLowerCase() === '100-continue') exchange.proceed();
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (this.#phase !== 'arriving') return;
    try {
      this.#body.push(bytes, start, end);
    } catch (error) {
      this.#refuse(asPipelineError(error));
    }
  }

  end(): void {
    if (this.#phase === 'arriving') void this.#serve();
  }

  closed(): void {
    if (this.#phase !== 'arriving') return;
    this.#refuse(new PipelineError('cancelled', 'the connection ended before the request did'));
  }

  async #serve(): Promise<void> {
    this.#phase = 'serving';
    clearTimeout(this.#timer);
    const { maxRequestBytes } = this.#settings;
    const decode = this.#form === 'json' ? decodeJson : undefined;
    try {
      const refused = await this.#intake.accept(this.#signal, this.#body, this.#encoding, maxRequestBytes, decode);
      this.#answer(refused === undefined ? SUCCESS[this.#form] : partialReply(refused, this.#signal, this.#form));
    } catch (error) {
      this.#answer(errorReply(asPipelineError(error), this.#form));
    }
  }

  #late(): void {
    const { requestTimeoutMs } = this.#settings;
    this.#refuse(new PipelineError('timeout', `the request did not arrive within ${requestTimeoutMs} ms`));
  }

  /** Answers a request that has not been served. */
  #refuse(error: PipelineError): void {
    clearTimeout(this.#timer);
    this.#body.release();
    this.#intake.refuse(this.#signal, error);
    this.#answer(errorReply(error, this.#form));
  }

  #answer(reply: Reply): void {
    this.#phase = 'over';
    this.#exchange.answer(this.#fields === undefined ? reply : reply.with(this.#fields));
  }
}

/** The form that the content type names, whatever its parameters; undefined for one that is not OTLP's. */
export function formOf(headers: Headers): Form | undefined {
  const told = headers['content-type'] ?? '';
  // As the SDKs write it: nothing to take apart.
  if (told === 'application/x-protobuf') return 'protobuf';
  const type = told.split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/x-protobuf' || type === 'application/protobuf') return 'protobuf';
  return type === 'application/json' ? 'json' : undefined;
}

function encodingOf(headers: Headers): Encoding {
  const name = (headers['content-encoding'] ?? '').trim().toLowerCase();
  const encoding = ENCODINGS.get(name);
  if (encoding === undefined) throw new PipelineError('bad_encoding', `content-encoding ${name}`);
  return encoding;
}

/** Plain requests in one pass, all others by way of objects. */
const decodeJson: Decode = (signal, text, rooms) => {
  const converted = convertJson(signal, text, rooms);
  if (converted !== undefined) return converted;
  try {
    return { bytes: jsonToProtobuf(signal, text) };
  } catch (error) {
    if (error instanceof JsonError) throw new PipelineError('malformed', error.message, { cause: error });
    throw error;
  }
};
