import type { IncomingHttpHeaders } from 'node:http';
import type { CorsConfig } from './config.ts';
import type { Response } from './http-answer.ts';

const HEADERS_ALWAYS = ['accept', 'content-type', 'content-encoding'];

/** Which web pages may send (Fetch standard, CORS protocol). */
export class Cors {
  readonly #origins: readonly RegExp[];
  readonly #headers: string | undefined;
  readonly #maxAge: string;

  constructor(config: CorsConfig) {
    this.#origins = config.allowed_origins.map(patternOf);
    const anyHeader = config.allowed_headers.includes('*');
    this.#headers = anyHeader ? undefined : [...HEADERS_ALWAYS, ...config.allowed_headers].join(', ');
    this.#maxAge = String(Math.floor(config.max_age / 1000));
  }

  /** Adds what lets the page read the answer, if its origin is allowed. Returns whether it is. */
  allow(headers: IncomingHttpHeaders, response: Response): boolean {
    const origin = headers.origin;
    response.setHeader('vary', 'Origin');
    if (origin === undefined || !this.#origins.some((pattern) => pattern.test(origin))) return false;
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-expose-headers', 'Retry-After');
    return true;
  }

  /** Answers what a browser asks before it sends. An origin that is not allowed gets an answer that allows nothing. */
  preflight(headers: IncomingHttpHeaders, response: Response): void {
    if (this.allow(headers, response)) {
      response.setHeader('access-control-allow-methods', 'POST');
      const allowed = this.#headers ?? headers['access-control-request-headers'] ?? HEADERS_ALWAYS.join(', ');
      response.setHeader('access-control-allow-headers', allowed);
      response.setHeader('access-control-max-age', this.#maxAge);
    }
    response.statusCode = 204;
    response.end();
  }
}

function patternOf(origin: string): RegExp {
  const parts = origin.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 'i');
}
