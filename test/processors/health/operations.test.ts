import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { OperationTable } from '../../../processors/health/operations.ts';
import type { SpanColumns } from '../../../proto/otlp/columns.ts';
import { scan } from '../../../proto/otlp/scan.ts';
import { encodeTree, type WireField } from '../../support/otlp-wire.ts';

const string = (number: number, value: string): WireField => ({ number, value: Buffer.from(value) });

/** A request of server spans of these names. */
function requestOf(names: readonly string[]): { bytes: Buffer; columns: SpanColumns } {
  const spans = names.map((name) => ({ number: 2, value: [string(5, name), { number: 6, value: 2n }] }));
  const bytes = encodeTree([{ number: 1, value: [{ number: 2, value: spans }] }]);
  return { bytes, columns: scan('traces', bytes) as SpanColumns };
}

function namesIn(table: OperationTable, names: readonly string[]): string[] {
  const { bytes, columns } = requestOf(names);
  return names.map((_, i) => table.name(table.ofSpan(bytes, columns, i)));
}

describe('operations of spans', () => {
  test('are those of their names, however often and in whatever order they come', () => {
    const table = new OperationTable(5000);
    const names = Array.from({ length: 3000 }, (_, i) => `GET /products/${i}`);
    expect(namesIn(table, names)).toEqual(names);
    expect(namesIn(table, names.toReversed())).toEqual(names.toReversed());
  });

  test('are "other" beyond the limit', () => {
    const table = new OperationTable(2);
    expect(namesIn(table, ['a', 'b', 'c', 'a', 'c', 'b'])).toEqual(['a', 'b', 'other', 'a', 'other', 'b']);
  });

  test('of long names are those of their beginnings', () => {
    const table = new OperationTable(10);
    const names = ['a', 'b'].map((end) => `GET /${'x'.repeat(100_000)}${end}`);
    expect(namesIn(table, names)).toEqual(names.map((name) => name.slice(0, 500)));
    expect(namesIn(table, ['GET /y'])).toEqual(['GET /y']);
  });

  test('are told by their bytes where they have no number, or the scanner began to number anew', () => {
    const table = new OperationTable(100_000);
    const long = `/${'x'.repeat(200)}`;
    expect(namesIn(table, ['a', long, 'b', long])).toEqual(['a', long, 'b', long]);
    const many = Array.from({ length: 90_000 }, (_, i) => `operation ${i}`);
    expect(namesIn(table, many)).toEqual(many);
    expect(namesIn(table, ['b', long, 'a', 'operation 7'])).toEqual(['b', long, 'a', 'operation 7']);
  });

  test('do not keep what the scanner numbered texts by', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const table = new OperationTable(100);
    const numberedBy = () => {
      const { bytes, columns } = requestOf(['quiet']);
      table.ofSpan(bytes, columns, 0);
      return new WeakRef(columns.texts);
    };
    const texts = numberedBy();
    requestOf(Array.from({ length: 180_000 }, (_, i) => `busy ${i}`));
    requestOf(['quiet']);
    await setImmediate();
    collect();
    expect(texts.deref()).toBeUndefined();
    expect(namesIn(table, ['quiet', 'new'])).toEqual(['quiet', 'new']);
  });
});
