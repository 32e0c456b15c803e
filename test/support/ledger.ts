/** Whether everything that came into the pipelines is accounted for. */
import { expect } from 'vitest';
import { ledgerPage } from '../../pipeline/ledger/page.ts';
import { type AccountRow, type Book, type Ledger, type ProcessorRow, total } from '../../pipeline/ledger/view.ts';

/**
 * Throws, with the whole ledger, where items are missing or too many. It does the sums by itself: what the ledger says
 * of its own balance is compared with them.
 */
export function assertBalanced(ledger: Ledger): void {
  const wrong = ledger.books.flatMap(wrongsOf);
  if (wrong.length > 0 || !ledger.is_balanced) throw new Error(`${wrong.join('; ')}\n${ledgerPage(ledger)}`);
}

/** The same, and nothing is left anywhere: nobody waits for an answer, and every queue is empty. */
export function assertSettled(ledger: Ledger): void {
  assertBalanced(ledger);
  const left = ledger.books.flatMap((book) => [
    book.under_way,
    ...book.processors.map(({ held }) => held),
    ...book.exporters.map(({ queued }) => queued),
  ]);
  if (left.some((items) => items !== 0)) throw new Error(`something is left\n${ledgerPage(ledger)}`);
}

/** The ledger of a running Windback, by the port of its metrics. */
export async function askLedger(port: number): Promise<Ledger> {
  const answer = await fetch(`http://localhost:${port}/debug/ledger`, { headers: { accept: 'application/json' } });
  expect(answer.status).toBe(200);
  return (await answer.json()) as Ledger;
}

/** The sum of one figure over all accounts with an exporter. */
export function ofExporter(ledger: Ledger, id: string, figure: (row: AccountRow) => number): number {
  return ledger.books
    .flatMap(({ exporters }) => exporters.filter((row) => row.id === id))
    .reduce((sum, row) => sum + figure(row), 0);
}

export function bookOf(ledger: Ledger, pipeline: string, signal = pipeline.split('/')[0]): Book {
  const book = ledger.books.find((one) => one.pipeline === pipeline && one.signal === signal);
  if (book === undefined) throw new Error(`no book of ${pipeline} ${signal} in\n${ledgerPage(ledger)}`);
  return book;
}

function wrongsOf(book: Book): string[] {
  const { pipeline, signal, received, accepted, refused, under_way: underWay } = book;
  const wrongs: string[] = [];
  const demand = (what: string, isRight: boolean) => {
    if (!isRight) wrongs.push(`${pipeline} ${signal}: ${what}`);
  };
  const follows = (before: number, behind: number) => behind >= before && behind <= before + underWay;
  demand('received', received === accepted + total(refused) + underWay && underWay >= 0);
  const ended = (row: ProcessorRow) => total(row.filtered) + row.consumed;
  const inside = book.processors.reduce((sum, row) => sum + ended(row), 0);
  demand('accepted', follows(accepted, book.handed + inside));
  for (const row of book.processors) demand(row.id, follows(row.incoming, row.outgoing + ended(row)) && row.held >= 0);
  for (const row of book.exporters) {
    demand(`${row.id} incoming`, follows(row.incoming + row.repeated, row.accepted));
    const found = row.delivered + total(row.dropped) + row.kept + row.queued;
    demand(`${row.id} accepted`, row.accepted + row.restored === found && row.queued >= 0);
  }
  return wrongs;
}
