import type protobuf from 'protobufjs';
import { type FieldKind, type FieldPlan, planOf } from './json-plan.ts';

/** A field as the lane needs it: numbers worked out once. */
export class LaneField {
  readonly kind: FieldKind;
  /** As it stands on the wire, in front of one value and in front of a packed list. */
  readonly tag: number;
  readonly listTag: number;
  readonly isRepeated: boolean;
  /** Whether the elements of its list stand in one block. */
  readonly isPacked: boolean;
  /** Whether a default value is left out. */
  readonly omitsDefault: boolean;
  readonly idLength: number;
  readonly mayBeEmpty: boolean;
  readonly names: Readonly<Record<string, number>>;
  /** Its bit among those of its message's fields, and the bits that must not be there besides, its own among them. */
  readonly bit: number;
  rivals: number;
  message: LaneMessage = NO_MESSAGE;

  constructor(plan: FieldPlan, bit: number) {
    this.kind = plan.kind;
    this.tag = plan.id * 8 + plan.wireType;
    this.listTag = plan.id * 8 + 2;
    this.isRepeated = plan.repeated;
    this.isPacked = plan.wireType !== 2;
    this.omitsDefault = !plan.hasPresence && !plan.repeated;
    this.idLength = plan.idLength;
    this.mayBeEmpty = plan.mayBeEmpty;
    this.names = plan.names;
    this.bit = bit;
    this.rivals = bit;
  }
}

/** A name of a field, with the quote and the colon behind it, in words of four bytes. */
export class LaneKey {
  readonly field: LaneField;
  readonly name: Uint8Array;
  /** Bytes, with quote and colon. */
  readonly length: number;
  readonly first: number;
  /** The words behind the first. */
  readonly words: Int32Array;
  /** The bits of the last one that count. */
  readonly lastMask: number;
  /** Another key of the same slot. */
  readonly next: LaneKey | undefined;

  constructor(name: string, field: LaneField, next: LaneKey | undefined) {
    // With fewer than three bytes it would not fill the first word.
    if (name.length < 3) throw new Error(`the field name ${name} is too short for the JSON lane`);
    const bytes = Buffer.from(`${name}":`, 'latin1');
    const padded = Buffer.alloc(Math.ceil(bytes.length / 4) * 4);
    bytes.copy(padded);
    this.field = field;
    this.name = bytes.subarray(0, -2);
    this.length = bytes.length;
    this.first = padded.readInt32LE(0);
    this.words = Int32Array.from({ length: padded.length / 4 - 1 }, (_, i) => padded.readInt32LE(i * 4 + 4));
    this.lastMask = bytes.length % 4 === 0 ? -1 : (1 << ((bytes.length % 4) * 8)) - 1;
    this.next = next;
  }

  /** Whether the key stands at `at`, of which the first word is known to be its own, and a value may follow. */
  isAt(view: DataView, at: number, end: number): boolean {
    const { words } = this;
    const last = words.length - 1;
    if (at + 8 + last * 4 > end) return false;
    for (let i = 0; i < last; i++) if (view.getInt32(at + 4 + i * 4, true) !== words[i]) return false;
    return ((view.getInt32(at + 4 + last * 4, true) ^ (words[last] as number)) & this.lastMask) === 0;
  }
}

/** A message type as the lane needs it. */
export class LaneMessage {
  /** Its keys by the hash of their first word. */
  readonly #slots: (LaneKey | undefined)[] = Array.from({ length: SLOTS }, () => undefined);
  /** Whether fields must come in the order of their numbers. */
  readonly isOrdered: boolean;
  /** Of KeyValue, its value. */
  value: LaneField | undefined;
  /** How many bytes the last one's length took: what is reserved for that of the next one. */
  lengthBytes = 1;

  constructor(isOrdered: boolean) {
    this.isOrdered = isOrdered;
  }

  add(name: string, field: LaneField): void {
    const slot = slotOf(Buffer.from(`${name}"`, 'latin1').readInt32LE(0));
    this.#slots[slot] = new LaneKey(name, field, this.#slots[slot]);
  }

  /** The first of the keys that may begin with these four bytes. */
  keysAt(word: number): LaneKey | undefined {
    return this.#slots[slotOf(word)];
  }

  /** The field of a name, wherever that stands. */
  named(name: Uint8Array): LaneField | undefined {
    for (const slot of this.#slots) {
      for (let key = slot; key !== undefined; key = key.next)
        if (Buffer.compare(key.name, name) === 0) return key.field;
    }
    return undefined;
  }
}

/** As many as keep most of the names of a span apart. */
const SLOTS = 64;

/** The slot of a key by the four bytes it begins with. */
function slotOf(word: number): number {
  return Math.imul(word, 0x9e37_79b1) >>> 26;
}

const NO_MESSAGE = new LaneMessage(false);
const compiled = new WeakMap<protobuf.Type, LaneMessage>();

/** What the lane knows of a type and of those in it, worked out once. */
export function laneOf(type: protobuf.Type): LaneMessage {
  const known = compiled.get(type);
  if (known !== undefined) return known;
  // Attributes are told apart by their encoded bytes, so those of one content must always be the same.
  const message = new LaneMessage(type.name === 'KeyValue');
  compiled.set(type, message);
  const plans = planOf(type).fields;
  if (plans.length > 31) throw new Error(`${type.name} has too many fields for the JSON lane`);
  const fields = new Map(plans.map((plan, i) => [plan.json, new LaneField(plan, 1 << i)]));
  for (const plan of plans) {
    const field = fields.get(plan.json) as LaneField;
    for (const rival of plan.rivals) field.rivals |= fields.get(rival)?.bit ?? 0;
    if (plan.type !== undefined) field.message = laneOf(plan.type);
    if (message.isOrdered && plan.proto === 'value') message.value = field;
    for (const name of new Set([plan.proto, plan.json])) message.add(name, field);
  }
  return message;
}
