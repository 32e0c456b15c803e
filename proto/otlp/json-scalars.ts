/** From parsed JSON values to what protobufjs' Writer takes. What does not fit throws `JsonValueError`. */
import type { FieldPlan, ScalarType } from './json-plan.ts';

/** A value that does not fit its field: a sentence without subject, such as `must be a string, not a number`. */
export class JsonValueError extends Error {}

/** A 64-bit integer beyond 2^53 as two halves, the form that protobufjs takes. */
export interface Halves {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}

export type ScalarValue = number | boolean | string | Uint8Array | Halves;

/** The value of a scalar or enum field, checked. */
export function scalarOf(field: FieldPlan, value: unknown): ScalarValue {
  if (field.kind === 'enum') return enumOf(field, value);
  if (field.kind === 'id') return idOf(field, value);
  return SCALARS[field.scalar as ScalarType](value);
}

/** Whether proto3 leaves the value out where the field has no presence. Minus zero is not the default. */
export function isDefault(value: ScalarValue): boolean {
  if (typeof value === 'object') return value instanceof Uint8Array && value.length === 0;
  return value === '' || value === false || Object.is(value, 0);
}

const SCALARS: Readonly<Record<ScalarType, (value: unknown) => ScalarValue>> = {
  double: doubleOf,
  float: doubleOf,
  int32: (value) => int32Of(value, -0x8000_0000, 0x7fff_ffff),
  sint32: (value) => int32Of(value, -0x8000_0000, 0x7fff_ffff),
  sfixed32: (value) => int32Of(value, -0x8000_0000, 0x7fff_ffff),
  uint32: (value) => int32Of(value, 0, 0xffff_ffff),
  fixed32: (value) => int32Of(value, 0, 0xffff_ffff),
  int64: (value) => int64Of(value, false),
  sint64: (value) => int64Of(value, false),
  sfixed64: (value) => int64Of(value, false),
  uint64: (value) => int64Of(value, true),
  fixed64: (value) => int64Of(value, true),
  bool: boolOf,
  string: stringOf,
  bytes: bytesOf,
};

function stringOf(value: unknown): string {
  if (typeof value !== 'string') throw new JsonValueError(`must be a string, not ${kindOf(value)}`);
  // A lone surrogate has no UTF-8 form; protobuf strings must be valid UTF-8.
  return value.isWellFormed() ? value : value.toWellFormed();
}

function boolOf(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new JsonValueError(`must be true or false, not ${kindOf(value)}`);
  return value;
}

/** Read in one way only: else digits without end would be tried in as many ways as there are. */
const NUMERAL = /^-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;

function doubleOf(value: unknown): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  if (value === 'NaN') return Number.NaN;
  if (value === 'Infinity') return Number.POSITIVE_INFINITY;
  if (value === '-Infinity') return Number.NEGATIVE_INFINITY;
  if (typeof number === 'number') throw new JsonValueError('is too large for a double');
  if (typeof value === 'string' && NUMERAL.test(value)) return Number(value);
  throw new JsonValueError(`must be a number, one in a string, "NaN", "Infinity" or "-Infinity", not ${kindOf(value)}`);
}

function int32Of(value: unknown, min: number, max: number): number {
  const whole = Number(wholeNumber(value));
  if (whole < min || whole > max) throw new JsonValueError(`must be from ${min} to ${max}`);
  return whole;
}

/** A bigint of a million digits takes half a second, and far more are a few bytes of gzip. No number is as long. */
export const DIGITS_MAX = 400;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

function int64Of(value: unknown, unsigned: boolean): number | Halves {
  const whole = wholeNumber(value);
  if (typeof whole === 'number' && (whole >= 0 || !unsigned)) return whole;
  const big = BigInt(whole);
  const min = unsigned ? 0n : INT64_MIN;
  const max = unsigned ? UINT64_MAX : INT64_MAX;
  if (big < min || big > max) throw new JsonValueError(`must be from ${min} to ${max}`);
  return { low: Number(BigInt.asIntN(32, big)), high: Number(BigInt.asIntN(32, big >> 32n)), unsigned };
}

/** An integer written as a number or as a string; a bigint where a double could not hold it. */
function wholeNumber(value: unknown): number | bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'string' && /^-?\d+$/.test(value)) {
    if (value.length > DIGITS_MAX) throw new JsonValueError(`must not have more than ${DIGITS_MAX} digits`);
    return value.length < 16 ? Number(value) : BigInt(value);
  }
  const number = typeof value === 'string' && NUMERAL.test(value) ? Number(value) : value;
  if (typeof number === 'string') throw new JsonValueError('must be a whole number, or one in a string');
  if (typeof number !== 'number') throw new JsonValueError(`must be a whole number, not ${kindOf(value)}`);
  if (!Number.isInteger(number)) throw new JsonValueError('must be a whole number');
  return Number.isSafeInteger(number) ? number : BigInt(number);
}

function enumOf(field: FieldPlan, value: unknown): number {
  if (typeof value === 'string' && Object.hasOwn(field.names, value)) return field.names[value] as number;
  if (typeof value === 'string') {
    throw new JsonValueError(`must be a number or one of ${Object.keys(field.names).join(', ')}`);
  }
  return int32Of(value, -0x8000_0000, 0x7fff_ffff);
}

const HEX = /^[0-9a-fA-F]*$/;
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

function idOf(field: FieldPlan, value: unknown): Uint8Array {
  const digits = field.idLength * 2;
  if (typeof value !== 'string') throw new JsonValueError(`must be ${digits} hex characters, not ${kindOf(value)}`);
  if (value === '' && field.mayBeEmpty) return Buffer.alloc(0);
  if (value.length !== digits || !HEX.test(value)) {
    throw new JsonValueError(`must be ${digits} hex characters; ${idMistake(field.idLength, value)}`);
  }
  return Buffer.from(value, 'hex');
}

/** What was probably meant, for the most frequent mistakes. */
function idMistake(idLength: number, value: string): string {
  if (value === '') return 'this is empty';
  const isBase64 = BASE64.test(value) && Buffer.from(value, 'base64').length === idLength;
  if (isBase64 && value.length < idLength * 2) return 'this looks like base64';
  if (value.length === idLength * 2) return 'this has other characters';
  return `this has ${value.length} characters`;
}

function bytesOf(value: unknown): Uint8Array {
  if (typeof value !== 'string') throw new JsonValueError(`must be a base64 string, not ${kindOf(value)}`);
  // Both alphabets and missing padding are fine (proto3 JSON); Buffer would also skip over garbage.
  if (!BASE64.test(value) || value.replace(/=+$/, '').length % 4 === 1) throw new JsonValueError('must be base64');
  return Buffer.from(value, 'base64');
}

/** What a JSON value is, as a person would say it. Never its content: that is telemetry. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'boolean') return 'a boolean';
  return typeof value === 'string' ? 'a string' : 'a number';
}
