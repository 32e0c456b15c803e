import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TelemetryBatch } from '../../../pipeline/batch.ts';
import type { Tag } from '../../../pipeline/tag.ts';
import { METRIC_KIND, type TelemetrySignal } from '../../../proto/otlp/columns.ts';
import { withAttributes } from '../../../proto/otlp/resource.ts';
import { requestType } from '../../../proto/otlp/schema.ts';
import { encodeTree, messagesIn, type WireField, type WireTree, wireTree } from '../../support/otlp-wire.ts';
import { WORDS } from './otlp-words.ts';

const SIGNALS = ['traces', 'metrics', 'logs'] as const;

interface Attribute {
  readonly key: string;
  readonly value: string;
}

const attributes = fc.uniqueArray(
  fc.record({
    key: fc.constantFrom('deployment.version', 'deployment.version.source', 'service.version', 'ключ'),
    value: fc.oneof(fc.constantFrom('', 'v'.repeat(127), 'v'.repeat(20_000)), fc.string({ unit: 'grapheme' })),
  }),
  { selector: ({ key }) => key, maxLength: 3 },
);

describe.each(SIGNALS)('%s with tags written', (signal) => {
  const requests = wireTree(requestType(signal), WORDS);

  test('on resources: the Resource has them instead of its own, all else is there byte for byte', () => {
    fc.assert(
      fc.property(requests, attributes, (request, added) => {
        const batch = tagged(signal, encodeTree(request), added, 'resource');
        const expected = encodeTree(mapMessages(request, 1, (group) => withResource(group, added)));
        expect(hex(batch.encoded())).toBe(hex(expected));
      }),
      { numRuns: 300 },
    );
  });

  test('on items: each has them instead of its own, all else is there byte for byte', () => {
    fc.assert(
      fc.property(requests, attributes, (request, added) => {
        const batch = tagged(signal, encodeTree(request), added, 'item');
        expect(hex(batch.encoded())).toBe(hex(encodeTree(withItemAttributes(signal, request, added))));
      }),
      { numRuns: 300 },
    );
  });
});

describe('batches', () => {
  const bytes = encodeTree([
    { number: 1, value: [{ number: 1, value: [keyValue(1, 'service.name', 'shop')] }] },
    { number: 1, value: [] },
  ]);

  test('an untagged batch is the bytes that came in', () => {
    expect(TelemetryBatch.open('traces', bytes).encoded()).toBe(bytes);
  });

  test('the bytes that came in are never changed', () => {
    const before = Buffer.from(bytes);
    tagged('traces', bytes, [{ key: 'deployment.version', value: '1' }], 'resource').encoded();
    tagged('traces', bytes, [{ key: 'deployment.version', value: '1' }], 'item').encoded();
    expect(bytes).toEqual(before);
  });

  test('the request is encoded once, and anew after another tag', () => {
    const batch = tagged('traces', bytes, [{ key: 'a', value: '1' }], 'resource');
    const first = batch.encoded();
    expect(batch.encoded()).toBe(first);
    batch.tag(tagsOf(batch, [{ key: 'a', value: '2' }]), 'resource');
    expect(hex(batch.encoded())).not.toBe(hex(first));
  });

  test('a fork does not see what is done to its origin, nor the other way', () => {
    const origin = tagged('traces', bytes, [{ key: 'a', value: '1' }], 'resource');
    const fork = origin.fork();
    const before = hex(origin.encoded());
    origin.tag(tagsOf(origin, [{ key: 'a', value: '2' }]), 'resource');
    expect(hex(fork.encoded())).toBe(before);
    fork.tag(tagsOf(fork, [{ key: 'a', value: '3' }]), 'item');
    expect(hex(origin.encoded())).toContain(Buffer.from('a\x12\x03\x0a\x012').toString('hex'));
    expect(fork.bytes).toBe(origin.bytes);
    expect(fork.columns).toBe(origin.columns);
  });
});

