import { describe, expect, it } from 'vitest';
import { difference, NO_DIFFERENCE } from './items.ts';
import { jsClient } from './js/client.ts';
import { SIGNALS } from './signals.ts';
import { visit } from './visit.ts';

const TARGETS = [
  { target: 'resource', change: tagResource },
  { target: 'item', change: tagItem },
] as const;

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue: string };
}

interface Item {
  readonly resource: { attributes: Attribute[] };
  readonly item: { attributes?: Attribute[] };
}

describe.each(TARGETS)('with the deployment processor, target $target', ({ target, change }) => {
  it('what is written differs from what was sent by the tag alone', async () => {
    const result = await visit('grpc', jsClient('gRPC', 'gzip'), { deployment: { target } });
    for (const signal of SIGNALS) {
      const tagged = result.sent[signal].map((item) => JSON.stringify(change(JSON.parse(item) as Item))).sort();
      expect(difference(tagged, result.written[signal])).toEqual(NO_DIFFERENCE);
    }
  });
});

function tagResource(item: Item): Item {
  const attributes = [...item.resource.attributes, ...tagOf(item)];
  return { ...item, resource: { ...item.resource, attributes } };
}

/** In alphabetical order, which is that of all keys in an item. */
function tagItem(item: Item): Item {
  const { attributes = [], ...rest } = item.item;
  const entries = Object.entries({ ...rest, attributes: [...attributes, ...tagOf(item)] });
  return { ...item, item: Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))) };
}

function tagOf(item: Item): Attribute[] {
  const found = item.resource.attributes.find(({ key }) => key === 'service.version');
  if (found === undefined) return [attribute('deployment.version', 'unknown')];
  return [
    attribute('deployment.version', found.value.stringValue),
    attribute('deployment.version.source', 'service.version'),
  ];
}

function attribute(key: string, value: string): Attribute {
  return { key, value: { stringValue: value } };
}
