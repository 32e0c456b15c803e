/**
 * Cumulative time series as differences. Source: OpenTelemetry metrics data model, "Resets and Gaps" and "Dealing with
 * unknown start time".
 */
import { LRUCache } from 'lru-cache';

/** One point of a series that counts up from its start. */
export interface CumulativePoint {
  /** Unix seconds; 0 where not told. */
  readonly startSeconds: number;
  readonly timeSeconds: number;
  /** What was counted since the start. */
  readonly total: number;
}

/**
 * What a point says beside the one before it:
 * - `first`: nothing, it only sets the start
 * - `new`: all of it is new, for the series began a moment ago
 * - `continues`: the difference is new
 * - `renewed`: a reset was seen in time, so all of it is new
 * - `reset`: a reset whose extent is not known, so it only sets the start
 * - `late`: older than what is known; nothing
 * - `restart`: much older than what is known, which had a wrong clock then; it only sets the start
 */
export type Progress = 'first' | 'new' | 'continues' | 'renewed' | 'reset' | 'late' | 'restart';

/** A series whose start is no longer ago than this, at its first point, has been seen whole. */
const YOUNG_SECONDS = 300;
/** Older than the last point by more than this is no delay on the way. */
const LATE_SECONDS = 300;
/** Starts that differ by less are one: some senders work theirs out anew each time. */
const START_JITTER_SECONDS = 1;
/** The export interval of an SDK, unless it was told another one. */
const USUAL_INTERVAL_SECONDS = 60;
/** How long after the last point a reset counts as seen, in intervals. */
const SEEN_INTERVALS = 2;
/** What all series of a table take at most, whatever their number: senders choose their names and buckets. */
const TABLE_BYTES_MAX = 128 * 1024 * 1024;
/** Larger ones are not kept. So a table from which something had to go is at least half full. */
const SERIES_BYTES_MAX = TABLE_BYTES_MAX / 2;
/** What a series takes beside its key and buckets, roughly. */
const SERIES_BYTES = 512;

/** What `point` says after `last`, of which the exports come every `intervalSeconds`. */
export function progressOf(
  last: CumulativePoint | undefined,
  point: CumulativePoint,
  intervalSeconds = USUAL_INTERVAL_SECONDS,
): Progress {
  if (last === undefined) return isYoung(point) ? 'new' : 'first';
  const gap = point.timeSeconds - last.timeSeconds;
  if (gap < 0) return gap < -LATE_SECONDS ? 'restart' : 'late';
  const areStartsKnown = point.startSeconds > 0 && last.startSeconds > 0;
  const startGap = areStartsKnown ? point.startSeconds - last.startSeconds : 0;
  const isSeen = gap <= SEEN_INTERVALS * intervalSeconds + 1;
  if (startGap < -START_JITTER_SECONDS) return gap > LATE_SECONDS ? 'restart' : 'late';
  if (startGap > START_JITTER_SECONDS) {
    // A process that began before the other one's last point is another one under the same name.
    const isSuccessor = point.startSeconds >= last.timeSeconds - intervalSeconds;
    return isSuccessor && (isSeen || isYoung(point)) ? 'renewed' : 'reset';
  }
  if (point.total >= last.total) return 'continues';
  if (gap === 0) return 'late';
  // With one and the same start a count cannot fall: two senders share the name, or one is broken.
  return !areStartsKnown && isSeen ? 'renewed' : 'reset';
}

function isYoung({ startSeconds, timeSeconds }: CumulativePoint): boolean {
  return startSeconds > 0 && timeSeconds >= startSeconds && timeSeconds - startSeconds <= YOUNG_SECONDS;
}

interface Known<Point> {
  readonly point: Point;
  readonly intervalSeconds: number;
}

/** The last point of each cumulative series, at most `limit` of them, and `TABLE_BYTES_MAX` of memory. */
export class CumulativeTable<Point extends CumulativePoint> {
  readonly #known: LRUCache<string, Known<Point>>;
  readonly #limit: number;

  /** `bytesOf`: what a point takes, where that is more than a few numbers. */
  constructor(limit: number, bytesOf: (point: Point) => number = () => 0) {
    this.#limit = limit;
    this.#known = new LRUCache({
      max: limit,
      maxSize: TABLE_BYTES_MAX,
      maxEntrySize: SERIES_BYTES_MAX,
      sizeCalculation: ({ point }, key) => SERIES_BYTES + key.length + bytesOf(point),
    });
  }

  /** Takes the next point of the series `key`. `last` is the one before it, where `progress` is `continues`. */
  advance(key: string, point: Point): { readonly progress: Progress; readonly last: Point | undefined } {
    const known = this.#known.get(key);
    // In a full table a series may have been forgotten: then it is not known to be young.
    const isForgotten = known === undefined && this.#isFull;
    const progress = progressOf(known?.point, point, known?.intervalSeconds);
    if (progress !== 'late') {
      const gap = known === undefined ? 0 : point.timeSeconds - known.point.timeSeconds;
      const intervalSeconds =
        progress === 'continues' && gap > 0 ? gap : (known?.intervalSeconds ?? USUAL_INTERVAL_SECONDS);
      this.#known.set(key, { point, intervalSeconds });
    }
    const isKept = !isForgotten && this.#known.has(key);
    return { progress: !isKept && progress === 'new' ? 'first' : progress, last: known?.point };
  }

  get #isFull(): boolean {
    return this.#known.size >= this.#limit || this.#known.calculatedSize >= TABLE_BYTES_MAX - SERIES_BYTES_MAX;
  }
}

/** The reason for which a point says less than its value, or nothing at all; undefined where it says all. */
export function reasonOf(progress: Progress): 'firstPoint' | 'counterReset' | 'outOfOrder' | undefined {
  switch (progress) {
    case 'first':
      return 'firstPoint';
    case 'renewed':
    case 'reset':
      return 'counterReset';
    case 'late':
    case 'restart':
      return 'outOfOrder';
    default:
      return undefined;
  }
}
