import { type CharacterTest, type Edge, PatternError, type Piece } from './syntax.ts';

/** What a pattern is compiled to: Thompson's construction (1968), as RE2 has it. The first instruction is where it begins. */
export type Instruction =
  | { readonly op: 'character'; readonly ascii: Uint8Array; readonly holds: CharacterTest }
  | { readonly op: 'edge'; readonly edge: Edge }
  /** Goes on in two ways, the first of which is preferred. */
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'match' };

/** Instructions that a pattern may take. */
const PROGRAM_MAX = 500;
const ASCII = 128;

/** Compiles a pattern, to be followed from its end to its beginning where told. Throws `PatternError`. */
export function compileProgram(piece: Piece, isBackward = false): readonly Instruction[] {
  const compiler = new Compiler(isBackward);
  compiler.emit(piece);
  return compiler.finish();
}

/** Several programs as one that is found wherever one of them is. */
export function anyOf(programs: readonly (readonly Instruction[])[]): readonly Instruction[] {
  const joined: Instruction[] = [];
  programs.forEach((program, i) => {
    const isLast = i === programs.length - 1;
    if (!isLast) joined.push({ op: 'split', first: joined.length + 1, second: joined.length + 1 + program.length });
    const by = joined.length;
    for (const one of program) {
      joined.push(one.op === 'split' ? { op: 'split', first: one.first + by, second: one.second + by } : one);
    }
  });
  return joined;
}

class Compiler {
  readonly #program: Instruction[] = [];
  readonly #isBackward: boolean;
  /** By the piece: one that is repeated is emitted often. */
  readonly #tables = new Map<CharacterTest, Uint8Array>();

  constructor(isBackward: boolean) {
    this.#isBackward = isBackward;
  }

  finish(): readonly Instruction[] {
    this.#program.push({ op: 'match' });
    return this.#program;
  }

  emit(piece: Piece): void {
    if (this.#program.length >= PROGRAM_MAX) throw new PatternError('the pattern is too large', 0);
    switch (piece.kind) {
      case 'character':
        this.#program.push({ op: 'character', ascii: this.#asciiTable(piece.holds), holds: piece.holds });
        return;
      case 'edge':
        this.#program.push({ op: 'edge', edge: piece.edge });
        return;
      case 'sequence':
        if (piece.parts.length === 0) this.#emitNothing();
        for (const part of this.#isBackward ? piece.parts.toReversed() : piece.parts) this.emit(part);
        return;
      case 'choice':
        this.#emitChoice(piece.options);
        return;
      case 'repeat':
        this.#emitRepeat(piece);
    }
  }

  #emitChoice(options: readonly Piece[]): void {
    const ends: Split[] = [];
    options.forEach((option, i) => {
      const isLast = i === options.length - 1;
      const split = isLast ? undefined : this.#pushSplit();
      this.emit(option);
      // A split whose ways are the same is a jump.
      if (!isLast) ends.push(this.#pushSplit());
      if (split !== undefined) split.second = this.#program.length;
    });
    for (const end of ends) Object.assign(end, { first: this.#program.length, second: this.#program.length });
  }

  #emitRepeat({ piece, least, most, isGreedy }: Extract<Piece, { kind: 'repeat' }>): void {
    for (let i = 0; i < least; i++) this.emit(piece);
    if (most === Infinity) {
      const at = this.#program.length;
      const split = this.#pushSplit();
      this.emit(piece);
      Object.assign(this.#pushSplit(), { first: at, second: at });
      this.#leave(split, isGreedy);
      return;
    }
    if (most === 0) this.#emitNothing();
    const splits = [];
    for (let i = least; i < most; i++) {
      splits.push(this.#pushSplit());
      this.emit(piece);
    }
    for (const split of splits) this.#leave(split, isGreedy);
  }

  /** Lets a split that leads into a repeated piece lead out of it too. */
  #leave(split: Split, isGreedy: boolean): void {
    split.second = this.#program.length;
    if (!isGreedy) [split.first, split.second] = [split.second, split.first];
  }

  /** Nothing takes place too, so that repeating it meets the limit. */
  #emitNothing(): void {
    this.#pushSplit().second = this.#program.length;
  }

  /** A split to the instruction behind it, and to another that its caller fills in. */
  #pushSplit(): Split {
    const split = { op: 'split' as const, first: this.#program.length + 1, second: 0 };
    this.#program.push(split);
    return split;
  }

  #asciiTable(holds: CharacterTest): Uint8Array {
    let table = this.#tables.get(holds);
    if (table === undefined) {
      table = Uint8Array.from({ length: ASCII }, (_, code) => (holds(code) ? 1 : 0));
      this.#tables.set(holds, table);
    }
    return table;
  }
}

interface Split {
  first: number;
  second: number;
}
