import { Automaton } from './automaton.ts';
import { anyOf, compileProgram } from './program.ts';
import { parsePattern, type Piece } from './syntax.ts';
import { characterAt } from './utf8.ts';

/*
 * Regular expressions of RE2's kind that cost no more than text times pattern, whatever the text: it comes from whoever
 * sends telemetry, and JavaScript's own engine can be made to backtrack for hours.
 */

/** Compiles a pattern into a function that tells whether it is found anywhere in a text. Throws `PatternError`. */
export function compilePattern(source: string): (text: string) => boolean {
  const automaton = new Automaton(compileProgram(parsePattern(source)), false);
  return (text) => {
    const bytes = Buffer.from(text, 'utf8');
    return automaton.isFoundIn(bytes, 0, bytes.length);
  };
}

/** Several patterns of which it only matters whether one is found. */
export class PatternSet {
  readonly #automaton: Automaton | undefined;

  /** Throws `PatternError`. */
  constructor(sources: readonly string[]) {
    const programs = sources.map((source) => compileProgram(parsePattern(source)));
    this.#automaton = programs.length === 0 ? undefined : new Automaton(anyOf(programs), false);
  }

  get isEmpty(): boolean {
    return this.#automaton === undefined;
  }

  /** How many sets of ways through the patterns are remembered. */
  get states(): number {
    return this.#automaton?.states ?? 0;
  }

  /** Whether one of them is found in `bytes[start, end)`, a text in UTF-8. */
  isFoundIn(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
    return this.#automaton?.isFoundIn(bytes, start, end) === true;
  }
}

/**
 * How often all of a text is read while its matches are looked for. Each match is found in time proportional to the text,
 * and there are patterns (`a.*b|a`) that read on to its end for every one of them.
 */
const READINGS_MAX = 32;
/** Short texts may be read more often than that. */
const READ_LEAST = 4096;

/** A pattern whose matches are replaced. */
export class Pattern {
  readonly #piece: Piece;
  readonly #forward: Automaton;
  #backward: Automaton | undefined;

  /** Throws `PatternError`. */
  constructor(source: string) {
    this.#piece = parsePattern(source);
    this.#forward = new Automaton(compileProgram(this.#piece), false);
  }

  /** Characters read and instructions followed so far: what its matches have cost. */
  get cost(): { readonly read: number; readonly worked: number } {
    const { read = 0, worked = 0 } = this.#backward ?? {};
    return { read: this.#forward.read + read, worked: this.#forward.worked + worked };
  }

  /**
   * `bytes[start, end)`, a text in UTF-8, with `replacement` of each match in place of it: the leftmost first, none
   * inside of another, empty ones left out. Undefined where there is none. Where it takes too much reading to tell the
   * matches apart, all from the last one on counts as one.
   */
  replace(
    bytes: Uint8Array,
    start: number,
    end: number,
    replacement: (match: Uint8Array) => Uint8Array,
  ): Buffer | undefined {
    const parts: Uint8Array[] = [];
    const backward = (this.#backward ??= new Automaton(compileProgram(this.#piece, true), true));
    const readMax = this.cost.read + Math.max(READ_LEAST, READINGS_MAX * (end - start));
    let copied = start;
    for (let from = start; from < end; ) {
      const matchEnd = this.#forward.findEnd(bytes, start, from, end);
      if (matchEnd < 0) break;
      const isDear = this.cost.read > readMax;
      const matchStart = isDear ? copied : backward.findStart(bytes, start, from, matchEnd, end);
      const to = isDear ? end : matchEnd;
      if (matchStart < to) {
        parts.push(bytes.subarray(copied, matchStart), replacement(bytes.subarray(matchStart, to)));
        copied = to;
        from = to;
      } else if (to < end) from = to + (characterAt(bytes, to, end) % 8);
      else break;
    }
    return parts.length === 0 ? undefined : Buffer.concat([...parts, bytes.subarray(copied, end)]);
  }
}
