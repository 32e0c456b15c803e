import { type IncomingMessage, request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { PipelineError } from '../../pipeline/errors.ts';
import type { InFlight } from '../../pipeline/in-flight.ts';
import type { Answer } from './answer.ts';

/** More of an answer is not read: a Status or a partial success needs a fraction of it. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** One POST and its answer, whatever its status. Rejects with `unreachable`, `timeout` or, when cancelled, `stopping`. */
export function post(
  url: URL,
  options: RequestOptions,
  body: Uint8Array,
  timeoutMs: number,
  inFlight: InFlight,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send(url, { ...options, method: 'POST' });
    // Only the first of these has an effect; what follows from it comes after.
    const abort = (error: PipelineError): void => {
      reject(error);
      request.destroy();
    };
    const fail = (error: Error): void => {
      abort(new PipelineError('unreachable', `${url.href}: ${reasonOf(error)}`, { cause: error }));
    };
    const done = inFlight.add(() => abort(new PipelineError('stopping', `${url.href} has not answered yet`)));
    const timer = setTimeout(() => {
      abort(new PipelineError('timeout', `${url.href} did not answer within ${timeoutMs} ms`));
    }, timeoutMs);
    let isAnswered = false;
    request.on('error', fail);
    request.on('response', (response) => {
      isAnswered = true;
      readAnswer(response).then((answer) => {
        if (!response.complete) return abort(new PipelineError('unreachable', `${url.href}: the answer broke off`));
        resolve(answer);
        // It was not waited for: of the body nothing may be read once this has settled.
        if (!request.writableFinished) request.destroy();
      }, fail);
    });
    request.on('close', () => {
      clearTimeout(timer);
      done();
      // An answer that is none, such as a change of protocols (101), ends it without an error.
      if (!isAnswered) fail(new Error('the connection was closed without an answer'));
    });
    request.end(body);
  });
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    if (length < ANSWER_BYTES_MAX) pieces.push(piece);
    length += piece.length;
  }
  return {
    status: response.statusCode ?? 0,
    type: (response.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '',
    retryAfter: response.headers['retry-after'],
    body: Buffer.concat(pieces).subarray(0, ANSWER_BYTES_MAX),
  };
}

/** An attempt at several addresses fails with no message of its own. */
function reasonOf(error: Error): string {
  return error.message || (error as NodeJS.ErrnoException).code || error.name;
}
