import { LRUCache } from 'lru-cache';
import { isServerError } from '../../proto/otlp/grpc-status.ts';
import { type AttributeValue, attributesText, readAttributes } from '../../proto/otlp/resource.ts';
import { ownCopy } from '../../proto/wire/own.ts';

/** What the attributes of a point of a request histogram say. */
export interface RequestAttributes {
  /** The attributes in one order, to tell series apart. */
  readonly key: string;
  /** Method and route, one behind the other, as bytes; `methodLength` of them are the method's. */
  readonly operation: Uint8Array;
  readonly methodLength: number;
  /** The HTTP status; NaN where none is told. */
  readonly httpStatus: number;
  /** Whether it failed, where no HTTP status says so. */
  readonly isBad: boolean;
}

type Attributes = ReadonlyMap<string, AttributeValue>;

/** Series of a service are exported again and again. What is longer is read each time. */
const CACHED = 8192;
const CACHED_TEXT_MAX = 2048;
/** What requests are called that say nothing of what they asked for. */
const UNNAMED = 'requests';

/** Reads attributes, each kind of them once: by their bytes, which the next export repeats. */
export class RequestAttributesReader {
  readonly #known = new LRUCache<string, RequestAttributes>({ max: CACHED });

  /** Of the point that lies at `offset`. Throws `WireError`. */
  read(bytes: Uint8Array, offset: number, length: number, attributesField: number): RequestAttributes {
    const text = attributesText(bytes, offset, length, attributesField);
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const read = describe(readAttributes(bytes, offset, length, attributesField));
    if (text.length <= CACHED_TEXT_MAX) this.#known.set(text, read);
    return read;
  }
}

function describe(attributes: Attributes): RequestAttributes {
  const method = Buffer.from(first(attributes, 'http.request.method', 'http.method'));
  const route = Buffer.from(first(attributes, 'http.route', 'rpc.method') || UNNAMED);
  const http = Number(attributes.get('http.response.status_code') ?? attributes.get('http.status_code') ?? Number.NaN);
  const rpc = Number(attributes.get('rpc.grpc.status_code') ?? Number.NaN);
  return {
    key: JSON.stringify([...attributes].sort(([a], [b]) => (a < b ? -1 : 1))),
    operation: ownCopy(Buffer.concat([method, route])),
    methodLength: method.length,
    httpStatus: http >= 100 ? http : Number.NaN,
    // By the status that the conventions put on these metrics; where there is none, by `error.type`.
    isBad: rpc >= 0 ? isServerError(rpc) : first(attributes, 'error.type') !== '',
  };
}

function first(attributes: Attributes, ...keys: string[]): string {
  for (const key of keys) {
    const value = attributes.get(key);
    if (typeof value === 'string' && value !== '') return value;
  }
  return '';
}
