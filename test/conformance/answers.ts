/** What an answer has to be, in the words of the specification, and what came, in one line. */
import { gunzipSync } from 'node:zlib';
import { Mismatch, NotOffered, want } from './clause.ts';
import { CODES, type GrpcAnswer } from './clients/grpc.ts';
import type { HttpAnswer } from './clients/http.ts';
import { fieldsOf } from './wire/bytes.ts';
import { type Status, statusOfJson, statusOfProtobuf } from './wire/status.ts';

export const FORMS = { protobuf: 'application/x-protobuf', json: 'application/json' } as const;
export type Form = keyof typeof FORMS;

const TEXT_CHARS_MAX = 160;

export function httpCame(answer: HttpAnswer): string {
  return `HTTP ${answer.status}, ${mediaType(answer) || 'no content type'}, ${bodyText(answer)}`;
}

function bodyText(answer: HttpAnswer): string {
  if (answer.body.length === 0) return 'no body';
  if (answer.status < 400 || mediaType(answer) !== FORMS.protobuf) return readable(answer.body);
  try {
    return shortened(statusOfProtobuf(answer.body).message);
  } catch {
    return readable(answer.body);
  }
}

export function grpcCame({ httpStatus, code, message, body }: GrpcAnswer): string {
  if (code < 0) return `HTTP ${httpStatus} without a grpc-status`;
  const name = CODES[code] ?? `code ${code}`;
  if (code !== 0) return shortened(`${name}: ${message}`);
  return body.length === 5 ? name : `${name}, ${readable(body.subarray(5))}`;
}

/** `Content-Type` without its parameters, in lower case. */
export function mediaType({ headers }: HttpAnswer): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** That the server took a whole request: OK with one message, the response of an Export. */
export function wantTaken(answer: GrpcAnswer): void {
  want(answer.code === 0, 'grpc-status 0 (OK)', () => grpcCame(answer));
  partialSuccessOf(grpcMessage(answer));
}

/** The one message of a unary answer. */
export function grpcMessage(answer: GrpcAnswer): Buffer {
  const { body } = answer;
  const isOne = body.length >= 5 && body.readUInt32BE(1) === body.length - 5;
  want(isOne, 'one message with its prefix', () => grpcCame(answer));
  if (body[0] === 0) return body.subarray(5);
  const encoding = answer.headers['grpc-encoding'] ?? '';
  want(encoding === 'gzip', 'a compressed message, with grpc-encoding: gzip', () => `grpc-encoding: ${encoding}`);
  return gunzipSync(body.subarray(5));
}

/** That the server took a whole request: 200, in the form of the request. */
export function wantOk(answer: HttpAnswer, form: Form): void {
  want(answer.status === 200, 'HTTP 200', () => httpCame(answer));
  responseOf(answer, form);
}

export interface PartialSuccess {
  readonly rejected: bigint;
  readonly message: string;
}

/** The partial_success of an Export response in either form; undefined where it is not set. */
export function responseOf(answer: HttpAnswer, form: Form): PartialSuccess | undefined {
  if (form === 'protobuf') return partialSuccessOf(answer.body);
  const wanted = 'a JSON object, the response of an Export';
  const read = parsed(answer, wanted);
  const { partialSuccess, ...others } = read;
  want(Object.keys(others).length === 0, `${wanted}, with the key partialSuccess or none`, () => httpCame(answer));
  if (partialSuccess === undefined || partialSuccess === null) return undefined;
  want(typeof partialSuccess === 'object', 'partialSuccess as an object', () => httpCame(answer));
  const { errorMessage = '', ...counts } = partialSuccess as Record<string, unknown>;
  const [rejected = 0] = Object.values(counts);
  return { rejected: BigInt(rejected as string), message: String(errorMessage) };
}

/**
 * That an answer to a request of one item says nothing of items that were rejected. A message of partial success without
 * anything in it is as good as none (trace_service.proto), and one with text alone is a warning.
 */
export function wantFull(partial: PartialSuccess | undefined): void {
  const { rejected = 0n, message = '' } = partial ?? {};
  want(rejected === 0n || rejected === 1n, 'partial_success unset', `${rejected} rejected items of a request of one`);
  if (rejected === 1n) throw new NotOffered(`it does not take this item: ${message}`);
}

export function partialSuccessOf(message: Buffer): PartialSuccess | undefined {
  const wanted = 'an Export response';
  try {
    const fields = fieldsOf(message);
    if (fields.some(({ number }) => number !== 1)) throw new Error('it has a field that no Export response has');
    if (fields[0] === undefined) return undefined;
    const inner = fieldsOf(fields[0].value as Buffer);
    const [rejected, text] = [1, 2].map((number) => inner.findLast((field) => field.number === number)?.value);
    return { rejected: typeof rejected === 'bigint' ? rejected : 0n, message: String(text ?? '') };
  } catch (error) {
    throw new Mismatch(wanted, `${readable(message)} (${(error as Error).message})`);
  }
}

/** The Status of an error's body, which has to be in this form. */
export function statusIn(answer: HttpAnswer, form: Form): Status {
  const wanted = `a google.rpc.Status as ${FORMS[form]} that describes the problem`;
  want(mediaType(answer) === FORMS[form], wanted, () => httpCame(answer));
  try {
    return form === 'protobuf' ? statusOfProtobuf(answer.body) : statusOfJson(answer.body.toString());
  } catch (error) {
    throw new Mismatch(wanted, `${httpCame(answer)} (${(error as Error).message})`);
  }
}

/** The Status in whichever of the two forms the answer says that it is. */
export function statusInEither(answer: HttpAnswer): Status {
  const type = mediaType(answer);
  const isForm = type === FORMS.json || type === FORMS.protobuf;
  want(isForm, `a google.rpc.Status, as ${FORMS.protobuf} or ${FORMS.json}`, () => httpCame(answer));
  return statusIn(answer, type === FORMS.json ? 'json' : 'protobuf');
}

function parsed(answer: HttpAnswer, wanted: string): Record<string, unknown> {
  let read: unknown;
  try {
    read = JSON.parse(answer.body.toString());
  } catch {
    read = undefined;
  }
  const isObject = typeof read === 'object' && read !== null && !Array.isArray(read);
  want(isObject, wanted, () => httpCame(answer));
  return read as Record<string, unknown>;
}

/** Bytes as one line of text; those that are none as dots, or by their number where that is all. */
function readable(bytes: Buffer): string {
  const text = bytes.toString('latin1').replaceAll(/[^\x20-\x7e]+/g, '·');
  return /[^·]/.test(text) ? shortened(text.trim()) : `${bytes.length} bytes`;
}

function shortened(text: string): string {
  return text.length <= TEXT_CHARS_MAX ? text : `${text.slice(0, TEXT_CHARS_MAX)}...`;
}
