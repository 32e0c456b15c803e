import type { Headers } from '../../pipeline/http2/protocol.ts';
import type { CorsConfig } from './config.ts';
import { type Fields, Reply } from './http-reply.ts';

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

  /** What lets the page read the answer, if its origin is allowed. */
  fields({ origin }: Headers): Fields {
    if (!this.#allows(origin)) return { vary: 'Origin' };
    return {
      vary: 'Origin',
      'access-control-allow-origin': origin,
      'access-control-expose-headers': 'Retry-After',
    };
  }

  /** Answers what a browser asks before it sends. An origin that is not allowed gets an answer that allows nothing. */
  preflight(headers: Headers): Reply {
    const fields = this.fields(headers);
    if (!this.#allows(headers['origin'])) return new Reply(204, fields);
    return new Reply(204, {
      ...fields,
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers':
        this.#headers ?? headers['access-control-request-headers'] ?? HEADERS_ALWAYS.join(', '),
      'access-control-max-age': this.#maxAge,
    });
  }

  #allows(origin: string | undefined): origin is string {
    return origin !== undefined && this.#origins.some((pattern) => pattern.test(origin));
  }
}

function patternOf(origin: string): RegExp {
  const parts = origin.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 'i');
}
