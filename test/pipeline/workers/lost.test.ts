import { expect, test } from 'vitest';
import { Account } from '../../../pipeline/ledger/account.ts';
import { Books } from '../../../pipeline/ledger/books.ts';
import { readLedger } from '../../../pipeline/ledger/view.ts';
import { Meter } from '../../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../../pipeline/telemetry/metrics-table.ts';
import { countLost } from '../../../pipeline/workers/lost.ts';
import { cellMaker, WorkerSeries } from '../../../pipeline/workers/series.ts';
import { assertBalanced, assertSettled, bookOf } from '../../support/ledger.ts';

/** A worker that runs `traces` through `health`, to two exporters, and is ended in the middle of it. */
function worker() {
  const series = new WorkerSeries();
  const meter = new Meter(
    METRICS,
    cellMaker((place) => series.add(0, place)),
  );
  const exporters = ['one', 'two'];
  const books = new Books(meter, { id: 'traces', flow: ['traces', 'traces'], processors: ['health'], exporters });
  const [one, two] = exporters.map((id) => new Account(meter, id, 'traces', 'traces')) as [Account, Account];
  const take = (account: Account, items: number) => {
    account.accept(items);
    account.queue(items);
  };
  /** Closes the books and shows what the main thread then has. */
  const end = () => {
    const main = new Meter(METRICS);
    const lost = countLost(series, 0, main);
    series.retire(0);
    return { lost, ledger: readLedger([...main.own(), ...series.retired()]) };
  };
  const [entry, exit] = books.seams as [Books['seams'][0], Books['seams'][0]];
  return { entry, exit, one, two, take, end };
}

test('what waits in queues is lost, and what was under way is refused: nobody was answered', () => {
  const { entry, exit, one, two, take, end } = worker();
  // Taken and answered; of one exporter's a part is delivered.
  for (const seam of [entry, exit]) seam.enter(10);
  for (const account of [one, two]) take(account, 10);
  for (const seam of [exit, entry]) seam.accept(10);
  one.deliver(4);
  one.queue(-4);
  // One exporter has it, the other one's queue is full.
  for (const seam of [entry, exit]) seam.enter(3);
  take(one, 3);
  const { lost, ledger } = end();
  assertSettled(ledger);
  expect(lost).toBe(19);
  expect(bookOf(ledger, 'traces')).toMatchObject({
    accepted: 10,
    refused: { worker_lost: 3 },
    exporters: [
      { id: 'one', accepted: 13, repeated: 3, delivered: 4, dropped: { worker_lost: 9 } },
      { id: 'two', accepted: 10, repeated: 0, delivered: 0, dropped: { worker_lost: 10 } },
    ],
  });
});

test('what had come out of the pipeline was taken, though its sender was not told', () => {
  const { entry, exit, one, two, take, end } = worker();
  for (const seam of [entry, exit]) seam.enter(5);
  for (const account of [one, two]) take(account, 5);
  exit.accept(5);
  const { ledger } = end();
  assertBalanced(ledger);
  expect(bookOf(ledger, 'traces')).toMatchObject({
    accepted: 5,
    refused: {},
    under_way: 0,
    processors: [{ incoming: 5, outgoing: 5 }],
    exporters: [{ incoming: 5, repeated: 0 }, { incoming: 5 }],
  });
});

test('items of which it kept no book stay missing', () => {
  const { one, take, end } = worker();
  take(one, 5);
  one.deliver(6);
  const { ledger } = end();
  expect(ledger.is_balanced).toBe(false);
  expect(bookOf(ledger, 'traces').exporters[0]?.unaccounted).toBe(-1);
});

test('what lies on disk is kept: whoever comes in its place restores it', () => {
  const { entry, exit, one, two, take, end } = worker();
  for (const seam of [entry, exit]) seam.enter(5);
  one.accept(5);
  one.queue(5, true);
  take(two, 5);
  for (const seam of [exit, entry]) seam.accept(5);
  const { lost, ledger } = end();
  assertSettled(ledger);
  expect(lost).toBe(5);
  expect(bookOf(ledger, 'traces').exporters).toMatchObject([
    { id: 'one', kept: 5, dropped: {} },
    { id: 'two', kept: 0, dropped: { worker_lost: 5 } },
  ]);
});
