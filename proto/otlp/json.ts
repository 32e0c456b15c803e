import protobuf from 'protobufjs';
import type { TelemetrySignal } from './columns.ts';
import { excessOf } from './json-bounds.ts';
import { type FieldPlan, NESTING_MAX, planOf } from './json-plan.ts';
import { DIGITS_MAX, type ScalarValue, isDefault, JsonValueError, kindOf, scalarOf } from './json-scalars.ts';
import { requestType } from './schema.ts';

/** JSON that is not a valid OTLP request. The message names the place and never quotes the content. */
export class JsonError extends Error {
  /** Where, such as `resourceSpans[0].scopeSpans[0].spans[3].traceId`; empty for the whole. */
  readonly path: string;

  constructor(path: string, what: string) {
    super(path === '' ? what : `${path}: ${what}`);
    this.name = 'JsonError';
    this.path = path;
  }
}

/**
 * An OTLP/JSON request, as text or its UTF-8 bytes, as an encoded Export{Trace,Metrics,Logs}ServiceRequest. Throws
 * `JsonError`.
 */
export function jsonToProtobuf(signal: TelemetrySignal, text: string | Uint8Array): Uint8Array {
  return encodeJson(signal, parseJson(text));
}

/**
 * Parses JSON without losing digits: an integer that a double cannot hold comes as a bigint. Throws `JsonError` on
 * text that is not JSON, bytes that are not UTF-8, and what would take far more memory than its text.
 */
export function parseJson(text: string | Uint8Array): unknown {
  const source = typeof text === 'string' ? text : utf8(text);
  const excess = excessOf(source);
  if (excess !== undefined) throw new JsonError('', `not taken: ${excess}`);
  try {
    // Parsing with a reviver is several times slower, and clients nearly always quote their 64-bit integers.
    return MAY_LOSE_DIGITS.test(source) ? JSON.parse(source, keepDigits) : JSON.parse(source);
  } catch (error) {
    if (error instanceof SyntaxError) throw new JsonError('', `not valid JSON: ${withoutContent(error.message)}`);
    throw new JsonError('', 'not valid JSON: it is nested too deeply');
  }
}

/**
 * Encodes a parsed OTLP/JSON request (proto3 JSON with OTLP's exceptions: ids are hex, enums integers). Field names
 * may be lowerCamelCase or as in the .proto files, 64-bit integers strings, numbers or bigints; null means absent,
 * and names that the schema does not know are passed over. Throws `JsonError`.
 */
export function encodeJson(signal: TelemetrySignal, value: unknown): Uint8Array {
  const encoder = new Encoder();
  try {
    encoder.message(requestType(signal), value);
  } catch (error) {
    if (error instanceof JsonValueError) throw new JsonError(encoder.place(), error.message);
    throw error;
  }
  return encoder.finish();
}

/** Of a place deeper than that only the beginning is told: what is wrong there has to fit into the answer, too. */
const PLACE_PARTS_MAX = 24;

type JsonObject = Readonly<Record<string, unknown>>;

/** protobufjs has one method per scalar type, named like the type. */
type ScalarWriter = Readonly<Record<string, (value: ScalarValue) => unknown>>;

class Encoder {
  readonly #writer = protobuf.Writer.create();
  /** The keys and indexes that lead to the value at hand; not unwound when something throws. */
  readonly #path: (string | number)[] = [];
  #depth = 0;

  finish(): Uint8Array {
    return this.#writer.finish();
  }

  place(): string {
    const parts = this.#path.map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? key : `.${key}`));
    return parts.length <= PLACE_PARTS_MAX ? parts.join('') : `${parts.slice(0, PLACE_PARTS_MAX).join('')}...`;
  }

  message(type: protobuf.Type, value: unknown): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new JsonValueError(`must be an object, not ${kindOf(value)}`);
    }
    if (++this.#depth > NESTING_MAX) throw new JsonValueError(`is nested deeper than ${NESTING_MAX} messages`);
    const object = value as JsonObject;
    for (const field of planOf(type).fields) {
      const member = object[field.json] ?? object[field.proto];
      if (member === undefined || member === null) continue;
      this.#path.push(field.json);
      if (field.rivals.length > 0) this.#checkAlone(field, object);
      if (field.repeated) this.#list(field, member);
      else this.#single(field, member);
      this.#path.pop();
    }
    this.#depth--;
  }

  #checkAlone(field: FieldPlan, object: JsonObject): void {
    const rival = field.rivals.find((name) => object[name] !== undefined && object[name] !== null);
    if (rival !== undefined) throw new JsonValueError(`must not be there together with ${rival}`);
  }

  #single(field: FieldPlan, value: unknown): void {
    if (field.type !== undefined) {
      this.#writer.uint32(tagOf(field)).fork();
      this.message(field.type, value);
      this.#writer.ldelim();
      return;
    }
    const scalar = scalarOf(field, value);
    if (!field.hasPresence && isDefault(scalar)) return;
    this.#writer.uint32(tagOf(field));
    this.#scalar(field, scalar);
  }

  #list(field: FieldPlan, value: unknown): void {
    if (!Array.isArray(value)) throw new JsonValueError(`must be an array, not ${kindOf(value)}`);
    if (value.length === 0) return;
    // Numbers are packed: one tag and length for all of them.
    const isPacked = field.wireType !== 2;
    if (isPacked) this.#writer.uint32(field.id * 8 + 2).fork();
    for (const [i, element] of value.entries()) {
      this.#path.push(i);
      if (field.type !== undefined) {
        this.#single(field, element);
      } else {
        const scalar = scalarOf(field, element);
        if (!isPacked) this.#writer.uint32(tagOf(field));
        this.#scalar(field, scalar);
      }
      this.#path.pop();
    }
    if (isPacked) this.#writer.ldelim();
  }

  #scalar(field: FieldPlan, value: ScalarValue): void {
    const writer = this.#writer as unknown as ScalarWriter;
    (writer[field.scalar as string] as (value: ScalarValue) => unknown).call(writer, value);
  }
}

function tagOf(field: FieldPlan): number {
  return field.id * 8 + field.wireType;
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new JsonError('', 'not valid UTF-8');
  }
}

/** An unquoted integer of 16 digits or more may exceed 2^53. It may also be inside a string; that only costs time. */
const MAY_LOSE_DIGITS = /[:,[]\s*-?\d{16}/;

/** A reviver; V8 hands it the number's own text as the third argument (ECMAScript "JSON.parse source text access"). */
function keepDigits(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const { source = '' } = context ?? {};
  return source.length <= DIGITS_MAX && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/** V8 quotes the text around the mistake; that may be anybody's data, so only the kind and the place are kept. */
function withoutContent(message: string): string {
  const position = /at position (\d+)/.exec(message)?.[1];
  const what = message.replace(/,? (in JSON|after JSON|\.\.\.|").*$/s, '').replace(/^[A-Z]/, (c) => c.toLowerCase());
  return position === undefined ? what : `${what} at character ${Number(position) + 1}`;
}
