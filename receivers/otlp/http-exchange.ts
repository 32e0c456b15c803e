import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { constants, type Http2ServerRequest } from 'node:http2';
import type { TelemetrySignal } from '../../pipeline/batch.ts';
import type { Encoding } from '../../pipeline/compression.ts';
import { asPipelineError, PipelineError } from '../../pipeline/errors.ts';
import { JsonError, jsonToProtobuf } from '../../proto/otlp/json.ts';
import { Body } from './body.ts';
import { answerError, answerSuccess, type Form, type Response } from './http-answer.ts';
import type { Intake } from './intake.ts';

export type Request = IncomingMessage | Http2ServerRequest;

export interface ExchangeSettings {
  readonly maxRequestBytes: number;
  readonly requestTimeoutMs: number;
}

const ENCODINGS: Readonly<Record<string, Encoding>> = {
  '': 'identity',
  identity: 'identity',
  none: 'identity',
  gzip: 'gzip',
  'x-gzip': 'gzip',
  zstd: 'zstd',
  deflate: 'deflate',
};

/** One POST to a signal's path: read, handed on, answered. Never rejects. */
export async function exchange(
  request: Request,
  response: Response,
  signal: TelemetrySignal,
  intake: Intake,
  settings: ExchangeSettings,
): Promise<void> {
  const form = formOf(request.headers) ?? 'json';
  let body: Body;
  let encoding: Encoding;
  try {
    if (formOf(request.headers) === undefined) {
      throw new PipelineError('bad_content_type', request.headers['content-type'] ?? 'there is none');
    }
    encoding = encodingOf(request.headers);
    body = await readBody(request, response, intake, settings);
  } catch (thrown) {
    const error = asPipelineError(thrown);
    intake.refuse(signal, error);
    answerError(response, error, form);
    letGo(request);
    return;
  }
  try {
    await intake.accept(signal, body, encoding, settings.maxRequestBytes, form === 'json' ? decodeJson : undefined);
    answerSuccess(response, form);
  } catch (error) {
    answerError(response, asPipelineError(error), form);
  }
}

/** The form that the content type names, whatever its parameters; undefined for one that is not OTLP's. */
export function formOf(headers: IncomingHttpHeaders): Form | undefined {
  const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/x-protobuf' || type === 'application/protobuf') return 'protobuf';
  return type === 'application/json' ? 'json' : undefined;
}

/**
 * Leaves a request that has been answered before its end. Over HTTP/1.1 what still comes is thrown away, so that a
 * client that sends first and reads afterwards sees the answer; over HTTP/2 it is asked to stop (RFC 9113, 8.1).
 */
export function letGo(request: Request): void {
  request.resume();
  if ('stream' in request && !request.readableEnded) request.stream.close(constants.NGHTTP2_NO_ERROR);
}

function encodingOf(headers: IncomingHttpHeaders): Encoding {
  const name = (headers['content-encoding'] ?? '').trim().toLowerCase();
  const encoding = ENCODINGS[name];
  if (encoding === undefined) throw new PipelineError('bad_encoding', `content-encoding ${name}`);
  return encoding;
}

/** Rejects with `too_large`, `memory_limit`, `timeout` or `cancelled`; then nothing is held. */
function readBody(request: Request, response: Response, intake: Intake, settings: ExchangeSettings): Promise<Body> {
  const told = request.headers['content-length'] ?? '';
  const promisedBytes = /^\d+$/.test(told) ? Number(told) : undefined;
  const body = new Body(intake.budget, settings.maxRequestBytes, promisedBytes);
  if (request.headers.expect === '100-continue') response.writeContinue();
  return new Promise((resolve, reject) => {
    let isOpen = true;
    const end = (error?: unknown): void => {
      if (!isOpen) return;
      isOpen = false;
      clearTimeout(timer);
      if (error === undefined) return resolve(body);
      body.release();
      reject(error);
    };
    const timer = setTimeout(
      () => end(new PipelineError('timeout', `the request did not arrive within ${settings.requestTimeoutMs} ms`)),
      settings.requestTimeoutMs,
    );
    request.on('data', (piece: Buffer) => {
      if (!isOpen) return;
      try {
        body.push(piece);
      } catch (error) {
        end(error);
      }
    });
    // An error costs its stack, and every request closes: made only where it is needed.
    const cut = (how: string) => (): void => {
      if (isOpen) end(new PipelineError('cancelled', how));
    };
    request.on('end', () => end());
    request.on('error', cut('the connection broke before the request ended'));
    request.on('aborted', cut('the request did not end'));
    request.on('close', cut('the request did not end'));
  });
}

function decodeJson(signal: TelemetrySignal, bytes: Uint8Array): Uint8Array {
  try {
    return jsonToProtobuf(signal, bytes);
  } catch (error) {
    if (error instanceof JsonError) throw new PipelineError('malformed', error.message, { cause: error });
    throw error;
  }
}
