import type { Headers } from '../../pipeline/http2/protocol.ts';
import type { CorsConfig } from './config.ts';
import { type Fields, Reply } from './http-reply.ts';

const HEADERS_ALWAYS = ['accept', 'content-type', 'content-encoding'];
/** A name in DNS has 253 characters: no page has an origin that is longer. */
const ORIGIN_CHARS_MAX = 1024;

/** Which web pages may send (Fetch standard, CORS protocol). */
export class Cors {
  readonly #patterns: readonly (readonly string[])[];
  readonly #headers: string | undefined;
  readonly #maxAge: string;

  constructor(config: CorsConfig) {
    this.#patterns = config.allowed_origins.map((pattern) => pattern.toLowerCase().split('*'));
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
    if (origin === undefined || origin.length > ORIGIN_CHARS_MAX) return false;
    const text = origin.toLowerCase();
    return this.#patterns.some((parts) => matches(text, parts));
  }
}

/**
 * Whether a text is these parts with anything between them. In one pass, since strangers send it: a part is best where it
 * comes first, as that leaves most for those behind it, so there is never one to try again.
 */
export function matches(text: string, [first = '', ...rest]: readonly string[]): boolean {
  const last = rest.pop();
  if (last === undefined) return text === first;
  const end = text.length - last.length;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= end;
}
