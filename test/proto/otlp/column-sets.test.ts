import { expect, test } from 'vitest';
import { Lease } from '../../../pipeline/lease.ts';
import { ColumnSets, GrowingColumns } from '../../../proto/otlp/growing.ts';

const KEPT_BYTES = 4 * 1024 * 1024;

function sets() {
  let made = 0;
  const all = new ColumnSets(() => {
    made++;
    return new GrowingColumns({ startNano: new Float64Array(128) }, 128);
  });
  return { all, made: () => made };
}

/** Takes the columns of a request of so many items. */
function lend(all: ReturnType<typeof sets>['all'], items: number): Lease {
  const lease = new Lease();
  all.current.begin(Infinity);
  for (let i = 0; i < items; i++) {
    all.current.ensure(i, 0);
    all.current.columns.startNano[i] = i;
  }
  all.finish(items, lease);
  return lease;
}

test('as many requests as a queue holds may keep their columns, and others get them afterwards', () => {
  const { all, made } = sets();
  for (let round = 0; round < 3; round++) {
    const leases = Array.from({ length: 500 }, () => lend(all, 100));
    for (const lease of leases) lease.letGo();
  }
  expect(made()).toBe(501);
});

test('no more memory is kept than is said, whatever the requests were', () => {
  const { all } = sets();
  let bytes = 0;
  const leases = Array.from({ length: 100 }, () => {
    const { current } = all;
    const lease = lend(all, 1 << 14);
    return { lease, current };
  });
  for (const { lease } of leases) lease.letGo();
  // What comes next takes what is kept, the last first; then new ones are made.
  const before = new Set<object>(leases.map(({ current }) => current));
  for (;;) {
    lend(all, 1);
    if (!before.has(all.current)) break;
    bytes += all.current.bytes;
  }
  expect(bytes).toBeLessThanOrEqual(KEPT_BYTES);
  expect(bytes).toBeGreaterThan(KEPT_BYTES / 2);
});
