/** Protobuf by hand: the suite must be able to say what no encoder would, and read without trusting one. */

/** One field: its number, and a varint, the eight or four bytes of a fixed one, or what is length-delimited. */
export function varintField(number: number, value: bigint | number): Buffer {
  return Buffer.concat([tag(number, 0), varint(BigInt(value))]);
}

export function fixed64Field(number: number, value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return Buffer.concat([tag(number, 1), bytes]);
}

export function fixed32Field(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return Buffer.concat([tag(number, 5), bytes]);
}

export function bytesField(number: number, value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value as Uint8Array);
  return Buffer.concat([tag(number, 2), varint(BigInt(bytes.length)), bytes]);
}

export function tag(number: number, wireType: number): Buffer {
  return varint(BigInt(number) * 8n + BigInt(wireType));
}

export function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

export interface Field {
  readonly number: number;
  readonly value: bigint | Buffer;
  /** The whole field, with its tag. */
  readonly raw: Buffer;
}

/** The fields of a message, as they lie. Throws a plain sentence where they are not protobuf. */
export function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = [];
  let pos = 0;
  const take = (length: number): Buffer => {
    if (pos + length > message.length) throw new Error('a field that goes on after the end');
    pos += length;
    return message.subarray(pos - length, pos);
  };
  const number = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = BigInt(take(1)[0] as number);
      value |= (byte & 0x7fn) << shift;
      if (byte < 0x80n) return BigInt.asUintN(64, value);
    }
    throw new Error('a varint without an end');
  };
  while (pos < message.length) {
    const start = pos;
    const key = number();
    const wireType = Number(key & 7n);
    if (key >> 3n === 0n) throw new Error('a field with the number 0');
    if (wireType > 2 && wireType !== 5) throw new Error(`wire type ${wireType}`);
    const value = wireType === 0 ? number() : take(wireType === 1 ? 8 : wireType === 5 ? 4 : Number(number()));
    fields.push({ number: Number(key >> 3n), value, raw: message.subarray(start, pos) });
  }
  return fields;
}

/** A message with more fields in the message that lies at a path of field numbers, the first one of each. */
export function withInside(message: Buffer, path: readonly number[], more: Buffer): Buffer {
  const [number, ...rest] = path;
  if (number === undefined) return Buffer.concat([message, more]);
  const fields = fieldsOf(message);
  const at = fields.findIndex((field) => field.number === number);
  const inner = fields[at]?.value;
  if (!Buffer.isBuffer(inner)) throw new Error(`no message at field ${number}`);
  return Buffer.concat(
    fields.map(({ raw }, i) => (i === at ? bytesField(number, withInside(inner, rest, more)) : raw)),
  );
}
