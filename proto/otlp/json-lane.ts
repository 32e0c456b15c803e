import type { TelemetrySignal } from './columns.ts';
import {
  BACKSLASH,
  CLOSE,
  CLOSE_LIST,
  COLON,
  COMMA,
  FALSE,
  FixedText,
  giveUp,
  JsonCursor,
  NIBBLES,
  NULL,
  OPEN,
  OPEN_LIST,
  QUOTE,
  TRUE,
  Unusual,
} from './json-cursor.ts';
import { type LaneField, type LaneMessage, laneOf } from './json-lane-plan.ts';
import { writeInteger } from './json-integer.ts';
import { NESTING_MAX } from './json-plan.ts';
import { ProtobufRoom, type Rooms } from './json-room.ts';
import { copyBase64, copyText } from './json-text.ts';
import { requestType } from './schema.ts';

/** A KeyValue around its key and its value. */
const ATTRIBUTE_KEY = new FixedText('{"key":"');
const ATTRIBUTE_VALUE = new FixedText(',"value":{');
const ATTRIBUTE_END = new FixedText('}}');
const STRING_VALUE = new FixedText('"stringValue":"');
const KEY_TAG = 1 * 8 + 2;
const VALUE_TAG = 2 * 8 + 2;
const STRING_TAG = 1 * 8 + 2;

/** What the lane has made: protobuf in memory that the caller may give back once nobody reads it. */
export interface Converted {
  readonly bytes: Uint8Array;
  readonly room: Buffer;
}

/**
 * OTLP/JSON to protobuf in one pass over the bytes, without objects or strings: what plain requests take. Fields come
 * out in the order in which they stand in the text. Whatever is wrong or unusual is left to `encodeJson`, which alone
 * says what is wrong: what the lane converts, `encodeJson` would take as well, and mean the same by it.
 */
class JsonLane {
  readonly #from = new JsonCursor();
  readonly #to = new ProtobufRoom();

  /** Undefined where the request is not plain. Throws what `rooms` throw. */
  convert(signal: TelemetrySignal, text: Uint8Array, rooms: Rooms): Converted | undefined {
    const message = laneOf(requestType(signal));
    if (!this.#from.begin(text)) return undefined;
    let converted: Converted | undefined;
    try {
      this.#to.begin(rooms, text.length);
      this.#from.peek();
      this.#message(message, 1);
      if (this.#from.pos === this.#from.end) converted = this.#to.finish();
    } catch (error) {
      if (!(error instanceof Unusual)) throw error;
    } finally {
      this.#from.finish();
      if (converted === undefined) this.#to.abandon();
    }
    return converted;
  }

  /** The object at the cursor, as the content of a message. */
  #message(message: LaneMessage, depth: number): void {
    const from = this.#from;
    if (depth > NESTING_MAX || from.bytes[from.pos] !== OPEN) giveUp();
    from.pos++;
    if (from.peek() === CLOSE) {
      from.pos++;
      return;
    }
    let seen = 0;
    for (;;) {
      if (from.peek() !== QUOTE) giveUp();
      const field = this.#key(message);
      const first = from.peek();
      if (field === undefined) {
        from.skipValue(depth);
      } else {
        if ((seen & field.rivals) !== 0 || (message.isOrdered && seen > field.bit)) giveUp();
        seen |= field.bit;
        if (first === 0x6e) from.literal(NULL);
        else if (field.isRepeated) this.#list(field, depth);
        else this.#single(field, depth);
      }
      const next = from.peek();
      from.pos++;
      if (next === CLOSE) return;
      if (next !== COMMA) giveUp();
    }
  }

  /** Passes over the key at the cursor and its colon; its field, undefined where the message has none of that name. */
  #key(message: LaneMessage): LaneField | undefined {
    const from = this.#from;
    const at = from.pos + 1;
    if (at + 4 > from.end) giveUp();
    const word = from.view.getInt32(at, true);
    for (let key = message.keysAt(word); key !== undefined; key = key.next) {
      if (key.first !== word || !key.isAt(from.view, at, from.end)) continue;
      from.pos = at + key.length;
      return key.field;
    }
    return this.#otherKey(message);
  }

