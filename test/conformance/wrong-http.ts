/** A server of OTLP/HTTP that is wrong in several ways: Windback, with its requests and answers spoiled on the way. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { bytesField, varintField } from './wire/bytes.ts';
import { type HttpAnswer, Http1Client, type HttpRequest } from './clients/http.ts';

interface Fault {
  /** The clauses that it breaks. */
  readonly breaks: readonly string[];
  request?(request: HttpRequest): HttpRequest;
  answer?(answer: HttpAnswer, request: HttpRequest): HttpAnswer;
}

const typeOf = ({ headers = {} }: HttpRequest | HttpAnswer): string => headers['content-type'] ?? '';
const isJson = (one: HttpRequest | HttpAnswer): boolean => typeOf(one) === 'application/json';

/** The body of JSON with a text in it replaced. */
function replaced<Message extends HttpRequest | HttpAnswer>(
  message: Message,
  from: string | RegExp,
  to: string,
): Message {
  if (!isJson(message) || message.headers?.['content-encoding'] !== undefined) return message;
  return {
    ...message,
    body: Buffer.from(
      Buffer.from(message.body ?? '')
        .toString()
        .replace(from, to),
    ),
  };
}

/** An answer without one of its headers. */
export function without<Answer extends { headers: Readonly<Record<string, string>> }>(
  answer: Answer,
  name: string,
): Answer {
  return { ...answer, headers: Object.fromEntries(Object.entries(answer.headers).filter(([key]) => key !== name)) };
}

/** Whether Windback refused a whole request for one span of it. */
const isHalfRight = ({ status, body }: HttpAnswer): boolean =>
  status === 400 && /is 3 bytes long|has 6 characters/.test(body.toString());

/** Two rejected spans, with a reason, as the answer to a request with one that is wrong. */
const partial = (inJson: boolean): Pick<HttpAnswer, 'status' | 'body'> => ({
  status: 200,
  body: inJson
    ? Buffer.from('{"partialSuccess":{"rejectedSpans":"2","errorMessage":"no"}}')
    : bytesField(1, Buffer.concat([varintField(1, 2), bytesField(2, 'no')])),
});

export const HTTP_FAULTS: Readonly<Record<string, Fault>> = {
  'says 400 of a body that is too large': {
    breaks: ['http.size-limit-code'],
    answer: (answer) => (answer.status === 413 ? { ...answer, status: 400 } : answer),
  },
  'sets a partial success in which there is nothing': {
    breaks: ['http.full-success-unset'],
    answer: (answer) => (answer.status === 200 ? replaced(answer, /^\{\}$/, '{"partialSuccess":{}}') : answer),
  },
  'has no details': {
    breaks: ['http.bad-data-details'],
    answer: (answer) => replaced(answer, /"details":\[.*\]/, '"details":[]'),
  },
  'names no other method': {
    breaks: ['http.method'],
    answer: (answer) => without(answer, 'allow'),
  },
  'says what is not found in plain text': {
    breaks: ['http.error-status-elsewhere'],
    answer: (answer) =>
      answer.status === 404
        ? { ...answer, headers: { 'content-type': 'text/plain' }, body: Buffer.from('404 page not found') }
        : answer,
  },
  'knows its content types only as they are usually written': {
    breaks: ['http.content-type-spelling'],
    request: (request) =>
      typeOf(request).includes(';')
        ? { ...request, headers: { ...request.headers, 'content-type': 'no/type' } }
        : request,
  },
  'says text/html of protobuf that it takes': {
    breaks: ['http.content-type', 'http.content-type-spelling'],
    answer: (answer, request) =>
      answer.status === 200 && !isJson(request) ? { ...answer, headers: { 'content-type': 'text/html' } } : answer,
  },
  'does not understand event names': {
    breaks: ['http.json-names', 'http.json-new-fields'],
    request: (request) => replaced(request, '"eventName"', '"eventTitle"'),
  },
  'takes half of a request, and counts wrong': {
    breaks: ['http.partial-success'],
    answer: (answer, request) => (isHalfRight(answer) ? { ...answer, ...partial(isJson(request)) } : answer),
  },
  'has no body when it refuses a content type': {
    breaks: ['http.error-status'],
    answer: (answer) => (answer.status === 415 ? { ...answer, body: Buffer.alloc(0) } : answer),
  },
};

const FAULTS = Object.values(HTTP_FAULTS);
/** What belongs to one connection. */
const OF_CONNECTION = /^(?:connection|keep-alive|transfer-encoding|content-length|host|expect|te)$/;

export class WrongHttp {
  readonly #right: Http1Client;
  readonly #server: Server;

  constructor(right: string) {
    this.#right = new Http1Client(right);
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
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
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = incoming;
    const body = await buffer(incoming);
    const told: HttpRequest = { path: url, method, headers: headersOf(incoming), ...(method !== 'GET' && { body }) };
    const request = FAULTS.reduce((changed, { request: spoil }) => spoil?.(changed) ?? changed, told);
    const right = await this.#right.send(request);
    const { status, ...answer } = FAULTS.reduce((changed, fault) => fault.answer?.(changed, told) ?? changed, right);
    const headers = Object.entries(answer.headers).filter(([name]) => !OF_CONNECTION.test(name));
    response.writeHead(status, { ...Object.fromEntries(headers), 'content-length': answer.body.length });
    response.end(answer.body);
  }
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => !OF_CONNECTION.test(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, String(value)]));
}
