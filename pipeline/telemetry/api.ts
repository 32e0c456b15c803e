/** Answers the operator's API over HTTP: who may ask, what may be sent, and how refusals look. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ConfigError } from '../config/report.ts';
import { asPipelineError, PipelineError } from '../errors.ts';
import type { RouteAnswer, Router } from '../routes.ts';

const BODY_BYTES_MAX = 64 * 1024;

/** Who may change something. */
export interface Access {
  /** Whether only this machine reaches the listener. */
  readonly isLoopback: boolean;
  /** What must be carried, if configured. */
  readonly token: string | undefined;
}

/** Answers one request. Never rejects. `path` is that of the URL, as it was sent. */
export async function answerApi(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  router: Router,
  access: Access,
): Promise<void> {
  try {
    const method = request.method ?? 'GET';
    const query = new URLSearchParams(request.url?.slice(path.length) ?? '');
    // No page knows the token: who has it may come through a proxy, under any name.
    checkBrowser(request, access);
    const { handler, params } = router.match(method, path, query);
    if (method !== 'GET' && method !== 'HEAD') authorize(request, access);
    const { accept = '' } = request.headers;
    send(response, await handler({ params, query, accept, body: await bodyOf(request) }));
  } catch (thrown) {
    refuse(response, asPipelineError(thrown));
  }
}

/** Whether whoever asks may see a page; else it has been refused. */
export function isFromHere(request: IncomingMessage, response: ServerResponse, access: Access): boolean {
  try {
    checkBrowser(request, access);
    return true;
  } catch (thrown) {
    refuse(response, asPipelineError(thrown));
    return false;
  }
}

function send(response: ServerResponse, answer: RouteAnswer): void {
  const isText = 'text' in answer;
  const body = isText ? answer.text : `${JSON.stringify(answer.json)}\n`;
  write(response, answer.status ?? 200, isText ? 'text/plain; charset=utf-8' : 'application/json', body);
}

/** The same texts that a command line would print; of a configuration, also its problems one by one. */
function refuse(response: ServerResponse, error: PipelineError): void {
  const { code, message, row } = error;
  const problems = error instanceof ConfigError ? { problems: error.problems } : {};
  // Whatever of the body is still to come is not read, so the connection cannot go on.
  response.shouldKeepAlive = false;
  if (code === 'api_unauthenticated') response.setHeader('www-authenticate', 'Bearer');
  write(response, row.http, 'application/json', `${JSON.stringify({ code, message, todo: row.todo, ...problems })}\n`);
}

function write(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, {
    'content-type': contentType,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}

/**
 * A page in the operator's browser can send requests to this machine too. It cannot set Host, so one whose name was made
 * to point here (DNS rebinding) gives itself away; and it cannot leave out Origin.
 */
function checkBrowser(request: IncomingMessage, access: Access): void {
  if (hasToken(request, access)) return;
  const { isLoopback } = access;
  const { host, origin } = request.headers;
  if (isLoopback && host !== undefined && !isLocalName(nameOf(host))) {
    throw new PipelineError('api_forbidden', `this address is asked as localhost, not as ${host}`);
  }
  if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase())) {
    throw new PipelineError('api_forbidden', `the page ${origin} may not ask`);
  }
}

/** The host without its port and without brackets. */
function nameOf(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[|\]$/g, '');
}

function isLocalName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}

function authorize(request: IncomingMessage, access: Access): void {
  if (hasToken(request, access)) return;
  if (access.token !== undefined) {
    throw new PipelineError('api_unauthenticated', bearerOf(request) === '' ? 'missing' : 'wrong');
  }
  if (!access.isLoopback) {
    throw new PipelineError('api_forbidden', 'other machines reach this address, and no token is configured');
  }
}

function hasToken(request: IncomingMessage, { token }: Access): boolean {
  return token !== undefined && isSame(bearerOf(request), token);
}

function bearerOf({ headers: { authorization = '' } }: IncomingMessage): string {
  return /^Bearer +(.*)$/i.exec(authorization)?.[1] ?? '';
}

/** Compares in a time that tells nothing of either text. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Undefined where there is none. JSON must say that it is: a form of a web page cannot. */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > BODY_BYTES_MAX) throw new PipelineError('api_too_large', 'nothing was changed');
    pieces.push(piece);
  }
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = request.headers;
  const isJson = /^application\/json *(;|$)/i.test(type) && encoding === 'identity';
  if (!isJson && (bytes > 0 || request.method === 'POST')) {
    throw new PipelineError(
      'api_content_type',
      `content-type: ${type === '' ? 'none' : type}${encoding === 'identity' ? '' : `, content-encoding: ${encoding}`}`,
    );
  }
  if (bytes === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'));
  } catch (error) {
    throw new PipelineError('api_invalid', `the body is not JSON: ${(error as Error).message}`);
  }
}