  /** The same for a key with space in front of its colon, and for one that is unknown. */
  #otherKey(message: LaneMessage): LaneField | undefined {
    const from = this.#from;
    const start = from.pos + 1;
    from.skipString();
    const name = from.bytes.subarray(start, from.pos - 1);
    // With an escape in it, it may be any name.
    if (name.includes(BACKSLASH)) giveUp();
    from.expect(COLON);
    return message.named(name);
  }

  #list(field: LaneField, depth: number): void {
    const from = this.#from;
    const to = this.#to;
    if (from.bytes[from.pos] !== OPEN_LIST) giveUp();
    from.pos++;
    if (from.peek() === CLOSE_LIST) {
      from.pos++;
      return;
    }
    const start = to.pos + (field.listTag < 0x80 ? 1 : 2);
    if (field.isPacked) {
      to.tag(field.listTag);
      to.pos++;
    }
    for (;;) {
      if (field.kind === 'message') this.#nested(field, depth);
      else if (field.isPacked) this.#number(field, false);
      else this.#single(field, depth);
      const next = from.peek();
      from.pos++;
      if (next === CLOSE_LIST) break;
      if (next !== COMMA) giveUp();
      from.peek();
    }
    if (field.isPacked) to.close(start, 1);
  }

  #single(field: LaneField, depth: number): void {
    switch (field.kind) {
      case 'message':
        this.#nested(field, depth);
        break;
      case 'string':
        this.#string(field);
        break;
      case 'id':
        this.#id(field);
        break;
      case 'bool':
        this.#bool(field);
        break;
      case 'enum':
        this.#enum(field);
        break;
      case 'bytes':
        this.#bytes(field);
        break;
      default:
        this.#number(field, true);
    }
  }

  #nested(field: LaneField, depth: number): void {
    const to = this.#to;
    const { message } = field;
    if (message.value !== undefined && this.#attribute(field, message.value, depth)) return;
    to.tag(field.tag);
    const start = to.pos;
    const reserved = message.lengthBytes;
    to.pos += reserved;
    this.#message(message, depth + 1);
    message.lengthBytes = to.close(start, reserved);
  }

  /**
   * A KeyValue as nearly all are written: key first, without spaces, and a value that is no list or map. They are most of
   * a request, so their braces and names are compared as the fixed text that they are. Returns false, with nothing
   * done, for any other; none is read more than twice, since those with messages in them are not entered here.
   */
  #attribute(field: LaneField, value: LaneField, depth: number): boolean {
    const from = this.#from;
    const to = this.#to;
    const { pos: textStart } = from;
    const { pos: start } = to;
    if (depth + 2 > NESTING_MAX || !from.isAhead(ATTRIBUTE_KEY)) return false;
    from.pos += ATTRIBUTE_KEY.length - 1;
    to.tag(field.tag);
    const keyTag = ++to.pos;
    to.bytes[to.pos++] = KEY_TAG;
    if (copyText(from, to) === 0) to.pos = keyTag;
    if (from.isAhead(ATTRIBUTE_VALUE)) {
      from.pos += ATTRIBUTE_VALUE.length;
      to.bytes[to.pos] = VALUE_TAG;
      const member = to.pos + 2;
      to.pos = member;
      if (this.#plainMember(value.message) && from.isAhead(ATTRIBUTE_END)) {
        from.pos += ATTRIBUTE_END.length;
        to.close(member - 1, 1);
        to.close(keyTag - 1, 1);
        return true;
      }
    }
    from.pos = textStart;
    to.pos = start;
    return false;
  }

  /** The member of an AnyValue at the cursor, with its key. Returns false where it is no string and no number. */
  #plainMember(message: LaneMessage): boolean {
    const from = this.#from;
    const to = this.#to;
    if (from.isAhead(STRING_VALUE)) {
      from.pos += STRING_VALUE.length - 1;
      to.bytes[to.pos++] = STRING_TAG;
      copyText(from, to);
      return true;
    }
    if (from.bytes[from.pos] !== QUOTE) return false;
    const field = this.#key(message);
    const first = from.bytes[from.pos] as number;
    if (field === undefined || field.kind === 'message' || first === 0x6e || first <= 0x20) return false;
    this.#single(field, 0);
    return true;
  }

  #string(field: LaneField): void {
    const to = this.#to;
    const start = to.pos;
    to.tag(field.tag);
    if (copyText(this.#from, to) === 0 && field.omitsDefault) to.pos = start;
  }

  #bytes(field: LaneField): void {
    const to = this.#to;
    const start = to.pos;
    to.tag(field.tag);
    if (copyBase64(this.#from, to) === 0 && field.omitsDefault) to.pos = start;
  }

  #id(field: LaneField): void {
    const from = this.#from;
    const to = this.#to;
    const { bytes } = from;
    let at = from.pos + 1;
    if (bytes[at - 1] !== QUOTE) giveUp();
    if (bytes[at] === QUOTE && field.mayBeEmpty && field.omitsDefault) {
      from.pos = at + 1;
      return;
    }
    const end = at + field.idLength * 2;
    if (end >= from.end || bytes[end] !== QUOTE) giveUp();
    to.tag(field.tag);
    const out = to.bytes;
    let pos = to.pos;
    out[pos++] = field.idLength;
    let all = 0;
    for (; at < end; at += 2) {
      const byte = ((NIBBLES[bytes[at] as number] as number) << 4) | (NIBBLES[bytes[at + 1] as number] as number);
      all |= byte;
      out[pos++] = byte;
    }
    if (all > 255) giveUp();
    to.pos = pos;
    from.pos = end + 1;
  }

  #bool(field: LaneField): void {
    const from = this.#from;
    const to = this.#to;
    const isTrue = from.bytes[from.pos] === TRUE[0];
    from.literal(isTrue ? TRUE : FALSE);
    if (!isTrue && field.omitsDefault) return;
    to.tag(field.tag);
    to.bytes[to.pos++] = isTrue ? 1 : 0;
  }

  #enum(field: LaneField): void {
    const from = this.#from;
    const second = from.bytes[from.pos + 1] as number;
    // A name begins with a letter; a number may stand in quotes elsewhere, but not here.
    if (from.bytes[from.pos] !== QUOTE) {
      this.#number(field, true);
      return;
    }
    if (second < 0x41) giveUp();
    const start = from.pos + 1;
    from.skipString();
    const name = from.text(start, from.pos - 1);
    if (!Object.hasOwn(field.names, name)) giveUp();
    const value = field.names[name] as number;
    if (value === 0 && field.omitsDefault) return;
    this.#to.tag(field.tag);
    this.#to.varint(value);
  }

  /** A number with its tag, or without one in a packed list. */
  #number(field: LaneField, isTagged: boolean): void {
    const from = this.#from;
    const to = this.#to;
    to.ensure(from.end - from.pos);
    if (field.kind === 'double') {
      from.double();
      if (field.omitsDefault && Object.is(from.value, 0)) return;
      if (isTagged) to.tag(field.tag);
      to.double(from.value);
      return;
    }
    from.integer();
    if (from.low === 0 && from.high === 0 && field.omitsDefault) return;
    if (isTagged) to.tag(field.tag);
    writeInteger(field.kind, from, to);
  }
}

// A conversion is synchronous, so one lane serves the thread.
let lane: JsonLane | undefined;

/** As `JsonLane.convert`. */
export function convertJson(signal: TelemetrySignal, text: Uint8Array, rooms: Rooms): Converted | undefined {
  lane ??= new JsonLane();
  return lane.convert(signal, text, rooms);
}
