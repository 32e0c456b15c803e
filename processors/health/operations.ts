import type { SpanColumns } from '../../proto/otlp/columns.ts';
import { RangeTable } from '../../proto/otlp/range-table.ts';
import { text } from '../../proto/otlp/resource.ts';

/** What operations beyond the limit are folded into. */
export const OTHER = 'other';

const INITIAL_CACHE = 64;
/** Bytes of a method and of a route that count: the beginning of a longer one stands for it, since names are kept. */
const LONGEST_NAME = 500;
/** What an operation takes beside its name, roughly; the name is there as words and as text. */
const OPERATION_BYTES = 64;

/** Interns operation names that lie as byte ranges in requests: `method route`, or one name. */
export class OperationTable {
  readonly #ranges: RangeTable;
  readonly #names: string[] = [OTHER];
  #bytes = 0;
  /** Of the scanner's table whose numbers are in the cache: the table itself would be kept alive by each quiet service. */
  #generation = 0;
  /** Numbers that the scanner has given to texts, and the index of each plus one: one slot for many numbers. */
  #cachedNumbers = new Uint32Array(INITIAL_CACHE);
  #cachedIndexes = new Uint32Array(INITIAL_CACHE);

  /** `limit`: how many names beside `other`. */
  constructor(limit: number) {
    this.#ranges = new RangeTable(limit);
  }

  /** What it takes, roughly. */
  get bytes(): number {
    return this.#bytes;
  }

  name(index: number): string {
    return this.#names[index] as string;
  }

  /** The index of the operation; 0 (`other`) when the limit is reached. */
  intern(bytes: Uint8Array, method: number, methodLength: number, route: number, routeLength: number): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const [first, second] = [Math.min(methodLength, LONGEST_NAME), Math.min(routeLength, LONGEST_NAME)];
    const index = this.#ranges.numberOf(view, method, first, route, second);
    if (index === this.#names.length) {
      this.#names.push(nameOf(text(bytes, method, first), text(bytes, route, second)));
      this.#bytes += OPERATION_BYTES + 2 * (first + second);
    }
    return index;
  }

  /** The index of what span `i` asked for. Its bytes, long out of the processor's caches, are read only of a new one. */
  ofSpan(bytes: Uint8Array, columns: SpanColumns, i: number): number {
    const number = columns.operation[i] as number;
    const known = this.#cached(columns.texts.generation, number);
    if (known >= 0) return known;
    const { methodOffset, methodLength, operationOffset, operationLength } = columns;
    const index = this.intern(
      bytes,
      methodOffset[i] as number,
      methodLength[i] as number,
      operationOffset[i] as number,
      operationLength[i] as number,
    );
    this.#cache(number, index);
    return index;
  }

  /** The index of whom span `i` called, of which the first `longest` bytes count. */
  ofCallee(bytes: Uint8Array, columns: SpanColumns, i: number, longest: number): number {
    const number = columns.callee[i] as number;
    const known = this.#cached(columns.texts.generation, number);
    if (known >= 0) return known;
    const offset = columns.calleeOffset[i] as number;
    const index = this.intern(bytes, offset, 0, offset, Math.min(columns.calleeLength[i] as number, longest));
    this.#cache(number, index);
    return index;
  }

  /** -1 where it is not known. */
  #cached(generation: number, number: number): number {
    if (generation !== this.#generation) {
      this.#generation = generation;
      this.#cachedNumbers.fill(0);
    }
    const slot = number & (this.#cachedNumbers.length - 1);
    return number !== 0 && this.#cachedNumbers[slot] === number ? (this.#cachedIndexes[slot] as number) : -1;
  }

  #cache(number: number, index: number): void {
    if (this.#names.length * 2 > this.#cachedNumbers.length) {
      this.#cachedNumbers = new Uint32Array(this.#cachedNumbers.length * 2);
      this.#cachedIndexes = new Uint32Array(this.#cachedNumbers.length);
    }
    const slot = number & (this.#cachedNumbers.length - 1);
    this.#cachedNumbers[slot] = number;
    this.#cachedIndexes[slot] = index;
  }
}

/** Method and route. Where there is no route, the span's name stands in for it, which mostly begins with the method. */
function nameOf(method: string, route: string): string {
  if (method === '' || route === method || route.startsWith(`${method} `)) return route;
  return `${method} ${route}`;
}
