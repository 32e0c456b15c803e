/**
 * The ledger: where the items of every pipeline are, made of readings of the meter and checked against each other. A
 * pure function, so that the readings of several threads can be added up first.
 */
import type { PipelineConfig } from '../config/loaded.ts';
import type { ForeignReading, Labels } from '../telemetry/meter.ts';

/** Items by a reason. */
export type Reasons = Readonly<Record<string, number>>;

/** One signal in one pipeline. `decisions` may have two: health goes in, decisions come out. */
export interface Book {
  readonly pipeline: string;
  readonly signal: string;
  /** received = accepted + refused + under_way. */
  readonly received: number;
  readonly accepted: number;
  /** Whoever sent them was told, and has them still. */
  readonly refused: Reasons;
  /** Their sender waits for the answer. */
  readonly under_way: number;
  /** Came out at the end: accepted by all exporters. */
  readonly handed: number;
  readonly processors: readonly ProcessorRow[];
  readonly exporters: readonly AccountRow[];
  /** accepted - handed - filtered - consumed, as far as what is under way does not explain it. */
  readonly unaccounted: number;
}

/** incoming = outgoing + filtered + consumed. */
export interface ProcessorRow {
  readonly id: string;
  readonly incoming: number;
  readonly outgoing: number;
  readonly filtered: Reasons;
  /** They end here: it makes another signal of them. */
  readonly consumed: number;
  /** Inside, and their sender waits: a part of under_way. */
  readonly held: number;
  readonly unaccounted: number;
}

/** incoming + repeated = accepted; accepted + restored = delivered + dropped + kept + queued. */
export interface AccountRow {
  readonly id: string;
  readonly incoming: number;
  /** Accepted here, while another exporter of the pipeline refused them: they come again. */
  readonly repeated: number;
  readonly accepted: number;
  readonly refused: Reasons;
  readonly restored: number;
  readonly delivered: number;
  readonly dropped: Reasons;
  readonly kept: number;
  readonly queued: number;
  /** Of what is queued, what the loss of the process would not lose. */
  readonly on_disk: number;
  readonly unaccounted: number;
}

export interface Ledger {
  /** Whether nothing is unaccounted for. */
  readonly is_balanced: boolean;
  readonly books: readonly Book[];
}

/** In which order the books and their rows are shown; what is not named here follows. */
export type Order = readonly Pick<PipelineConfig, 'id' | 'processors' | 'exporters'>[];

const NAME = /^windback_(pipeline|processor|exporter)_([a-z_]+?)(?:_items)?(?:_total)?$/;
/** What of the readings the ledger is made of. */
const KEPT: ReadonlySet<string> = new Set([
  ...['received', 'accepted', 'refused', 'handed'].map((what) => `pipeline ${what}`),
  ...['incoming', 'outgoing', 'filtered', 'consumed', 'held'].map((what) => `processor ${what}`),
  ...['incoming', 'repeated', 'accepted', 'refused', 'restored', 'sent', 'dropped', 'kept', 'queue', 'queue_kept'].map(
    (what) => `exporter ${what}`,
  ),
]);

/** Whether a series is one that the ledger is made of. */
export function isOfLedger({ name, labels }: Pick<ForeignReading, 'name' | 'labels'>): boolean {
  const [, subject, what] = NAME.exec(name) ?? [];
  return labels['pipeline'] !== undefined && KEPT.has(`${subject} ${what}`);
}

/** Makes the ledger. Series with the same labels are added up. */
export function readLedger(readings: Iterable<ForeignReading>, order: Order = []): Ledger {
  const drafts = new Map<string, Draft>();
  for (const reading of readings) {
    if (!isOfLedger(reading)) continue;
    const { pipeline = '', signal = '' } = reading.labels;
    const key = JSON.stringify([pipeline, signal]);
    const draft = drafts.get(key) ?? new Draft(pipeline, signal);
    drafts.set(key, draft);
    draft.add(reading);
  }
  const rank = (id: string) => {
    const found = order.findIndex((pipeline) => pipeline.id === id);
    return found < 0 ? order.length : found;
  };
  const books = [...drafts.values()]
    .toSorted((a, b) => rank(a.pipeline) - rank(b.pipeline))
    .map((draft) => draft.finish(order.find(({ id }) => id === draft.pipeline)));
  return { is_balanced: books.every(isBalanced), books };
}

function isBalanced({ unaccounted, processors, exporters }: Book): boolean {
  return [unaccounted, ...[...processors, ...exporters].map((row) => row.unaccounted)].every((items) => items === 0);
}

