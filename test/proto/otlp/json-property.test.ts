import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeToJson } from '../../../proto/otlp/json-decode.ts';
import { planOf } from '../../../proto/otlp/json-plan.ts';
import { encodeJson, jsonToProtobuf } from '../../../proto/otlp/json.ts';
import { requestType } from '../../../proto/otlp/schema.ts';
import { canonicalJson } from '../../support/otlp-arbitrary.ts';

const SIGNALS = ['traces', 'metrics', 'logs'] as const;

/** Rewrites every field of a message and of the messages in it. */
function rewrite(
  type: ReturnType<typeof requestType>,
  message: Record<string, unknown>,
  change: (field: ReturnType<typeof planOf>['fields'][number], value: unknown) => [string, unknown],
): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const field of planOf(type).fields) {
    if (!Object.hasOwn(message, field.json)) continue;
    const inner = field.type;
    const one = (value: unknown) =>
      inner === undefined ? value : rewrite(inner, value as Record<string, unknown>, change);
    const value = message[field.json];
    const [name, changed] = change(field, Array.isArray(value) ? value.map(one) : one(value));
    out[name] = changed;
  }
  return out;
}

/** Applies to a value or to each of a list. */
function each(value: unknown, change: (one: unknown) => unknown): unknown {
  return Array.isArray(value) ? value.map(change) : change(value);
}

describe.each(SIGNALS)('random OTLP/JSON of %s', (signal) => {
  const type = requestType(signal);
  const messages = canonicalJson(type);

  it('comes back unchanged from protobuf', () => {
    fc.assert(
      fc.property(messages, (message) => {
        expect(decodeToJson(signal, encodeJson(signal, message))).toEqual(message);
        expect(decodeToJson(signal, jsonToProtobuf(signal, JSON.stringify(message)))).toEqual(message);
      }),
      { numRuns: 200 },
    );
  });

  it('is encoded as protobufjs encodes it', () => {
    fc.assert(
      fc.property(messages, (message) => {
        // protobufjs knows no hex ids, and no NaN in quotes.
        const plain = rewrite(type, message, (field, value) => {
          if (field.kind === 'id') return [field.json, Buffer.from(value as string, 'hex')];
          return [field.json, field.kind === 'double' ? each(value, Number) : value];
        });
        const expected = type.encode(type.fromObject(plain)).finish();
        expect(Buffer.from(encodeJson(signal, message)).equals(expected)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('means the same in every form that proto3 JSON allows', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const other = rewrite(type, message, (field, value) => {
          if (field.kind === 'id') return [field.proto, (value as string).toUpperCase()];
          if (field.kind === 'enum') return [field.proto, each(value, (one) => nameOf(field.names, one as number))];
          if (field.kind === 'bytes')
            return [field.proto, each(value, (one) => Buffer.from(one as string, 'base64').toString('base64url'))];
          if (field.scalar?.endsWith('64') === true) return [field.proto, each(value, (one) => BigInt(one as string))];
          return [field.proto, value];
        });
        expect(encodeJson(signal, other)).toEqual(encodeJson(signal, message));
      }),
      { numRuns: 100 },
    );
  });
});

function nameOf(names: Readonly<Record<string, number>>, value: number): string | number {
  return Object.keys(names).find((name) => names[name] === value) ?? value;
}

describe('arbitrary JSON', () => {
  it('is encoded or refused with a JsonError, never anything else', () => {
    const names = ['resourceSpans', 'scopeSpans', 'spans', 'traceId', 'attributes', 'key', 'value', 'intValue', 'kind'];
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 8 },
        fc.jsonValue(),
        fc.array(tie('tree'), { maxLength: 2 }),
        fc.dictionary(fc.constantFrom(...names), tie('tree'), { maxKeys: 3 }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        try {
          encodeJson('traces', value);
        } catch (error) {
          expect((error as Error).name).toBe('JsonError');
        }
      }),
      { numRuns: 500 },
    );
  });
});
