import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TelemetryBatch } from '../../../pipeline/batch.ts';
import type { TelemetrySignal } from '../../../proto/otlp/columns.ts';
import { halve } from '../../../proto/otlp/keep-items.ts';
import { encodeJson } from '../../../proto/otlp/json.ts';
import { decodeToJson, type JsonObject } from '../../../proto/otlp/json-decode.ts';
import { requestType } from '../../../proto/otlp/schema.ts';
import { canonicalJson } from '../../support/otlp-arbitrary.ts';
import { requestBytes } from '../../support/otlp-requests.ts';
import { encodeTree, wireTree } from '../../support/otlp-wire.ts';
import { WORDS } from './otlp-words.ts';

const SIGNALS = ['traces', 'metrics', 'logs'] as const;
const NAMES = {
  traces: ['resourceSpans', 'scopeSpans', 'spans'],
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
} as const;
const DATA = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'] as const;

const count = (signal: TelemetrySignal, bytes: Uint8Array) => TelemetryBatch.open(signal, bytes).items;

/** Each item with all that it stands in. */
function itemsIn(signal: TelemetrySignal, bytes: Uint8Array): string[] {
  const [groups, scopes, items] = NAMES[signal];
  const list = (of: JsonObject, name: string) => (of[name] ?? []) as JsonObject[];
  return list(decodeToJson(signal, bytes), groups).flatMap((group) =>
    list(group, scopes).flatMap((scope) =>
      list(scope, items).flatMap((item) => {
        const around = [
          { ...group, [scopes]: undefined },
          { ...scope, [items]: undefined },
        ];
        if (signal !== 'metrics') return [JSON.stringify([...around, item])];
        const kind = DATA.find((name) => name in item);
        if (kind === undefined) return [];
        const data = item[kind] as JsonObject;
        const metric = { ...item, [kind]: { ...data, dataPoints: undefined } };
        return list(data, 'dataPoints').map((point) => JSON.stringify([...around, metric, point]));
      }),
    ),
  );
}

describe.each(SIGNALS)('half of the %s', (signal) => {
  test('is in each of the two, in its order and with all that it stands in', () => {
    fc.assert(
      fc.property(canonicalJson(requestType(signal)), (json) => {
        const bytes = encodeJson(signal, json);
        const items = count(signal, bytes);
        const halves = halve(signal, bytes, items);
        expect(halves === undefined).toBe(items < 2);
        if (halves === undefined) return;
        const [first, second] = halves.map((half) => itemsIn(signal, half)) as [string[], string[]];
        expect([...first, ...second]).toEqual(itemsIn(signal, bytes));
        expect(first.length - second.length).toBeOneOf([0, 1]);
      }),
      { numRuns: 300 },
    );
  });

  test('is taken from anything that can be scanned, whatever unknown fields are in it', () => {
    fc.assert(
      fc.property(wireTree(requestType(signal), WORDS), (tree) => {
        const bytes = encodeTree(tree);
        const items = count(signal, bytes);
        const counts = halve(signal, bytes, items)?.map((half) => count(signal, half)) ?? [items];
        expect(counts.reduce((sum, each) => sum + each, 0)).toBe(items);
      }),
      { numRuns: 100 },
    );
  });

  test('again and again ends at one item each', () => {
    const parts = (bytes: Uint8Array): Uint8Array[] =>
      halve(signal, bytes, count(signal, bytes))?.flatMap(parts) ?? [bytes];
    const all = parts(requestBytes(signal, 100));
    expect(all.map((part) => count(signal, part))).toEqual(Array.from({ length: 100 }, () => 1));
    expect(all.flatMap((part) => itemsIn(signal, part))).toEqual(itemsIn(signal, requestBytes(signal, 100)));
  });
});