/** What was read of one pipeline and signal. */
class Draft {
  readonly pipeline: string;
  readonly signal: string;
  /** By whom and what: `pipeline:`, `processor:batch`, `exporter:otlp`. */
  readonly #sums = new Map<string, Map<string, Record<string, number>>>();

  constructor(pipeline: string, signal: string) {
    this.pipeline = pipeline;
    this.signal = signal;
  }

  add({ name, labels, value }: ForeignReading): void {
    const [, subject = '', what = ''] = NAME.exec(name) ?? [];
    const key = `${subject}:${idOf(subject, labels)}`;
    const row = this.#sums.get(key) ?? new Map<string, Record<string, number>>();
    this.#sums.set(key, row);
    const reasons = row.get(what) ?? {};
    row.set(what, reasons);
    const { reason = '' } = labels;
    reasons[reason] = (reasons[reason] ?? 0) + value;
  }

  finish(order: Order[number] | undefined): Book {
    const of = new Row(this.#sums.get('pipeline:'));
    const underWay = of.sum('received') - of.sum('accepted') - of.sum('refused');
    const processors = this.#rows('processor', order?.processors).map(([id, row]) => processorRow(id, row, underWay));
    const filtered = processors.reduce((sum, row) => sum + total(row.filtered) + row.consumed, 0);
    return {
      pipeline: this.pipeline,
      signal: this.signal,
      received: of.sum('received'),
      accepted: of.sum('accepted'),
      refused: of.reasons('refused'),
      under_way: underWay,
      handed: of.sum('handed'),
      processors,
      exporters: this.#rows('exporter', order?.exporters).map(([id, row]) => accountRow(id, row, underWay)),
      unaccounted: gap(of.sum('accepted'), of.sum('handed') + filtered, underWay),
    };
  }

  #rows(subject: 'processor' | 'exporter', order: readonly { readonly id: string }[] = []): [string, Row][] {
    const rank = (id: string) => {
      const found = order.findIndex((ref) => ref.id === id);
      return found < 0 ? order.length : found;
    };
    return [...this.#sums]
      .filter(([key]) => key.startsWith(`${subject}:`))
      .map(([key, sums]): [string, Row] => [key.slice(subject.length + 1), new Row(sums)])
      .toSorted(([a], [b]) => rank(a) - rank(b));
  }
}

class Row {
  readonly #sums: ReadonlyMap<string, Record<string, number>>;

  constructor(sums: ReadonlyMap<string, Record<string, number>> = new Map()) {
    this.#sums = sums;
  }

  sum(what: string): number {
    return total(this.#sums.get(what) ?? {});
  }

  reasons(what: string): Reasons {
    const found = Object.entries(this.#sums.get(what) ?? {}).filter(([, items]) => items !== 0);
    return Object.fromEntries(found.toSorted(([, a], [, b]) => b - a));
  }
}

function processorRow(id: string, row: Row, underWay: number): ProcessorRow {
  const [incoming, outgoing, consumed] = [row.sum('incoming'), row.sum('outgoing'), row.sum('consumed')];
  return {
    id,
    incoming,
    outgoing,
    filtered: row.reasons('filtered'),
    consumed,
    held: row.sum('held'),
    unaccounted: gap(incoming, outgoing + row.sum('filtered') + consumed, underWay),
  };
}

function accountRow(id: string, row: Row, underWay: number): AccountRow {
  const [incoming, repeated, accepted] = [row.sum('incoming'), row.sum('repeated'), row.sum('accepted')];
  const [restored, delivered, kept, queued] = [row.sum('restored'), row.sum('sent'), row.sum('kept'), row.sum('queue')];
  const lost = accepted + restored - delivered - row.sum('dropped') - kept - queued;
  return {
    id,
    incoming,
    repeated,
    accepted,
    refused: row.reasons('refused'),
    restored,
    delivered,
    dropped: row.reasons('dropped'),
    kept,
    queued,
    on_disk: row.sum('queue_kept'),
    unaccounted: lost === 0 ? gap(incoming + repeated, accepted, underWay) : lost,
  };
}

/**
 * How many of `before` are not found `behind`; negative where there are more behind than came. What is `underWay` may
 * have come out already: its sender does not know yet.
 */
function gap(before: number, behind: number, underWay: number): number {
  const ahead = behind - before;
  if (ahead < 0) return -ahead;
  return ahead > underWay ? underWay - ahead : 0;
}

export function total(reasons: Reasons): number {
  return Object.values(reasons).reduce((sum, items) => sum + items, 0);
}

function idOf(subject: string, labels: Labels): string {
  return subject === 'pipeline' ? '' : (labels[subject] ?? '');
}
