import { describe, expect, test } from 'vitest';
import { Account } from '../../../pipeline/ledger/account.ts';
import { Books } from '../../../pipeline/ledger/books.ts';
import { type Ledger, readLedger } from '../../../pipeline/ledger/view.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { type Count, Meter } from '../../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../../pipeline/telemetry/metrics-table.ts';
import { assertBalanced, assertSettled, bookOf } from '../../support/ledger.ts';

const rejected = (items?: number) =>
  new PipelineError('rejected', 'for the test', items === undefined ? {} : { items });

/** A pipeline `traces` of `batch` and one exporter `out`, whose books are moved by hand. */
class Moved {
  readonly meter = new Meter(METRICS);
  readonly books = new Books(this.meter, {
    id: 'traces',
    flow: ['traces', 'traces'],
    processors: ['batch'],
    exporters: ['out'],
  });
  readonly account = new Account(this.meter, 'out', 'traces', 'traces');

  ledger(): Ledger {
    this.meter.refresh();
    return readLedger(this.meter.own());
  }

  /** So many items go all the way into the queue. */
  take(items: number): void {
    for (const seam of this.books.seams) seam.enter(items);
    this.account.accept(items);
    this.account.queue(items);
    for (const seam of this.books.seams.toReversed()) seam.accept(items);
  }

  add(name: string, labels: Record<string, string>, items: number): Count {
    const count = this.meter.counter(`windback_${name}_items_total`, labels);
    count.add(items);
    return count;
  }
}

describe('an account', () => {
  test('balances whatever becomes of what it accepted or restored', () => {
    const moved = new Moved();
    moved.take(20);
    moved.account.restore(5);
    moved.account.queue(5);
    assertBalanced(moved.ledger());
    const leave = (items: number) => moved.account.queue(-items);
    moved.account.deliver(7);
    leave(7);
    moved.account.drop(6, rejected(2));
    leave(6);
    moved.account.drop(3, rejected());
    leave(3);
    moved.account.drop(1, rejected(9));
    leave(1);
    moved.account.keep(8);
    leave(8);
    const ledger = moved.ledger();
    assertSettled(ledger);
    expect(bookOf(ledger, 'traces').exporters).toEqual([
      {
        id: 'out',
        incoming: 20,
        repeated: 0,
        accepted: 20,
        refused: {},
        restored: 5,
        delivered: 11,
        dropped: { rejected: 6 },
        kept: 8,
        queued: 0,
        on_disk: 0,
        unaccounted: 0,
      },
    ]);
  });

  test('tells what left the queue and was neither delivered nor dropped', () => {
    const moved = new Moved();
    moved.take(4);
    moved.account.queue(-4);
    const ledger = moved.ledger();
    expect([ledger.is_balanced, bookOf(ledger, 'traces').exporters[0]?.unaccounted]).toEqual([false, 4]);
    expect(() => assertBalanced(ledger)).toThrow(/exporter out: 4 are missing/);
  });

  test('tells what was delivered and is still in the queue', () => {
    const moved = new Moved();
    moved.take(4);
    moved.account.deliver(4);
    expect(bookOf(moved.ledger(), 'traces').exporters[0]?.unaccounted).toBe(-4);
  });

  test('tells what a pipeline handed to it and it does not know', () => {
    const moved = new Moved();
    moved.take(4);
    moved.add('exporter_incoming', { exporter: 'out', pipeline: 'traces', signal: 'traces' }, 3);
    expect(bookOf(moved.ledger(), 'traces').exporters[0]?.unaccounted).toBe(3);
  });
});

