import type { Instruction } from './program.ts';
import type { Edge } from './syntax.ts';
import { characterAt, characterBefore } from './utf8.ts';

/** What stands beside a place in a text, as far as edges ask. */
const NOTHING = 0;
const NEWLINE = 1;
const WORD = 2;
const OTHER = 3;

/** All ways through the program at one place of the text, the preferred ones first. */
interface State {
  readonly threads: readonly number[];
  /** What stands on the side of the place that has been read. */
  readonly side: number;
  /** Whether a match ends here, by what stands on the other side; -1 where that is not known yet. */
  readonly ends: Int8Array;
}

/** States that are remembered; beyond, all are forgotten and learnt anew. 128 steps of 4 bytes each. */
const STATES_MAX = 512;
const WIDE_MAX = 10_000;
const ASCII = 128;
const UNKNOWN = -1;
/** The state from which nothing leads on. */
const DEAD = 0;
/** Stands last among the threads, and lets a match begin at every place, until one is found: later ones are preferred less. */
const ANYWHERE = -1;

/**
 * Follows all ways through a program at once, over UTF-8 as it lies, and remembers which set of ways leads to which: a
 * deterministic automaton that is made while it runs (Cox, "Regular Expression Matching in the Wild"). So a character
 * costs a look into a table, at worst as many steps as the program has instructions, whatever the text.
 *
 * Forward it looks for a match anywhere, and ends behind the one that RE2 and Perl would take: of the leftmost ones the
 * preferred. Backward it begins where a match ends, and looks for the farthest place where that match can begin.
 */
export class Automaton {
  readonly #program: readonly Instruction[];
  readonly #isBackward: boolean;
  readonly #hasEdges: boolean;
  /** By state and character: `state * 2`, and 1 more where a match ends in front of the character. */
  #table = new Int32Array(0);
  #states: State[] = [];
  readonly #ids = new Map<string, number>();
  /** Where it begins, by what stands beside. */
  readonly #starts = new Int32Array(4).fill(UNKNOWN);
  readonly #wide = new Map<number, number>();
  /** The round in which an instruction was entered last, so that each is entered once a place. */
  readonly #entered: Uint32Array;
  #round = 0;
  readonly #pending: number[] = [];
  /** How many characters were read, and how many steps had to be worked out for them, all in all. */
  read = 0;
  worked = 0;

  constructor(program: readonly Instruction[], isBackward: boolean) {
    this.#program = program;
    this.#isBackward = isBackward;
    this.#hasEdges = program.some(({ op }) => op === 'edge');
    this.#entered = new Uint32Array(program.length);
    this.#forget();
  }

  get states(): number {
    return this.#states.length;
  }

  /** Whether there is a match in `bytes[start, end)`. Forward only. */
  isFoundIn(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#forward(bytes, start, start, end, true) >= 0;
  }

  /** Where the first match of the text `bytes[start, end)` that does not begin before `from` ends; else -1. */
  findEnd(bytes: Uint8Array, start: number, from: number, end: number): number {
    return this.#forward(bytes, start, from, end, false);
  }

  #forward(bytes: Uint8Array, start: number, from: number, end: number, isAnyEnough: boolean): number {
    let state = this.#begin(this.#beside(bytes, from - 1, start, end));
    let table = this.#table;
    let last = -1;
    let at = from;
    while (at < end) {
      const byte = bytes[at] as number;
      let step = byte < ASCII ? (table[state * ASCII + byte] as number) : UNKNOWN;
      // Most characters lead nowhere else.
      if (step === state * 2) {
        at++;
        continue;
      }
      let width = 1;
      if (step === UNKNOWN) {
        const character = characterAt(bytes, at, end);
        width = character % 8;
        step = this.#step(state, (character - width) / 8);
        table = this.#table;
      }
      if ((step & 1) === 1) {
        last = at;
        if (isAnyEnough) break;
      }
      state = step >>> 1;
      if (state === DEAD) break;
      at += width;
    }
    this.read += at - from;
    if (at === end && this.#isEnd(state, NOTHING)) last = end;
    return last;
  }

  /**
   * Where the match of the text `bytes[start, end)` that ends at `to` begins, as far in front as can be, though not
   * before `from`. Backward only.
   */
  findStart(bytes: Uint8Array, start: number, from: number, to: number, end: number): number {
    let state = this.#begin(this.#beside(bytes, to, start, end));
    let last = to;
    let at = to;
    while (at > from && state !== DEAD) {
      const character = characterBefore(bytes, from, at);
      const code = Math.floor(character / 8);
      const known = code < ASCII ? (this.#table[state * ASCII + code] as number) : UNKNOWN;
      const step = known === UNKNOWN ? this.#step(state, code) : known;
      if ((step & 1) === 1) last = at;
      state = step >>> 1;
      at -= character % 8;
    }
    this.read += to - at;
    if (at === from && state !== DEAD && this.#isEnd(state, this.#beside(bytes, from - 1, start, end))) last = from;
    return last;
  }

  #begin(side: number): number {
    const known = this.#starts[side] as number;
    if (known !== UNKNOWN) return known;
    const state = this.#intern([this.#isBackward ? 0 : ANYWHERE], side);
    this.#starts[side] = state;
    return state;
  }

  /** What stands at `at`, for the edges beside it. */
  #beside(bytes: Uint8Array, at: number, start: number, end: number): number {
    return at < start || at >= end ? this.#seen(NOTHING) : this.#seen(kindOf(bytes[at] as number));
  }

