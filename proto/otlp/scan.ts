import type { Columns, TelemetrySignal } from './columns.ts';
import type { ColumnsLease } from './growing.ts';
import { LogScanner } from './scan-logs.ts';
import { PointScanner } from './scan-metrics.ts';
import { SpanScanner } from './scan-spans.ts';

interface Scanners {
  readonly traces: SpanScanner;
  readonly metrics: PointScanner;
  readonly logs: LogScanner;
}

// Scanners keep scratch columns that are worth keeping; a scan is synchronous, so one of each serves the thread.
let scanners: Scanners | undefined;

/**
 * One pass over an encoded Export request. With a `lease` the columns are lent until it ends, and are longer than their
 * count. Without `readsAttributes` nothing is read of the attributes of items: the columns that come from them are empty.
 * The columns may take `bytesMax`. Throws `WireError` where it is malformed, and `TooManyEntries`.
 */
export function scan(
  signal: TelemetrySignal,
  bytes: Uint8Array,
  lease?: ColumnsLease,
  readsAttributes = true,
  bytesMax = Infinity,
): Columns {
  scanners ??= { traces: new SpanScanner(), metrics: new PointScanner(), logs: new LogScanner() };
  return scanners[signal].scan(bytes, lease, bytesMax, readsAttributes);
}