describe('a pipeline', () => {
  test('holds what has entered a processor and not gone on', () => {
    const moved = new Moved();
    const [entry, exit] = moved.books.seams;
    entry?.enter(3);
    entry?.enter(4);
    let book = bookOf(moved.ledger(), 'traces');
    expect([book.received, book.under_way, book.processors[0]?.held]).toEqual([7, 7, 7]);
    exit?.enter(7);
    expect(bookOf(moved.ledger(), 'traces').processors[0]?.held).toBe(0);
    exit?.refuse(7, 'queue_full');
    entry?.refuse(3, 'queue_full');
    entry?.refuse(4, 'queue_full');
    book = bookOf(moved.ledger(), 'traces');
    expect([book.refused, book.under_way, book.accepted]).toEqual([{ queue_full: 7 }, 0, 0]);
    assertSettled(moved.ledger());
  });

  test('what came out before its sender was answered is under way, and no item too many', () => {
    const moved = new Moved();
    const [entry, exit] = moved.books.seams;
    for (const seam of [entry, exit]) seam?.enter(3);
    moved.account.accept(3);
    moved.account.queue(3);
    assertBalanced(moved.ledger());
    exit?.accept(3);
    assertBalanced(moved.ledger());
    entry?.accept(3);
    assertBalanced(moved.ledger());
  });

  test('tells what a processor swallowed, and not what it says that it left out', () => {
    const moved = new Moved();
    const [entry] = moved.books.seams;
    entry?.enter(5);
    entry?.accept(5);
    moved.books.filtered(0, 'sampled').add(2);
    const book = bookOf(moved.ledger(), 'traces');
    expect([book.unaccounted, book.processors[0]?.unaccounted]).toEqual([3, 3]);
    expect(book.processors[0]?.filtered).toEqual({ sampled: 2 });
    expect(() => assertBalanced(moved.ledger())).toThrow(/processor batch: 3 are missing/);
  });

  test('that makes another signal has a book of each', () => {
    const meter = new Meter(METRICS);
    const books = new Books(meter, {
      id: 'decisions',
      flow: ['health', 'decisions'],
      processors: ['verdict'],
      exporters: ['file'],
    });
    const [entry, exit] = books.seams;
    entry?.enter(9);
    entry?.accept(9);
    exit?.enter(1);
    exit?.refuse(1, 'file_unwritable');
    const ledger = readLedger(meter.own());
    assertSettled(ledger);
    expect(bookOf(ledger, 'decisions', 'health').processors).toMatchObject([{ id: 'verdict', consumed: 9 }]);
    expect(bookOf(ledger, 'decisions')).toMatchObject({ received: 1, refused: { file_unwritable: 1 }, processors: [] });
  });
});

test('two graphs that count in one meter at once add up: one that stops while the next one runs', () => {
  const [old, next] = [new Moved(), new Moved()];
  old.take(5);
  next.take(3);
  next.books.seams[0]?.enter(2);
  const ledger = readLedger([...readings(old), ...readings(next)]);
  assertBalanced(ledger);
  expect(bookOf(ledger, 'traces')).toMatchObject({ accepted: 8, under_way: 2, exporters: [{ queued: 8 }] });
});

function* readings({ meter }: Moved) {
  meter.refresh();
  yield* meter.own();
}

test('books and rows are in the order of the configuration, what is not in it comes last', () => {
  const meter = new Meter(METRICS);
  const flow = ['traces', 'traces', 'traces'] as const;
  for (const id of ['traces/gone', 'traces/b', 'traces'])
    new Books(meter, { id, flow, processors: ['z', 'a'], exporters: [] });
  const at = { file: '', line: 0, column: 0 };
  const refs = (...ids: string[]) => ids.map((id) => ({ id, at, from: 'processors' as const }));
  const order = ['traces', 'traces/b'].map((id) => ({ id, processors: refs('a', 'z'), exporters: [] }));
  const { books } = readLedger(meter.own(), order);
  expect(books.map(({ pipeline }) => pipeline)).toEqual(['traces', 'traces/b', 'traces/gone']);
  expect(books[0]?.processors.map(({ id }) => id)).toEqual(['a', 'z']);
});

test('gauges and counters of other things are not part of it', () => {
  const meter = new Meter(METRICS);
  meter.counter('windback_health_folded_items_total', { processor: 'health', signal: 'traces' }).add(3);
  meter.gauge('windback_exporter_queue_size', { exporter: 'out' }).set(3);
  meter.counter('windback_processor_refused_items_total', { processor: 'm', signal: 'traces', reason: 'x' }).add(3);
  expect(readLedger(meter.own())).toEqual({ is_balanced: true, books: [] });
});