test('of a Resource that is there twice, which protobuf merges, nothing is lost', () => {
  const group = [
    { number: 1, value: [keyValue(1, 'host.name', 'a')] },
    { number: 3, value: Buffer.from('schema') },
    { number: 1, value: [keyValue(1, 'service.version', 'old')] },
  ];
  const batch = tagged(
    'logs',
    encodeTree([{ number: 1, value: group }]),
    [{ key: 'deployment.version', value: 'new' }],
    'resource',
  );
  const type = requestType('logs');
  const { resource } = type.toObject(type.decode(batch.encoded())).resourceLogs[0];
  expect(resource.attributes.map(({ key }: { key: string }) => key)).toEqual([
    'host.name',
    'service.version',
    'deployment.version',
  ]);
});

test('an attribute of an item that is no KeyValue passes as it is', () => {
  const broken = { number: 9, value: Buffer.from([0x0a, 9]) };
  const span = (...fields: WireTree) =>
    encodeTree([{ number: 1, value: [{ number: 2, value: [{ number: 2, value: fields }] }] }]);
  const batch = tagged('traces', span(broken), [{ key: 'deployment.version', value: '1' }], 'item');
  expect(hex(batch.encoded())).toBe(hex(span(broken, keyValue(9, 'deployment.version', '1'))));
});

function tagged(
  signal: TelemetrySignal,
  bytes: Uint8Array,
  added: readonly Attribute[],
  target: 'resource' | 'item',
): TelemetryBatch {
  const batch = TelemetryBatch.open(signal, bytes);
  batch.tag(tagsOf(batch, added), target);
  return batch;
}

/** Tags as the deployment tagger makes them. */
function tagsOf(batch: TelemetryBatch, added: readonly Attribute[]): Tag[] {
  const { count, offset, length } = batch.columns.resources;
  return Array.from({ length: count }, (_, i) => {
    const start = offset[i] as number;
    const resource = batch.bytes.subarray(start, start + (length[i] as number));
    const empty = {
      namespace: '',
      service: '',
      environment: '',
      serviceKey: '',
      version: '',
      source: '',
      instance: '',
    };
    return { ...empty, taggedResource: withAttributes(resource, added), attributes: added };
  });
}

/** What should become of a group: its Resource changed where it stands, or a new one in front. */
function withResource(group: WireTree, added: readonly Attribute[]): WireTree {
  const change = (resource: WireTree) => withNew(resource, 1, added);
  if (messagesIn(group, 1).length === 0) return [{ number: 1, value: change([]) }, ...group];
  return mapMessages(group, 1, change);
}

const POINT_ATTRIBUTES = new Map<number, number>([
  [METRIC_KIND.gauge, 7],
  [METRIC_KIND.sum, 7],
  [METRIC_KIND.histogram, 9],
  [METRIC_KIND.exponentialHistogram, 1],
  [METRIC_KIND.summary, 7],
]);

function withItemAttributes(signal: TelemetrySignal, request: WireTree, added: readonly Attribute[]): WireTree {
  const item = (fields: WireTree): WireTree => {
    if (signal === 'traces') return withNew(fields, 9, added);
    if (signal === 'logs') return withNew(fields, 6, added);
    return [...POINT_ATTRIBUTES].reduce(
      (metric, [kind, number]) =>
        mapMessages(metric, kind, (data) => mapMessages(data, 1, (point) => withNew(point, number, added))),
      fields,
    );
  };
  return mapMessages(request, 1, (group) => mapMessages(group, 2, (scope) => mapMessages(scope, 2, item)));
}

/** A message without the KeyValues of these keys in its field `number`, and with new ones behind it. */
function withNew(fields: WireTree, number: number, added: readonly Attribute[]): WireTree {
  const keys = new Set(added.map(({ key }) => key));
  const kept = fields.filter((field) => field.number !== number || !keys.has(keyOf(field)));
  return [...kept, ...added.map(({ key, value }) => keyValue(number, key, value))];
}

function keyOf(field: WireField): string {
  const key = (field.value as WireTree).find(({ number }) => number === 1)?.value ?? new Uint8Array();
  return Buffer.from(key as Uint8Array).toString('utf8');
}

function keyValue(number: number, key: string, value: string): WireField {
  return {
    number,
    value: [
      { number: 1, value: Buffer.from(key) },
      { number: 2, value: [{ number: 1, value: Buffer.from(value) }] },
    ],
  };
}

function mapMessages(tree: WireTree, number: number, change: (fields: WireTree) => WireTree): WireTree {
  return tree.map((field) =>
    field.number === number && Array.isArray(field.value) ? { number, value: change(field.value) } : field,
  );
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
