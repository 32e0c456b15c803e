import { memoryLimitBytes } from './machine-memory.ts';

/**
 * Memory for bodies on their way through. A buffer of Node that is let go of comes back only with a collection, and V8
 * collects the whole heap to get at it: at 2 GB/s of bodies some fifteen times a second (bench/transport). What is known
 * to be free is used again instead.
 *
 * Whoever takes a buffer may forget it, and then the collector has it. Whoever gives one back must be sure that nobody
 * else still reads it: what is not kept is freed at once. Left to the collector, up to 64 MiB of it would lie about before
 * V8 looks, which a container of 256 MiB cannot hold.
 */
export class BufferPool {
  readonly #idleBytesMax: number;
  /** By size, the size that was asked for last at the end. */
  readonly #free = new Map<number, Buffer[]>();
  /** What to write over a buffer that comes back, so that a test sees whoever still reads it. */
  poison: number | undefined;
  #idleBytes = 0;

  /** `idleBytesMax`: how much it keeps that nobody uses. */
  constructor(idleBytesMax: number) {
    this.#idleBytesMax = idleBytesMax;
  }

  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** A buffer of at least `bytes`; what is in it is left from before. */
  take(bytes: number): Buffer {
    const size = sizeClass(bytes);
    const free = this.#free.get(size);
    const buffer = free?.pop();
    if (free === undefined || buffer === undefined) return Buffer.allocUnsafeSlow(size);
    this.#idleBytes -= size;
    this.#free.delete(size);
    if (free.length > 0) this.#free.set(size, free);
    return buffer;
  }

  /** Gives back a buffer, as `take` gave it. */
  give(buffer: Buffer): void {
    const size = buffer.length;
    if (this.poison !== undefined) {
      if (this.#free.get(size)?.includes(buffer) === true) throw new Error('a buffer was given back twice');
      buffer.fill(this.poison);
    }
    if (size !== sizeClass(size)) return;
    if (size <= this.#idleBytesMax) this.#makeRoom(size);
    if (this.#idleBytes + size > this.#idleBytesMax) return release(buffer);
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [buffer]);
    else free.push(buffer);
    this.#idleBytes += size;
  }

  /** Lets go of everything that nobody uses. */
  trim(): void {
    for (const buffers of this.#free.values()) for (const buffer of buffers) release(buffer);
    this.#free.clear();
    this.#idleBytes = 0;
  }

  /** Lets go of what was not asked for lately, of other sizes: else they would stay for good, whatever comes now. */
  #makeRoom(size: number): void {
    for (const [other, free] of this.#free) {
      if (this.#idleBytes + size <= this.#idleBytesMax || other === size) return;
      while (free.length > 0 && this.#idleBytes + size > this.#idleBytesMax) {
        release(free.pop() as Buffer);
        this.#idleBytes -= other;
      }
      if (free.length === 0) this.#free.delete(other);
    }
  }
}

const SMALLEST = 4096;
/** Sizes within a doubling: at most a quarter of a buffer is more than was asked for. */
const STEPS = 4;

/** Frees the memory of a buffer that is nobody's any more, without waiting for the collector. It is empty from here on. */
function release(buffer: Buffer): void {
  const { buffer: memory } = buffer;
  // What is a part of something else is not ours to free.
  if (memory instanceof ArrayBuffer && memory.byteLength === buffer.length) memory.transfer(0);
}

/** Of a thread, what requests arrive in: as much as is usually under way, and of a small container a small part. */
const BODIES_IDLE_BYTES_MAX = 32 * 1024 * 1024;
const BODIES_IDLE_SHARE = 1 / 32;
export const bodies = new BufferPool(Math.min(BODIES_IDLE_BYTES_MAX, memoryLimitBytes() * BODIES_IDLE_SHARE));

/** The size of the buffer that holds `bytes`: few sizes, so that one that comes back fits what comes next. */
export function sizeClass(bytes: number): number {
  if (bytes <= SMALLEST) return SMALLEST;
  const power = 2 ** Math.floor(Math.log2(bytes));
  const step = power / STEPS;
  return Math.ceil(bytes / step) * step;
}
