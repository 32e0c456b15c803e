/** Where memory for output comes from. */
export interface Rooms {
  take(bytes: number): Buffer;
  /** Takes back what `take` gave. */
  give(room: Buffer): void;
}

/**
 * What may be written beyond the text that is left. At most a hundred messages are open at a time, and each has six
 * bytes of tag and length for the one or two of its brace and comma; and strings are copied by words.
 */
const SLACK_BYTES = 1024;

/**
 * Protobuf that is made of a text, in memory of its own.
 *
 * Nothing but a number takes more bytes than its text: the name of any field is as long as tag and length. So only
 * numbers look whether there is room (`ensure`), and leave as much as the rest of the text has bytes. In all it takes at
 * most four times the text: `1,` in a list of doubles is eight bytes.
 */
export class ProtobufRoom {
  bytes: Uint8Array = EMPTY;
  view: DataView = NO_VIEW;
  pos = 0;
  #rooms: Rooms | undefined;
  #room: Buffer | undefined;

  /** Begins the output for a text of so many bytes. */
  begin(rooms: Rooms, textBytes: number): void {
    this.#rooms = rooms;
    this.pos = 0;
    this.#use(rooms.take(textBytes + SLACK_BYTES));
  }

  /** What was written, in memory from `rooms` that is the caller's. */
  finish(): { readonly bytes: Uint8Array; readonly room: Buffer } {
    const room = this.#room as Buffer;
    if (this.pos > room.length) throw new RangeError(`${this.pos} bytes in a room of ${room.length}`);
    const bytes = room.subarray(0, this.pos);
    this.#forget();
    return { bytes, room };
  }

  /** Gives the memory back. */
  abandon(): void {
    if (this.#room !== undefined) this.#rooms?.give(this.#room);
    this.#forget();
  }

  #forget(): void {
    this.#rooms = undefined;
    this.#room = undefined;
    this.bytes = EMPTY;
    this.view = NO_VIEW;
  }

  #use(room: Buffer): void {
    this.#room = room;
    this.bytes = new Uint8Array(room.buffer, room.byteOffset, room.length);
    this.view = new DataView(room.buffer, room.byteOffset, room.length);
  }

  /** Makes room for a number and for what `textLeft` more bytes of text can become. */
  ensure(textLeft: number): void {
    if (this.bytes.length - this.pos < textLeft + SLACK_BYTES) this.#grow(textLeft);
  }

  #grow(textLeft: number): void {
    const old = this.#room as Buffer;
    const larger = (this.#rooms as Rooms).take(this.pos + 2 * (textLeft + SLACK_BYTES));
    old.copy(larger, 0, 0, this.pos);
    this.#use(larger);
    this.#rooms?.give(old);
  }

  /** A tag, which is below 2^14. */
  tag(tag: number): void {
    if (tag < 0x80) {
      this.bytes[this.pos++] = tag;
    } else {
      this.bytes[this.pos++] = (tag & 0x7f) | 0x80;
      this.bytes[this.pos++] = tag >>> 7;
    }
  }

  /** An unsigned integer of 32 bits. */
  varint(value: number): void {
    const { bytes } = this;
    let { pos } = this;
    let rest = value;
    while (rest > 0x7f) {
      bytes[pos++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[pos++] = rest;
    this.pos = pos;
  }

  /** An integer of 64 bits, in two words. */
  varint64(low: number, high: number): void {
    const { bytes } = this;
    let { pos } = this;
    let lower = low;
    let upper = high;
    while (upper !== 0) {
      bytes[pos++] = (lower & 0x7f) | 0x80;
      lower = ((lower >>> 7) | (upper << 25)) >>> 0;
      upper >>>= 7;
    }
    this.pos = pos;
    this.varint(lower);
  }

  fixed32(value: number): void {
    this.view.setUint32(this.pos, value, true);
    this.pos += 4;
  }

  fixed64(low: number, high: number): void {
    this.view.setUint32(this.pos, low, true);
    this.view.setUint32(this.pos + 4, high, true);
    this.pos += 8;
  }

  double(value: number): void {
    this.view.setFloat64(this.pos, value, true);
    this.pos += 8;
  }

  /**
   * Writes the length of what stands from `start + reserved` up to here at `start`, and moves it where its length takes
   * more or fewer bytes than were reserved. Returns how many it takes.
   */
  close(start: number, reserved: number): number {
    const length = this.pos - start - reserved;
    if (length < 0x80 && reserved === 1) {
      this.bytes[start] = length;
      return 1;
    }
    const size = lengthSize(length);
    if (size !== reserved) this.bytes.copyWithin(start + size, start + reserved, this.pos);
    this.pos = start;
    this.varint(length);
    this.pos += length;
    return size;
  }
}

function lengthSize(length: number): number {
  if (length < 0x80) return 1;
  if (length < 0x4000) return 2;
  if (length < 0x20_0000) return 3;
  return length < 0x1000_0000 ? 4 : 5;
}

const EMPTY = new Uint8Array();
const NO_VIEW = new DataView(EMPTY.buffer);
