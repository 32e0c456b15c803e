import { mkdirSync, readdirSync, readFileSync, truncateSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { TelemetrySignal } from '../../proto/otlp/columns.ts';
import { PipelineError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import { type Found, HEADER_BYTES, headerOf, isWhole, scanSegment } from './record.ts';
import { Segment } from './segment.ts';

/** A segment that has as much is followed by a new one, bytes. */
const SEGMENT_BYTES = 8 << 20;
/** What is written at once, at most, but for the last request: who waits longer waits for the next write. */
const GROUP_BYTES = 16 << 20;

/** Where the batches of one exporter lie, as far as this thread writes them. */
export interface SpoolSettings {
  /** The folder of the exporter; it is made where there is none. */
  readonly directory: string;
  /** Whether a batch is there only when the disk says so. Without, the last ones are lost when the machine crashes. */
  readonly fsync: boolean;
  /** The number of this thread among those that write to the folder. */
  readonly writer: number;
  /** Whether this thread delivers what `writer` has left. */
  adopts(writer: number): boolean;
}

/** A batch in the spool. */
export interface Place extends Found {
  readonly segment: Segment;
}

/** A batch as it is written. */
interface Appended {
  readonly signal: TelemetrySignal;
  readonly items: number;
  readonly bytes: Uint8Array;
}

/** What was there when it was opened. */
export interface Leftovers {
  readonly places: readonly Place[];
  /** Items of batches that were there and cannot be read any more. */
  readonly damagedItems: ReadonlyMap<TelemetrySignal, number>;
}

interface Waiting {
  readonly signal: TelemetrySignal;
  readonly items: number;
  readonly header: Buffer;
  readonly request: Uint8Array;
  readonly written: PromiseWithResolvers<Place>;
}

/** The spools of this process, by folder and number of the thread that writes. */
const owners = new Map<string, Spool>();

/**
 * Batches on disk until they are delivered: files that are only written to at their end. Those that come while a write
 * is under way share the next one, and the wait for the disk.
 */
export class Spool {
  readonly #settings: SpoolSettings;
  readonly #logger: Logger;
  readonly #segments = new Set<Segment>();
  readonly #waiting: Waiting[] = [];
  #current: Segment | undefined;
  #next = 0;
  #writing: Promise<void> | undefined;
  #isFailing = false;
  /** Whether another one has the folder now: from then on nothing is acknowledged, marked or removed here. */
  #isReplaced = false;

  private constructor(settings: SpoolSettings, logger: Logger) {
    this.#settings = settings;
    this.#logger = logger;
  }

  /**
   * Opens the folder and finds what was left. Throws `file_unwritable` or `file_unreadable`. One that has the folder still,
   * because the disk has not answered it in time, loses it: what it writes then could be seen by nobody.
   */
  static open(settings: SpoolSettings, logger: Logger): { spool: Spool; left: Leftovers } {
    const spool = new Spool(settings, logger);
    const before = owners.get(spool.#name);
    if (before !== undefined) before.#isReplaced = true;
    owners.set(spool.#name, spool);
    return { spool, left: spool.#load() };
  }

  get #name(): string {
    return `${this.#settings.writer} ${this.#settings.directory}`;
  }

  /** Bytes of all files. */
  get bytes(): number {
    let bytes = 0;
    for (const { length } of this.#segments) bytes += length;
    return bytes;
  }

  /**
   * Writes a batch and resolves when it is as durable as the settings ask. Rejects with `file_unwritable`; nothing of it
   * is there then. Rejects with `stopping` where another one has the folder by then. The request is read until then.
   */
  append(signal: TelemetrySignal, items: number, request: Uint8Array): Promise<Place> {
    const written = Promise.withResolvers<Place>();
    this.#waiting.push({ signal, items, request, header: headerOf(signal, items, request), written });
    this.#writing ??= this.#write();
    return written.promise;
  }

  /** Writes all of them or none. Rejects as `append` does. */
  async appendAll(batches: readonly Appended[]): Promise<Place[]> {
    const outcomes = await Promise.allSettled(
      batches.map(({ signal, items, bytes }) => this.append(signal, items, bytes)),
    );
    const places = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed === undefined) return places;
    for (const place of places) this.done(place);
    throw failed.reason;
  }

  /** The request of a batch. Throws `spool_damaged`, or `spool_unreadable` where it may be read later. */
  async read(place: Place): Promise<Buffer> {
    let record: Buffer;
    try {
      record = await place.segment.read(place);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      // A file that is gone, or shorter than it was, does not come back.
      const isGone = code === 'ENOENT' || code === undefined;
      const detail = `${place.segment.path}: ${message}`;
      throw new PipelineError(isGone ? 'spool_damaged' : 'spool_unreadable', detail, { cause: error });
    }
    if (!isWhole(record)) throw new PipelineError('spool_damaged', `${place.segment.path}, byte ${place.offset}`);
    return record.subarray(HEADER_BYTES);
  }

  /** A batch was delivered, or given up: it does not come again. */
  done({ segment, ...found }: Place): void {
    if (this.#isReplaced) return;
    try {
      segment.markDone(found);
      this.#removeIfDone(segment);
    } catch (error) {
      const what = `${segment.path}: ${(error as Error).message}`;
      this.#logger.warn({ code: 'file_unwritable' }, `a batch that was delivered may be sent again: ${what}`);
    }
  }

  /** Waits for what is being written and lets go of all files; what is not done stays. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#current?.close();
    if (owners.get(this.#name) === this) owners.delete(this.#name);
    let batches = 0;
    for (const segment of this.#segments) {
      batches += segment.live;
      this.#removeIfDone(segment);
      segment.release();
    }
    if (batches > 0 && !this.#isReplaced)
      this.#logger.info({ batches }, 'what is left in the queue on disk waits there for the next start');
  }

  #load(): Leftovers {
    const { directory } = this.#settings;
    const places: Place[] = [];
    const damagedItems = new Map<TelemetrySignal, number>();
    for (const name of this.#names()) {
      const { segment, live, damaged } = this.#loadSegment(join(directory, name));
      this.#segments.add(segment);
      for (const found of live) places.push({ ...found, segment });
      for (const found of damaged) {
        damagedItems.set(found.signal, (damagedItems.get(found.signal) ?? 0) + found.items);
        this.done({ ...found, segment });
      }
      this.#removeIfDone(segment);
    }
    return { places, damagedItems };
  }

  /** The files that this thread has to deliver, the oldest first. */
  #names(): string[] {
    const { directory, adopts, writer } = this.#settings;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const files = readdirSync(directory).flatMap((name) => {
        const groups = /^(?<number>\d{10})\.(?<writer>\d+)\.spool$/.exec(name)?.groups;
        return groups === undefined ? [] : [{ name, number: Number(groups.number), writer: Number(groups.writer) }];
      });
      this.#next = Math.max(-1, ...files.map(({ number }) => number)) + 1;
      return files
        .filter((file) => file.writer === writer || adopts(file.writer))
        .map(({ name }) => name)
        .sort();
    } catch (error) {
      const detail = `${(error as Error).message} (the queue on disk)`;
      throw new PipelineError('file_unwritable', detail, { cause: error });
    }
  }

  #loadSegment(path: string): { segment: Segment; live: readonly Found[]; damaged: readonly Found[] } {
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      throw new PipelineError('file_unreadable', `${(error as Error).message} (the queue on disk)`, { cause: error });
    }
    const { live, damaged, strayBytes, end } = scanSegment(bytes);
    if (damaged.length > 0 || strayBytes > 0) {
      const found = { path, batches: damaged.length, strayBytes, code: 'spool_damaged' };
      this.#logger.error(found, 'a file of the queue is damaged: what is left of it will be delivered');
    }
    if (end < bytes.length) {
      // A batch that was not whole was not acknowledged either.
      this.#logger.info({ path, bytes: bytes.length - end }, 'the end of the queue was cut off while it was written');
      truncateSync(path, end);
    }
    return { segment: Segment.left(path, end, live.length + damaged.length), live, damaged };
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      try {
        const places = await this.#writeGroup(group);
        if (this.#isReplaced) throw replaced();
        group.forEach(({ written }, i) => written.resolve(places[i] as Place));
        if (this.#isFailing) this.#logger.info({ directory: this.#settings.directory }, 'the queue is written again');
        this.#isFailing = false;
      } catch (thrown) {
        if (this.#isReplaced) {
          for (const { written } of group) written.reject(replaced());
          continue;
        }
        await this.#giveUpSegment();
        const error = new PipelineError('file_unwritable', `${(thrown as Error).message} (the queue on disk)`, {
          cause: thrown,
          retryAfterMs: RETRY_AFTER_MS,
        });
        // Once, not for every batch: each sender is told.
        if (!this.#isFailing) this.#logger.error({ code: error.code, todo: error.row.todo }, error.message);
        this.#isFailing = true;
        for (const { written } of group) written.reject(error);
      }
    }
    // In the same turn in which nobody waits: else who comes next would wait for a write that is over.
    this.#writing = undefined;
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && bytes < GROUP_BYTES) {
      bytes += (this.#waiting[count] as Waiting).request.length;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #writeGroup(group: readonly Waiting[]): Promise<Place[]> {
    const segment = await this.#segment();
    let offset = segment.length;
    await segment.append(
      group.flatMap(({ header, request }) => [header, request]),
      this.#settings.fsync,
    );
    segment.live += group.length;
    return group.map(({ signal, items, request: { length } }) => {
      const place = { segment, offset, signal, items, length };
      offset += HEADER_BYTES + length;
      return place;
    });
  }

  /** The one to write to. */
  async #segment(): Promise<Segment> {
    if (this.#isReplaced) throw replaced();
    const last = this.#current;
    if (last !== undefined && last.length < SEGMENT_BYTES) return last;
    if (last !== undefined) {
      this.#current = undefined;
      await last.close();
      this.#removeIfDone(last);
    }
    const { directory, writer, fsync } = this.#settings;
    const name = `${String(this.#next++).padStart(10, '0')}.${writer}.spool`;
    const segment = await Segment.create(join(directory, name));
    this.#segments.add(segment);
    this.#current = segment;
    // Else the file could be gone after a crash, with all that was synced into it.
    if (fsync) await syncDirectory(directory);
    return segment;
  }

  /** After a failure nobody knows what is in it behind what was good: it is written to no more. */
  async #giveUpSegment(): Promise<void> {
    const segment = this.#current;
    this.#current = undefined;
    if (segment === undefined) return;
    await segment.repair().catch(() => {});
    this.#removeIfDone(segment);
  }

  #removeIfDone(segment: Segment): void {
    if (this.#isReplaced || !segment.isClosed || segment.live > 0 || !this.#segments.delete(segment)) return;
    try {
      segment.remove();
    } catch (error) {
      this.#logger.warn({ code: 'file_unwritable' }, `a file of the queue stays: ${(error as Error).message}`);
    }
  }
}

function replaced(): PipelineError {
  return new PipelineError('stopping', 'another one has the queue on disk by now');
}

/** The pause that a sender is asked for while the disk does not take it. */
const RETRY_AFTER_MS = 1000;

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
