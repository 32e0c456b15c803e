/**
 * Redaction written a second time, without the code under test and without a care for speed: once over trees of fields as
 * they stand on the wire, once over objects that protobufjs has decoded. Patterns are JavaScript's own.
 */
import { createHash } from 'node:crypto';
import type protobuf from 'protobufjs';
import type { RedactionConfig } from '../../../processors/redaction/config.ts';
import { encodeTree, type WireField, type WireTree } from '../../support/otlp-wire.ts';

type Fate = 'ignore' | 'remove' | 'mask' | 'look';

/** Fields of text in which values are masked though they are no attributes. */
const NAMES = new Set([
  'Span.name',
  'Event.name',
  'Status.message',
  'LogRecord.eventName',
  'InstrumentationScope.version',
]);

export class Reference {
  readonly #config: RedactionConfig;
  removed = 0;
  masked = 0;

  constructor(config: RedactionConfig) {
    this.#config = config;
  }

  /** A message of `type` as it should stand on the wire afterwards. */
  tree(type: protobuf.Type, tree: WireTree, isBody = false): WireTree {
    return tree.flatMap((field): WireField[] => {
      const known = type.fieldsById[field.number];
      const inner = known?.resolve().resolvedType as protobuf.Type | null | undefined;
      if (known === undefined) return [field];
      if (NAMES.has(`${type.name}.${known.name}`)) return [{ ...field, value: this.#name(field.value as Uint8Array) }];
      if (inner?.name === 'KeyValue') return this.#entry(inner, field, isBody);
      if (inner?.name === 'AnyValue') {
        const isInBody = isBody || type.name === 'LogRecord';
        return [{ ...field, value: this.#value(inner, field.value as WireTree, isInBody) }];
      }
      if (!Array.isArray(field.value)) return [field];
      return [{ ...field, value: this.tree(inner as protobuf.Type, field.value, isBody) }];
    });
  }

  #entry(type: protobuf.Type, field: WireField, isBody: boolean): WireField[] {
    const tree = field.value as WireTree;
    const key = Buffer.from(
      (tree.findLast(({ number }) => number === 1)?.value as Uint8Array | undefined) ?? [],
    ).toString();
    const value = tree.findLast(({ number }) => number === 2)?.value as WireTree | undefined;
    switch (this.#fate(key)) {
      case 'ignore':
        return [field];
      case 'remove':
        this.removed++;
        return [];
      case 'look':
        return [{ ...field, value: this.tree(type, tree, isBody) }];
      case 'mask': {
        const member = value?.find(({ number }) => number <= 7);
        const text = member === undefined ? Buffer.alloc(0) : scalarText(member);
        const isText = member?.number === 1 || this.#config.redact_all_types || isBody;
        if (member !== undefined && text !== undefined && isText && this.#isAllowed(text.toString())) return [field];
        this.masked++;
        const mask: WireTree = [{ number: 1, value: this.#mask(text ?? encodeTree(value as WireTree)) }];
        const masked = tree.map((one) => (one.number === 2 ? { number: 2, value: mask } : one));
        return [{ ...field, value: value === undefined ? [...tree, { number: 2, value: mask }] : masked }];
      }
    }
  }

  #value(type: protobuf.Type, tree: WireTree, isBody: boolean): WireTree {
    return this.tree(type, tree, isBody).map((field) => {
      const text = scalarText(field);
      const isRead = field.number === 1 || this.#config.redact_all_types || isBody;
      const redacted = text === undefined || !isRead ? undefined : this.#text(text.toString());
      return redacted === undefined ? field : { number: 1, value: Buffer.from(redacted) };
    });
  }

  #name(bytes: Uint8Array): Uint8Array {
    const redacted = this.#text(Buffer.from(bytes).toString());
    return redacted === undefined ? bytes : Buffer.from(redacted);
  }

  /** An object that protobufjs has decoded, as it should be decoded afterwards. */
  object(type: protobuf.Type, message: any, isBody = false): any {
    const out: any = {};
    for (const [name, value] of Object.entries<any>(message)) {
      const inner = type.fields[name]?.resolve().resolvedType as protobuf.Type | null;
      if (NAMES.has(`${type.name}.${name}`)) out[name] = this.#text(value) ?? value;
      else if (inner?.name === 'KeyValue') out[name] = this.objectEntries(inner, value, isBody);
      else if (inner?.name === 'AnyValue') {
        const isInBody = isBody || type.name === 'LogRecord';
        out[name] = Array.isArray(value)
          ? value.map((one) => this.#objectValue(inner, one, isInBody))
          : this.#objectValue(inner, value, isInBody);
      } else if (inner !== null && inner?.fields !== undefined) {
        out[name] = Array.isArray(value)
          ? value.map((one) => this.object(inner, one, isBody))
          : this.object(inner, value, isBody);
      } else out[name] = value;
    }
    return out;
  }

  objectEntries(type: protobuf.Type, entries: any[], isBody: boolean): any[] {
    return entries.flatMap((entry) => {
      const fate = this.#fate(entry.key ?? '');
      if (fate === 'remove') return [];
      if (fate === 'ignore') return [entry];
      if (fate === 'look') return [this.object(type, entry, isBody)];
      const text = objectText(entry.value ?? {});
      const isText = entry.value?.stringValue !== undefined || this.#config.redact_all_types || isBody;
      if (text !== undefined && isText && this.#isAllowed(text)) return [entry];
      return [{ ...entry, value: { stringValue: '****' } }];
    });
  }

  #objectValue(type: protobuf.Type, value: any, isBody: boolean): any {
    const text = objectText(value);
    if (text === undefined) return this.object(type, value, isBody);
    const isRead = value.stringValue !== undefined || this.#config.redact_all_types || isBody;
    const redacted = isRead ? this.#text(text) : undefined;
    return redacted === undefined ? value : { stringValue: redacted };
  }

  #fate(key: string): Fate {
    const { allow_all_keys, allowed_keys, blocked_key_patterns, ignored_keys, ignored_key_patterns } = this.#config;
    if (ignored_keys.includes(key) || ignored_key_patterns.some((source) => new RegExp(source, 'u').test(key)))
      return 'ignore';
    if (!allow_all_keys && !allowed_keys.includes(key)) return 'remove';
    return blocked_key_patterns.some((source) => new RegExp(source, 'u').test(key)) ? 'mask' : 'look';
  }

  /** Undefined where the text stays. */
  #text(text: string): string | undefined {
    if (this.#isAllowed(text)) return undefined;
    let redacted = text;
    for (const source of this.#config.blocked_values) {
      // RE2's dot leaves out the line feed alone, JavaScript's three more ends of lines.
      const pattern = new RegExp(source.replaceAll(/(?<!\\)\./g, '[^\\n]'), 'gu');
      redacted = redacted.replaceAll(pattern, (match) => this.#mask(Buffer.from(match)).toString());
    }
    if (redacted === text) return undefined;
    this.masked++;
    return redacted;
  }

  #isAllowed(text: string): boolean {
    return this.#config.allowed_values.some((source) => new RegExp(source, 'u').test(text));
  }

  #mask(text: Uint8Array): Buffer {
    const { hash_function: name } = this.#config;
    return Buffer.from(name === undefined ? '****' : createHash(name).update(text).digest('hex'));
  }
}

/** A scalar of an AnyValue as text; undefined for anything else. */
function scalarText({ number, value }: WireField): Buffer | undefined {
  switch (number) {
    case 1:
      return Buffer.from(value as Uint8Array);
    case 2:
      return Buffer.from(value === 0n ? 'false' : 'true');
    case 3:
      return Buffer.from(String(BigInt.asIntN(64, value as bigint)));
    case 4:
      return Buffer.from(String(Buffer.from((value as { fixed: Uint8Array }).fixed).readDoubleLE()));
    case 7:
      return Buffer.from(Buffer.from(value as Uint8Array).toString('base64'));
    default:
      return undefined;
  }
}

function objectText(value: any): string | undefined {
  const { stringValue, boolValue, intValue, doubleValue, bytesValue } = value;
  if (bytesValue !== undefined) return Buffer.from(bytesValue).toString('base64');
  const scalar = stringValue ?? boolValue ?? intValue ?? doubleValue;
  return scalar === undefined ? undefined : String(scalar);
}
