/** Every text of the schema: that it is redacted, or named in the README as one that is not looked into. */
import type protobuf from 'protobufjs';
import { expect, test } from 'vitest';
import { requestType } from '../../../proto/otlp/schema.ts';
import { encodeTree, type WireTree } from '../../support/otlp-wire.ts';
import { Redacting } from './support.ts';

const SECRET = Buffer.from('secret');

/** The texts below a message: what each is called, and a message in which it alone is there, and says the secret. */
function textsOf(type: protobuf.Type, above: readonly protobuf.Type[] = []): [string, WireTree][] {
  // Values are in values.
  if (above.includes(type)) return [];
  return type.fieldsArray.flatMap((field): [string, WireTree][] => {
    const { resolvedType: inner } = field.resolve();
    if (field.type === 'string') return [[`${type.name}.${field.name}`, [{ number: field.id, value: SECRET }]]];
    if (inner === null || !('fields' in inner)) return [];
    return textsOf(inner, [...above, type]).map(([name, value]) => [name, [{ number: field.id, value }]]);
  });
}

const EVERYWHERE = [
  'EntityRef.descriptionKeys',
  'EntityRef.idKeys',
  'EntityRef.schemaUrl',
  'EntityRef.type',
  'InstrumentationScope.name',
  'KeyValue.key',
];

test.each([
  ['traces', ['Link.traceState', 'ResourceSpans.schemaUrl', 'ScopeSpans.schemaUrl', 'Span.traceState']],
  [
    'metrics',
    ['Metric.description', 'Metric.name', 'Metric.unit', 'ResourceMetrics.schemaUrl', 'ScopeMetrics.schemaUrl'],
  ],
  ['logs', ['LogRecord.severityText', 'ResourceLogs.schemaUrl', 'ScopeLogs.schemaUrl']],
] as const)('of all texts in %s only those pass that are known to', async (signal, known) => {
  const passed = new Set<string>();
  for (const [name, tree] of textsOf(requestType(signal))) {
    const redacting = new Redacting({ allow_all_keys: true, blocked_values: ['secret'] });
    const out = Buffer.from(await redacting.bytes(signal, encodeTree(tree)));
    if (out.includes(SECRET)) passed.add(name);
    else expect(out.includes('****')).toBe(true);
  }
  expect([...passed].toSorted()).toEqual([...EVERYWHERE, ...known].toSorted());
});
