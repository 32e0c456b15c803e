/** HTTP clients that say what they are told to, and nothing clever besides. */
import { Agent, type IncomingMessage, request as sendPlain } from 'node:http';
import type { ClientHttp2Session, IncomingHttpHeaders as Http2Headers } from 'node:http2';
import { Agent as SecureAgent, request as sendSecure } from 'node:https';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import type { Security } from './security.ts';
import { sendPieces } from './send.ts';

type Headers = Readonly<Record<string, string>>;

export interface HttpRequest {
  readonly path: string;
  /** POST unless told. */
  readonly method?: string;
  readonly headers?: Headers;
  readonly body?: Uint8Array;
  /** Without a content-length, in chunks. */
  readonly isChunked?: boolean;
  /** Sends this much of the body, and waits with the rest. */
  readonly holdsBackBytes?: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** As it was before it was compressed, if it was. */
  readonly body: Buffer;
  /** The client's port: two answers with the same one came over one connection. */
  readonly port: number | undefined;
}

export interface HttpClient {
  /** Rejects with a plain sentence where no answer came. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  close(): void;
}

export class Http1Client implements HttpClient {
  readonly #address: URL;
  readonly #agent: Agent;
  readonly #headers: Headers;
  readonly #isSecure: boolean;

  /** `headers` go with every request. With `connectionsMax` 1 all requests share one connection, for as long as the server keeps it. */
  constructor(address: string, headers: Headers = {}, security?: Security, connectionsMax = Number.POSITIVE_INFINITY) {
    this.#headers = headers;
    this.#isSecure = security !== undefined;
    this.#address = new URL(`http://${address}`);
    const settings = { keepAlive: true, maxSockets: connectionsMax };
    this.#agent = security === undefined ? new Agent(settings) : new SecureAgent({ ...settings, ...security });
  }

  send(request: HttpRequest): Promise<HttpAnswer> {
    return this.#try(request, true);
  }

  #try(told: HttpRequest, mayRetry: boolean): Promise<HttpAnswer> {
    const { path, method = 'POST', headers = {}, body, isChunked = false, holdsBackBytes } = told;
    return new Promise((resolve, reject) => {
      const { hostname: host, port } = this.#address;
      const length = isChunked || body === undefined ? {} : { 'content-length': body.length };
      const request = (this.#isSecure ? sendSecure : sendPlain)({
        host: host.replace(/^\[|\]$/g, ''),
        port,
        agent: this.#agent,
        path,
        method,
        headers: { ...this.#headers, ...headers, ...length },
      });
      let isAnswered = false;
      request.on('response', (response) => {
        isAnswered = true;
        // Who has an answer before all is sent closes the connection (RFC 9112, 9.5), as the rest would have to follow.
        const settle = (): void => void (request.writableFinished ? undefined : request.destroy());
        readAnswer(response, request.socket?.localPort).then(resolve, reject).finally(settle);
      });
      request.on('error', (error) => {
        if (isAnswered) return;
        // The server may close a connection that is idle at the very moment that it is used again (RFC 9112, 9.3.1).
        if (mayRetry && request.reusedSocket) resolve(this.#try(told, false));
        else reject(new Error(`no answer: ${error.message}`));
      });
      // A client that waits for `100 Continue` sends its body then.
      const sendBody = (): void => void sendPieces(request, body, () => isAnswered, holdsBackBytes);
      if (headers['expect'] === undefined) sendBody();
      else request.once('continue', sendBody).flushHeaders();
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** HTTP/2 over a session that is open. */
export class Http2Client implements HttpClient {
  readonly #session: ClientHttp2Session;
  readonly #headers: Headers;

  constructor(session: ClientHttp2Session, headers: Headers = {}) {
    this.#headers = headers;
    this.#session = session;
  }

  send(told: HttpRequest): Promise<HttpAnswer> {
    const { path, method = 'POST', headers = {}, body, isChunked = false } = told;
    return new Promise((resolve, reject) => {
      const length = isChunked || body === undefined ? {} : { 'content-length': body.length };
      const stream = this.#session.request(
        { ':method': method, ':path': path, ...this.#headers, ...headers, ...length },
        { endStream: body === undefined },
      );
      let isAnswered = false;
      stream.on('response', (answer) => {
        isAnswered = true;
        const status = Number(answer[':status']);
        const port = this.#session.socket?.localPort;
        readBody(stream, textsOf(answer)).then((read) => {
          resolve({ status, headers: textsOf(answer), body: read, port });
          if (!stream.writableFinished) stream.close();
        }, reject);
      });
      stream.on('error', (error) => (isAnswered ? undefined : reject(new Error(`no answer: ${error.message}`))));
      stream.on('close', () => (isAnswered ? undefined : reject(new Error(`no answer: reset with ${stream.rstCode}`))));
      if (body !== undefined) void sendPieces(stream, body, () => isAnswered);
    });
  }

  close(): void {
    this.#session.destroy();
  }
}

async function readAnswer(response: IncomingMessage, port: number | undefined): Promise<HttpAnswer> {
  const headers = textsOf(response.headers);
  return { status: response.statusCode ?? 0, headers, body: await readBody(response, headers), port };
}

async function readBody(from: Readable, headers: Headers): Promise<Buffer> {
  let body: Buffer;
  try {
    body = await buffer(from);
  } catch (error) {
    throw new Error(`the answer was cut off: ${(error as Error).message}`, { cause: error });
  }
  return headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
}

function textsOf(headers: IncomingMessage['headers'] | Http2Headers): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
