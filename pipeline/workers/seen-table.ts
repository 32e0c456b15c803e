import type { SeenRequests } from './siblings.ts';

/** Requests that are remembered; a bucket holds `WAYS` of them, so that some are forgotten a little earlier. */
const ENTRIES = 16_384;
const WAYS = 8;
const BUCKETS = ENTRIES / WAYS;
/** Two halves of a hash, the second of the arrival, and the number of the thread that saw it. */
const WORDS = 4;

/** Memory for one table. Pages of it that nobody writes to take no room. */
export function seenTableMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(ENTRIES * WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/**
 * Requests that any thread has seen, by a hash of 64 bits of their fingerprint. A set-associative table that nobody
 * locks: each word is written atomically. Two threads that write one entry at the same moment may lose one of the two
 * requests, or both: then a repetition counts twice, as it would without the table. That a mixture of two hashes is
 * taken for a third one is as rare as equal hashes.
 */
export class SeenTable implements SeenRequests {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #thread: number;

  /** `thread` is told apart in `forget`. */
  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#words = new Int32Array(memory);
    this.#thread = thread;
  }

  isRepeated(fingerprint: string, now: number, oldest: number): boolean {
    const words = this.#words;
    const low = hashOf(fingerprint, 0x811c9dc5);
    const high = hashOf(fingerprint, 0x2545f491);
    const start = (high & (BUCKETS - 1)) * WAYS * WORDS;
    let victim = start;
    let victimSeconds = Number.POSITIVE_INFINITY;
    let arrival = 0;
    for (let at = start; at < start + WAYS * WORDS; at += WORDS) {
      const seconds = Atomics.load(words, at + 2);
      if (seconds !== 0 && Atomics.load(words, at) === low && Atomics.load(words, at + 1) === high) {
        arrival = seconds;
        victim = at;
        break;
      }
      if (seconds >= victimSeconds) continue;
      victim = at;
      victimSeconds = seconds;
    }
    Atomics.store(words, victim, low);
    Atomics.store(words, victim + 1, high);
    Atomics.store(words, victim + 2, Math.floor(now));
    Atomics.store(words, victim + 3, this.#thread);
    return arrival !== 0 && arrival >= Math.floor(oldest);
  }

  /** Forgets what `thread` saw since `since`, seconds: it is gone, with what it had made of these requests. */
  forget(thread: number, since: number): void {
    const words = this.#words;
    for (let at = 0; at < words.length; at += WORDS) {
      if (Atomics.load(words, at + 3) !== thread || Atomics.load(words, at + 2) < Math.floor(since)) continue;
      Atomics.store(words, at + 2, 0);
    }
  }
}

/** MurmurHash3's mixing over UTF-16 units, 32 bits. */
function hashOf(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) {
    const mixed = Math.imul(hash ^ text.charCodeAt(i), 0x85ebca6b);
    hash = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  }
  return hash ^ (hash >>> 16);
}
