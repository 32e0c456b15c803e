import { type CharacterTest, type Edge, PatternError, type Piece, parsePattern } from './pattern-syntax.ts';

/*
 * Regular expressions that cost no more than text times pattern, whatever the text: it comes from whoever sends
 * telemetry, and JavaScript's own engine can be made to backtrack for hours. All ways through the pattern are followed
 * at once, character by character (Thompson 1968; Cox, "Regular Expression Matching: the Virtual Machine Approach").
 */

/** Instructions that a pattern may take: what each character of a text costs at most. */
const PROGRAM_MAX = 500;

type Instruction =
  | { readonly op: 'character'; readonly ascii: Uint8Array; readonly holds: CharacterTest }
  | { readonly op: 'edge'; readonly edge: Edge }
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'match' };

/** Compiles a pattern into a function that tells whether it is found anywhere in a text. Throws `PatternError`. */
export function compilePattern(source: string): (text: string) => boolean {
  const program: Instruction[] = [];
  emit(parsePattern(source), program);
  program.push({ op: 'match' });
  const machine = new Machine(program);
  return (text) => machine.isFoundIn(text);
}

function emit(piece: Piece, program: Instruction[]): void {
  if (program.length >= PROGRAM_MAX) throw new PatternError('the pattern is too large', 0);
  switch (piece.kind) {
    case 'character':
      program.push({ op: 'character', ascii: asciiTable(piece.holds), holds: piece.holds });
      return;
    case 'edge':
      program.push({ op: 'edge', edge: piece.edge });
      return;
    case 'sequence':
      if (piece.parts.length === 0) emitNothing(program);
      for (const part of piece.parts) emit(part, program);
      return;
    case 'choice':
      emitChoice(piece.options, program);
      return;
    case 'repeat':
      emitRepeat(piece, program);
  }
}

function emitChoice(options: readonly Piece[], program: Instruction[]): void {
  const ends: { second: number }[] = [];
  options.forEach((option, i) => {
    const isLast = i === options.length - 1;
    const split = isLast ? undefined : pushSplit(program);
    emit(option, program);
    // A split whose ways are the same is a jump.
    if (!isLast) ends.push(pushSplit(program));
    if (split !== undefined) split.second = program.length;
  });
  for (const end of ends) Object.assign(end, { first: program.length, second: program.length });
}

function emitRepeat({ piece, least, most }: Extract<Piece, { kind: 'repeat' }>, program: Instruction[]): void {
  for (let i = 0; i < least; i++) emit(piece, program);
  if (most === Infinity) {
    const at = program.length;
    const split = pushSplit(program);
    emit(piece, program);
    Object.assign(pushSplit(program), { first: at, second: at });
    split.second = program.length;
    return;
  }
  if (most === 0) emitNothing(program);
  const splits = [];
  for (let i = least; i < most; i++) {
    splits.push(pushSplit(program));
    emit(piece, program);
  }
  for (const split of splits) split.second = program.length;
}

/** Nothing takes place too, so that repeating it meets the limit. */
function emitNothing(program: Instruction[]): void {
  pushSplit(program).second = program.length;
}

/** A split to the instruction behind it, and to another that its caller fills in. */
function pushSplit(program: Instruction[]): { first: number; second: number } {
  const split = { op: 'split' as const, first: program.length + 1, second: 0 };
  program.push(split);
  return split;
}

const ASCII = 128;

function asciiTable(holds: CharacterTest): Uint8Array {
  return Uint8Array.from({ length: ASCII }, (_, code) => (holds(code) ? 1 : 0));
}

class Machine {
  readonly #program: readonly Instruction[];
  /** The round in which an instruction was entered last, so that each is entered once a character. */
  readonly #entered: Uint32Array;
  readonly #pending: number[] = [];
  #current: number[] = [];
  #following: number[] = [];
  #round = 0;

  constructor(program: readonly Instruction[]) {
    this.#program = program;
    this.#entered = new Uint32Array(program.length);
  }

  isFoundIn(text: string): boolean {
    this.#current.length = 0;
    this.#begin();
    for (let at = 0; ; ) {
      // A match may begin at every character.
      if (this.#enter(0, this.#current, text, at)) return true;
      if (at >= text.length) return false;
      const code = text.codePointAt(at) as number;
      at += code > 0xffff ? 2 : 1;
      if (this.#step(code, text, at)) return true;
    }
  }

  /** Follows all ways over one character; `at` is the place behind it. */
  #step(code: number, text: string, at: number): boolean {
    this.#begin();
    this.#following.length = 0;
    for (const index of this.#current) {
      const instruction = this.#program[index] as Extract<Instruction, { op: 'character' }>;
      const isFit = code < ASCII ? instruction.ascii[code] === 1 : instruction.holds(code);
      if (isFit && this.#enter(index + 1, this.#following, text, at)) return true;
    }
    [this.#current, this.#following] = [this.#following, this.#current];
    return false;
  }

  /** Adds to `list` the instructions that want a character and can be reached from `from`; true where the end can. */
  #enter(from: number, list: number[], text: string, at: number): boolean {
    const pending = this.#pending;
    pending.length = 0;
    pending.push(from);
    for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
      if (this.#entered[index] === this.#round) continue;
      this.#entered[index] = this.#round;
      const instruction = this.#program[index] as Instruction;
      if (instruction.op === 'match') return true;
      if (instruction.op === 'character') list.push(index);
      else if (instruction.op === 'split') pending.push(instruction.second, instruction.first);
      else if (isEdge(instruction.edge, text, at)) pending.push(index + 1);
    }
    return false;
  }

  #begin(): void {
    if (++this.#round <= 0xffff_ffff) return;
    this.#entered.fill(0);
    this.#round = 1;
  }
}

function isEdge(edge: Edge, text: string, at: number): boolean {
  switch (edge) {
    case 'text start':
      return at === 0;
    case 'text end':
      return at === text.length;
    case 'line start':
      return at === 0 || text[at - 1] === '\n';
    case 'line end':
      return at === text.length || text[at] === '\n';
    case 'word':
      return isWord(text, at - 1) !== isWord(text, at);
    case 'no word':
      return isWord(text, at - 1) === isWord(text, at);
  }
}

function isWord(text: string, at: number): boolean {
  return /^\w$/.test(text[at] ?? '');
}
