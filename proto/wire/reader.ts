/** Bytes that are not valid protobuf, or not the message they should be. `offset` is into the buffer that was read. */
export class WireError extends Error {
  readonly offset: number;

  constructor(what: string, offset: number) {
    super(`${what} at byte ${offset}`);
    this.name = 'WireError';
    this.offset = offset;
  }
}

/** The wire types that exist (protobuf encoding guide); groups (3 and 4) are refused. */
export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

/** The tag of a length-delimited field. */
export const field = (number: number): number => number * 8 + BYTES;

/**
 * A cursor over protobuf bytes that allocates nothing: it knows primitives, never messages. Every method checks the
 * bounds and throws `WireError`.
 */
export class Reader {
  bytes: Uint8Array;
  pos: number;
  end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.pos = start;
    this.end = end;
  }

  reset(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.pos = start;
    this.end = end;
  }

  /** A field's tag: `field << 3 | wire type`. */
  tag(): number {
    const byte = this.bytes[this.pos] as number;
    // Nearly all tags are one byte: fields below 16.
    if (this.pos < this.end && byte < 0x80 && byte > 7) {
      this.pos++;
      return byte;
    }
    const tag = this.varint();
    if (tag < 8 || tag > 0xffff_ffff) throw new WireError(`invalid field tag ${tag}`, this.pos);
    return tag;
  }

  /** An unsigned varint. Values above 2^53 lose their lowest bits; a negative int32 or int64 comes as 2^64 minus it. */
  varint(): number {
    const { bytes, end, pos } = this;
    const first = bytes[pos] as number;
    if (first < 0x80 && pos < end) {
      this.pos = pos + 1;
      return first;
    }
    return this.#longVarint(bytes, pos, end);
  }

  #longVarint(bytes: Uint8Array, start: number, end: number): number {
    let pos = start;
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      if (pos >= end) throw new WireError('truncated number', pos);
      const byte = bytes[pos++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        this.pos = pos;
        return value;
      }
      factor *= 128;
    }
    throw new WireError('number longer than 10 bytes', pos);
  }

  /** A signed varint (int32, int64, enum); values beyond ±2^53 lose their lowest bits. */
  int64(): number {
    const start = this.pos;
    const value = this.varint();
    // Only a negative number takes ten bytes, as two's complement: its distance from -1 is in the inverted bits.
    if (this.pos - start < 10) return value;
    let inverted = (this.bytes[this.pos - 1] as number) & 1 ? 0 : 1;
    for (let at = this.pos - 2; at >= start; at--) inverted = inverted * 128 + (~(this.bytes[at] as number) & 0x7f);
    return -inverted - 1;
  }

  /** The length of a length-delimited field, checked to lie inside. */
  length(): number {
    const length = this.varint();
    if (length > this.end - this.pos) {
      throw new WireError(`length ${length} reaches past the end, ${this.end - this.pos} bytes are left`, this.pos);
    }
    return length;
  }

  /** A little-endian fixed64 as a number; values above 2^53 lose their lowest bits. */
  fixed64(): number {
    const low = this.fixed32();
    const high = this.fixed32();
    return high * 4_294_967_296 + low;
  }

  fixed32(): number {
    const { bytes, pos } = this;
    if (pos + 4 > this.end) throw new WireError('truncated fixed-width number', pos);
    this.pos = pos + 4;
    return (
      ((bytes[pos] as number) |
        ((bytes[pos + 1] as number) << 8) |
        ((bytes[pos + 2] as number) << 16) |
        ((bytes[pos + 3] as number) << 24)) >>>
      0
    );
  }

  double(): number {
    DOUBLE_WORDS[0] = this.fixed32();
    DOUBLE_WORDS[1] = this.fixed32();
    return DOUBLE[0] as number;
  }

  /** Passes over a length-delimited field. */
  skipBytes(): void {
    const { pos } = this;
    const length = this.bytes[pos] as number;
    // Most are shorter than 128 bytes.
    if (length < 0x80 && pos + 1 + length <= this.end) this.pos = pos + 1 + length;
    else this.#advance(this.length());
  }

  /** Passes over the value of a field of this wire type. */
  skip(wireType: number): void {
    switch (wireType) {
      case VARINT:
        this.varint();
        return;
      case FIXED64:
        this.#advance(8);
        return;
      case BYTES:
        this.skipBytes();
        return;
      case FIXED32:
        this.#advance(4);
        return;
      default:
        throw new WireError(`unsupported wire type ${wireType}`, this.pos);
    }
  }

  #advance(count: number): void {
    if (count > this.end - this.pos) throw new WireError('truncated field', this.pos);
    this.pos += count;
  }
}

// Every platform Node runs on is little-endian, which the wire is too.
const DOUBLE = new Float64Array(1);
const DOUBLE_WORDS = new Uint32Array(DOUBLE.buffer);
