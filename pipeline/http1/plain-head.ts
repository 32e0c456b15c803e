import type { Headers } from '../http2/protocol.ts';

/** The head of a request that is plain: a POST over HTTP/1.1 whose body has a length that was told beforehand. */
export interface PlainHead {
  /** The request target, with its query. */
  readonly path: string;
  /** By names in lower case, each of which came once. */
  readonly headers: Headers;
  readonly contentLength: number;
}

/** How a plain request begins. */
export const POST = Buffer.from('POST ', 'latin1');
/** A target of the origin form (RFC 9112, 3.2.1): no space, no control character, nothing beyond ASCII. */
const REQUEST_LINE = /^POST (\/[!-~]*) HTTP\/1\.1$/;
/** A token, a colon, and printable ASCII. One repetition behind the colon, so that no line takes long to refuse. */
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([ \t!-~]*)$/;
const FIELDS_MAX = 64;
const LENGTH = /^\d{1,15}$/;
/** What asks for more than to read a body and to answer. */
const NOT_PLAIN = new Set(['transfer-encoding', 'expect', 'upgrade', 'trailer', 'te', 'http2-settings']);

/**
 * Reads a head, without the empty line that ends it. Undefined for what is not plain, right or wrong: whoever speaks
 * all of HTTP/1 is to look at that. So nothing is plain that two servers could understand in two ways (RFC 9112, 11.2).
 */
export function readPlainHead(text: string): PlainHead | undefined {
  const lines = text.split('\r\n');
  const path = REQUEST_LINE.exec(lines[0] as string)?.[1];
  if (path === undefined || lines.length > FIELDS_MAX + 1) return undefined;
  const headers: Record<string, string> = Object.create(null);
  for (let i = 1; i < lines.length; i++) {
    const field = FIELD.exec(lines[i] as string);
    if (field === null) return undefined;
    const name = (field[1] as string).toLowerCase();
    if (name in headers || NOT_PLAIN.has(name)) return undefined;
    // White space around the value is no part of it (RFC 9110, 5.5).
    headers[name] = (field[2] as string).trim();
  }
  const { host, connection = 'keep-alive', 'content-length': length = '' } = headers;
  if (host === undefined || connection.toLowerCase() !== 'keep-alive' || !LENGTH.test(length)) return undefined;
  return { path, headers, contentLength: Number(length) };
}
