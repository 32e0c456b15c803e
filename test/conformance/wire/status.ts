/** The google.rpc.Status of an error, read without an encoder that would forgive. */
import { fieldsOf } from './bytes.ts';

export interface Status {
  readonly code: number;
  readonly message: string;
  /** Type names of its details, without `type.googleapis.com/`, each with its bytes where the form has them. */
  readonly details: readonly Detail[];
}

export interface Detail {
  readonly type: string;
  readonly value: Buffer | Readonly<Record<string, unknown>>;
}

/** Throws a plain sentence where the bytes are no Status that describes something. */
export function statusOfProtobuf(bytes: Buffer): Status {
  const status = { code: 0, message: '', details: [] as Detail[] };
  for (const { number, value } of fieldsOf(bytes)) {
    if (number === 1 && typeof value === 'bigint') status.code = Number(BigInt.asIntN(32, value));
    else if (number === 2 && typeof value !== 'bigint') status.message = utf8(value);
    else if (number === 3 && typeof value !== 'bigint') status.details.push(anyOf(value));
    else throw new Error(`field ${number} of this type, which a Status does not have`);
  }
  return describing(status);
}

export function statusOfJson(text: string): Status {
  const read = JSON.parse(text) as unknown;
  if (typeof read !== 'object' || read === null || Array.isArray(read)) throw new Error('JSON that is no object');
  const { code = 0, message = '', details = [], ...others } = read as Record<string, unknown>;
  const [other] = Object.keys(others);
  if (other !== undefined) throw new Error(`the key ${other}, which a Status does not have`);
  if (typeof code !== 'number') throw new Error('a code that is no number');
  if (typeof message !== 'string') throw new Error('a message that is no text');
  if (!Array.isArray(details)) throw new Error('details that are no list');
  return describing({ code, message, details: details.map(detailOfJson) });
}

function describing(status: Status): Status {
  if (status.code === 0 && status.message === '' && status.details.length === 0) {
    throw new Error('nothing that describes the problem');
  }
  return status;
}

function anyOf(bytes: Buffer): Detail {
  const fields = fieldsOf(bytes);
  const text = (number: number) => fields.find((field) => field.number === number)?.value;
  const url = text(1);
  const value = text(2) ?? Buffer.alloc(0);
  if (!Buffer.isBuffer(url) || !Buffer.isBuffer(value)) throw new Error('a detail that is no Any');
  return { type: nameOf(utf8(url)), value };
}

function detailOfJson(detail: unknown): Detail {
  const type = (detail as Record<string, unknown> | null)?.['@type'];
  if (typeof type !== 'string') throw new Error('a detail without @type');
  return { type: nameOf(type), value: detail as Record<string, unknown> };
}

function nameOf(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}

function utf8(bytes: Buffer): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}