  /** All places are the same to a program that does not ask: that saves states. */
  #seen(kind: number): number {
    return this.#hasEdges ? kind : OTHER;
  }

  /** Looks up, or works out, where a character leads. */
  #step(state: number, code: number): number {
    const wide = state * 0x11_0000 + code;
    const known = code < ASCII ? UNKNOWN : (this.#wide.get(wide) ?? UNKNOWN);
    if (known !== UNKNOWN) return known;
    const { threads, side } = this.#states[state] as State;
    const other = this.#seen(kindOf(code));
    const stepped: number[] = [];
    const isMatch = this.#follow(threads, side, other, code, stepped);
    const isFull = this.#states.length >= STATES_MAX || this.#wide.size >= WIDE_MAX;
    if (isFull) this.#forget();
    const step = this.#intern(stepped, other) * 2 + (isMatch ? 1 : 0);
    // What was forgotten has no row any more.
    if (!isFull && code < ASCII) this.#table[state * ASCII + code] = step;
    else if (!isFull) this.#wide.set(wide, step);
    return step;
  }

  /** Whether a match ends in a state, with `kind` behind it. */
  #isEnd(id: number, kind: number): boolean {
    const { threads, side, ends } = this.#states[id] as State;
    const other = this.#seen(kind);
    if (ends[other] === UNKNOWN) ends[other] = this.#follow(threads, side, other, UNKNOWN, []) ? 1 : 0;
    return ends[other] === 1;
  }

  /**
   * Follows `threads` to the characters that they want, and those that want `code` over it, into `stepped`. Returns
   * whether the end of the program was reached before; forward, ways that are preferred less are then given up.
   */
  #follow(threads: readonly number[], side: number, other: number, code: number, stepped: number[]): boolean {
    const [before, after] = this.#isBackward ? [other, side] : [side, other];
    const pending = this.#pending;
    let isMatch = false;
    this.#nextRound();
    for (const thread of threads) {
      pending.length = 0;
      pending.push(Math.max(thread, 0));
      for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
        if (this.#entered[index] === this.#round) continue;
        this.#entered[index] = this.#round;
        this.worked++;
        const instruction = this.#program[index] as Instruction;
        switch (instruction.op) {
          case 'character':
            if (fits(instruction, code)) stepped.push(index + 1);
            break;
          case 'split':
            pending.push(instruction.second, instruction.first);
            break;
          case 'edge':
            if (isEdge(instruction.edge, before, after)) pending.push(index + 1);
            break;
          case 'match':
            isMatch = true;
            if (!this.#isBackward) return true;
        }
      }
      if (thread === ANYWHERE) stepped.push(ANYWHERE);
    }
    return isMatch;
  }

  #intern(threads: readonly number[], side: number): number {
    if (threads.length === 0) return DEAD;
    const key = `${threads.join()} ${side}`;
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.#add(threads, side);
      this.#ids.set(key, id);
    }
    return id;
  }

  #add(threads: readonly number[], side: number): number {
    const id = this.#states.length;
    this.#states.push({ threads, side, ends: new Int8Array(4).fill(UNKNOWN) });
    if ((id + 1) * ASCII > this.#table.length) {
      const grown = new Int32Array(Math.max(4 * ASCII, this.#table.length * 2)).fill(UNKNOWN);
      grown.set(this.#table);
      this.#table = grown;
    }
    return id;
  }

  #forget(): void {
    this.#table = new Int32Array(0);
    this.#states = [];
    this.#ids.clear();
    this.#starts.fill(UNKNOWN);
    this.#wide.clear();
    this.#add([], OTHER);
  }

  #nextRound(): void {
    if (++this.#round <= 0xffff_ffff) return;
    this.#entered.fill(0);
    this.#round = 1;
  }
}

/** Whether a character, -1 at the end of the text, is one that the instruction wants. */
function fits({ ascii, holds }: Extract<Instruction, { op: 'character' }>, code: number): boolean {
  if (code < 0) return false;
  return code < ASCII ? ascii[code] === 1 : holds(code);
}

function isEdge(edge: Edge, before: number, after: number): boolean {
  switch (edge) {
    case 'text start':
      return before === NOTHING;
    case 'text end':
      return after === NOTHING;
    case 'line start':
      return before === NOTHING || before === NEWLINE;
    case 'line end':
      return after === NOTHING || after === NEWLINE;
    case 'word':
      return (before === WORD) !== (after === WORD);
    case 'no word':
      return (before === WORD) === (after === WORD);
  }
}

/** Of a character, or of a byte of one: beyond ASCII there are no words, as in RE2. */
function kindOf(code: number): number {
  if (code === 0x0a) return NEWLINE;
  const isDigit = code >= 0x30 && code <= 0x39;
  const isLetter = (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
  return isDigit || isLetter || code === 0x5f ? WORD : OTHER;
}
