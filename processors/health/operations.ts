import { text } from '../../proto/otlp/resource.ts';

/** What operations beyond the limit are folded into. */
export const OTHER = 'other';

const INITIAL_SLOTS = 64;

/**
 * Interns operation names that lie as byte ranges in requests: `method route`, or one name. An open-addressing table
 * by hash of the bytes, so that an operation seen before costs one pass over its bytes and no string.
 */
export class OperationTable {
  readonly #limit: number;
  readonly #names: string[] = [OTHER];
  /** The interned bytes: method, then route. */
  readonly #bytes: Uint8Array[] = [new Uint8Array()];
  /** Length of the method within the bytes, so that `GET` `/x` and `GET/` `x` stay apart. */
  readonly #methodLengths: number[] = [0];
  /** Hash slots: index into the names plus one, 0 where free. */
  #slots = new Uint32Array(INITIAL_SLOTS);
  #hashes = new Uint32Array(INITIAL_SLOTS);

  /** `limit`: how many names beside `other`. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  name(index: number): string {
    return this.#names[index] as string;
  }

  /** The index of the operation; 0 (`other`) when the limit is reached. */
  intern(bytes: Uint8Array, method: number, methodLength: number, route: number, routeLength: number): number {
    let hash = hashRange(bytes, method, methodLength, 0x811c9dc5);
    hash = hashRange(bytes, route, routeLength, Math.imul(hash ^ 0xff, 0x01000193)) >>> 0;
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (let index = this.#slots[slot] as number; index !== 0; index = this.#slots[slot] as number) {
      if (this.#hashes[slot] === hash && this.#equals(index - 1, bytes, method, methodLength, route, routeLength)) {
        return index - 1;
      }
      slot = (slot + 1) & mask;
    }
    if (this.#names.length > this.#limit) return 0;
    return this.#add(hash, bytes, method, methodLength, route, routeLength);
  }

  #equals(
    index: number,
    bytes: Uint8Array,
    method: number,
    methodLength: number,
    route: number,
    routeLength: number,
  ): boolean {
    const known = this.#bytes[index] as Uint8Array;
    if (known.length !== methodLength + routeLength || this.#methodLengths[index] !== methodLength) return false;
    for (let i = 0; i < methodLength; i++) if (known[i] !== bytes[method + i]) return false;
    for (let i = 0; i < routeLength; i++) if (known[methodLength + i] !== bytes[route + i]) return false;
    return true;
  }

  #add(
    hash: number,
    bytes: Uint8Array,
    method: number,
    methodLength: number,
    route: number,
    routeLength: number,
  ): number {
    const known = new Uint8Array(methodLength + routeLength);
    known.set(bytes.subarray(method, method + methodLength));
    known.set(bytes.subarray(route, route + routeLength), methodLength);
    const name = nameOf(text(bytes, method, methodLength), text(bytes, route, routeLength));
    const index = this.#names.push(name) - 1;
    this.#bytes.push(known);
    this.#methodLengths.push(methodLength);
    if (this.#names.length * 2 > this.#slots.length) this.#grow();
    this.#place(hash, index);
    return index;
  }

  #place(hash: number, index: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = index + 1;
    this.#hashes[slot] = hash;
  }

  #grow(): void {
    const slots = this.#slots;
    const hashes = this.#hashes;
    this.#slots = new Uint32Array(slots.length * 2);
    this.#hashes = new Uint32Array(slots.length * 2);
    for (let i = 0; i < slots.length; i++) {
      if (slots[i] !== 0) this.#place(hashes[i] as number, (slots[i] as number) - 1);
    }
  }
}

/** Method and route. Where there is no route, the span's name stands in for it, which mostly begins with the method. */
function nameOf(method: string, route: string): string {
  if (method === '' || route === method || route.startsWith(`${method} `)) return route;
  return `${method} ${route}`;
}

/** In the manner of FNV-1a, but by four bytes: what waits for a multiplication is the time that a hash takes. */
function hashRange(bytes: Uint8Array, offset: number, length: number, seed: number): number {
  const end = offset + length;
  let hash = seed;
  let i = offset;
  for (; i + 4 <= end; i += 4) {
    const word =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    hash = Math.imul(hash ^ word ^ (hash >>> 15), 0x01000193);
  }
  for (; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash;
}
