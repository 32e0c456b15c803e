import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PlainRequest } from '../../pipeline/http1/plain-request.ts';
import { headerBlock } from '../../pipeline/http2/header-encoder.ts';
import type { Headers } from '../../pipeline/http2/protocol.ts';
import type { RequestListener, ServerStream } from '../../pipeline/http2/server-stream.ts';
import type { Reply } from './http-reply.ts';

/** One request over HTTP and its answer, whatever carries them. */
export interface Exchange {
  readonly method: string;
  /** The request target, with its query. */
  readonly path: string;
  /** By names in lower case. */
  readonly headers: Headers;
  /** To be called before anything else has happened, at most once. */
  listen(listener: RequestListener): void;
  /** Asks a client that waits for it (`expect: 100-continue`) to send the body. */
  proceed(): void;
  /**
   * Answers; nothing where there was an answer, or the client went away. Of a request that is not complete over HTTP/1.1
   * the rest is thrown away, so that a client that sends first and reads afterwards sees the answer; over HTTP/2 the
   * client is asked to stop (RFC 9113, 8.1).
   */
  answer(reply: Reply): void;
}

export function overPlain(request: PlainRequest): Exchange {
  return {
    method: 'POST',
    path: request.head.path,
    headers: request.head.headers,
    listen: (listener) => request.listen(listener),
    // Who waits is not plain.
    proceed() {},
    answer: ({ head, body }) => request.answer(head, body),
  };
}

const CONTINUE = headerBlock({ ':status': '100' });

export function overHttp2(stream: ServerStream): Exchange {
  const { headers } = stream;
  return {
    method: headers[':method'] ?? '',
    path: headers[':path'] ?? '',
    headers,
    listen: (listener) => stream.listen(listener),
    proceed: () => stream.inform(CONTINUE),
    answer: ({ block, body }) =>
      stream.answer(block, body.length === 0 ? undefined : typeof body === 'string' ? Buffer.from(body) : body),
  };
}

export function overNode(request: IncomingMessage, response: ServerResponse): Exchange {
  response.on('error', () => {});
  return {
    method: request.method ?? '',
    // Every server has to take the form that proxies are sent, too (RFC 9112, 3.2.2).
    path: (request.url ?? '').replace(/^https?:\/\/[^/?#]*/i, ''),
    headers: request.headers as Headers,
    listen(listener) {
      let isComplete = false;
      request.on('data', (piece: Buffer) => listener.data(piece, 0, piece.length));
      request.on('end', () => {
        isComplete = true;
        listener.end();
      });
      request.on('error', () => {});
      response.on('close', () => listener.closed(isComplete));
    },
    proceed() {
      // Clients of HTTP/1.0 do not know it (RFC 9110, 10.1.1).
      if (request.httpVersion !== '1.0') response.writeContinue();
    },
    answer({ status, fields, body }) {
      // Else Node would call the rest of it late, too, in an answer that nobody asked for.
      if (status === 504 && !request.complete && !response.headersSent) response.setHeader('connection', 'close');
      if (!response.headersSent && !response.destroyed) response.writeHead(status, fields).end(body);
    },
  };
}
