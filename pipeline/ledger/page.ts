/** The ledger for people: `GET /debug/ledger`, and a word at the end if something is missing. */
import { ERRORS } from '../errors.ts';
import type { Router } from '../routes.ts';
import type { Logger } from '../telemetry/logger.ts';
import { type AccountRow, type Book, type Ledger, type ProcessorRow, type Reasons, total } from './view.ts';

/** JSON where the request prefers it, else the page. */
export function serveLedger(router: Router, read: () => Promise<Ledger>): void {
  router.of('ledger').add('GET', '/debug/ledger', async ({ accept }) => {
    const ledger = await read();
    return prefersJson(accept) ? { json: ledger } : { text: ledgerPage(ledger) };
  });
}

/** Once everything has stopped: what is missing then was lost without a word. */
export function checkAtEnd({ is_balanced, books }: Ledger, logger: Logger): void {
  if (is_balanced) return;
  const { what, todo } = ERRORS.internal;
  logger.error({ code: 'internal', unaccounted: complaints(books), todo }, `${what}: items are not accounted for`);
}

/** Whether `application/json` stands before anything that a text would do for. */
function prefersJson(accept: string): boolean {
  const types = accept.split(',').map((type) => type.split(';')[0]?.trim().toLowerCase());
  const json = types.indexOf('application/json');
  const text = types.findIndex((type) => type === 'text/plain' || type === 'text/*');
  return json >= 0 && (text < 0 || json < text);
}

/** All of it as plain text. */
export function ledgerPage({ is_balanced, books }: Ledger): string {
  const wrong = ['NOT every item is accounted for:', ...complaints(books).map((line) => `  ${line}`)].join('\n');
  const head = is_balanced ? 'Every item is accounted for.' : wrong;
  return [head, ...books.map(bookText)].join('\n\n').concat('\n');
}

function complaints(books: readonly Book[]): string[] {
  return books
    .flatMap(({ pipeline, signal, unaccounted, processors, exporters }) => {
      const where = titleOf(pipeline, signal);
      return [
        { place: where, unaccounted },
        ...processors.map((row) => ({ place: `${where}, processor ${row.id}`, unaccounted: row.unaccounted })),
        ...exporters.map((row) => ({ place: `${where}, exporter ${row.id}`, unaccounted: row.unaccounted })),
      ];
    })
    .filter(({ unaccounted }) => unaccounted !== 0)
    .map(({ place, unaccounted }) =>
      unaccounted > 0 ? `${place}: ${unaccounted} are missing` : `${place}: ${-unaccounted} too many`,
    );
}

function bookText(book: Book): string {
  const { pipeline, signal, received, accepted, refused, under_way, processors, exporters } = book;
  const sum = `  received ${received} = accepted ${accepted} + refused ${reasonsText(refused)} + under way ${under_way}`;
  const tables = [processorTable(processors), accountTable(exporters)].filter((table) => table !== '');
  return [titleOf(pipeline, signal), sum, ...tables].join('\n');
}

function titleOf(pipeline: string, signal: string): string {
  return pipeline.split('/')[0] === signal ? pipeline : `${pipeline} (${signal})`;
}

function processorTable(rows: readonly ProcessorRow[]): string {
  if (rows.length === 0) return '';
  const head = ['processor', 'incoming', 'outgoing', 'consumed', 'held', 'filtered'];
  const body = rows.map((row) => [
    row.id,
    ...[row.incoming, row.outgoing, row.consumed, row.held].map(String),
    reasonsText(row.filtered),
  ]);
  return tableText([head, ...body]);
}

function accountTable(rows: readonly AccountRow[]): string {
  if (rows.length === 0) return '';
  const head = ['exporter', 'accepted', 'restored', 'delivered', 'queued', 'kept', 'repeated', 'dropped', 'refused'];
  const body = rows.map((row) => [
    row.id,
    ...[row.accepted, row.restored, row.delivered, row.queued, row.kept, row.repeated].map(String),
    reasonsText(row.dropped),
    reasonsText(row.refused),
  ]);
  return tableText([head, ...body]);
}

/** `5 (rejected 3, abandoned 2)`. */
function reasonsText(reasons: Reasons): string {
  const entries = Object.entries(reasons);
  if (entries.length === 0) return '0';
  return `${total(reasons)} (${entries.map(([reason, items]) => `${reason} ${items}`).join(', ')})`;
}

/** The first column and texts to the left, figures to the right. */
function tableText(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  const isFigures = widths.map((_, i) => rows.slice(1).every((row) => /^\d+$/.test(row[i] ?? '')));
  return rows
    .map((row) => row.map((cell, i) => (isFigures[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))))
    .map((cells) => `  ${cells.join('  ')}`.trimEnd())
    .join('\n');
}
