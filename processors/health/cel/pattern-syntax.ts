/** A regular expression of RE2's kind as a tree: no backreferences, no lookaround. */
export type Piece =
  | { readonly kind: 'character'; readonly holds: CharacterTest }
  | { readonly kind: 'edge'; readonly edge: Edge }
  | { readonly kind: 'sequence'; readonly parts: readonly Piece[] }
  | { readonly kind: 'choice'; readonly options: readonly Piece[] }
  | { readonly kind: 'repeat'; readonly piece: Piece; readonly least: number; readonly most: number };

/** Whether a character, given as code point, fits. */
export type CharacterTest = (codePoint: number) => boolean;

/** A place between characters: of the text, of the line, of a word. */
export type Edge = 'text start' | 'text end' | 'line start' | 'line end' | 'word' | 'no word';

/** A pattern that is not understood. `at` is the offset in it. */
export class PatternError extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.name = 'PatternError';
    this.at = at;
  }
}

const REPEAT_MAX = 1000;
const DEPTH_MAX = 50;
const FLAGS = /^\(\?([ism]+)\)/;
const GROUP = /^\((\?:|\?P?<\w+>)?(?!\?)/;
const COUNT = /^\{(\d+)(,(\d*))?\}/;
const CONTROL: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', f: '\f', v: '\v' };
const EDGES: Readonly<Record<string, Edge>> = { A: 'text start', z: 'text end', b: 'word', B: 'no word' };
/** What stands for a set of characters, as RE2 and JavaScript both write it. */
const SET = /^\\(?:[dDwWsS]|[pP]\{[^}]*\}|x[0-9A-Fa-f]{2})/;

/** Reads a pattern. Throws `PatternError`. */
export function parsePattern(source: string): Piece {
  return new PatternParser(source).parse();
}

class PatternParser {
  readonly #source: string;
  #at = 0;
  #depth = 0;
  #flags = '';

  constructor(source: string) {
    this.#source = source;
  }

  parse(): Piece {
    this.#flags = this.#take(FLAGS)?.[1] ?? '';
    const piece = this.#choice();
    if (this.#at < this.#source.length) this.#fail('this ) closes nothing');
    return piece;
  }

  #choice(): Piece {
    const options = [this.#sequence()];
    while (this.#next() === '|') {
      this.#at++;
      options.push(this.#sequence());
    }
    return options.length === 1 ? (options[0] as Piece) : { kind: 'choice', options };
  }

  #sequence(): Piece {
    const parts: Piece[] = [];
    for (let next = this.#next(); next !== '' && next !== '|' && next !== ')'; next = this.#next()) {
      parts.push(this.#repeated());
    }
    return { kind: 'sequence', parts };
  }

  #repeated(): Piece {
    const piece = this.#atom();
    const [least, most] = this.#times() ?? [1, 1];
    if (least === 1 && most === 1) return piece;
    // Whether it is greedy makes no difference to whether there is a match.
    if (this.#next() === '?') this.#at++;
    if (this.#times() !== undefined) this.#fail('two repetitions in a row');
    return { kind: 'repeat', piece, least, most };
  }

  #times(): readonly [number, number] | undefined {
    const next = this.#next();
    const simple = next === '*' ? ([0, Infinity] as const) : next === '+' ? ([1, Infinity] as const) : undefined;
    if (simple !== undefined || next === '?') {
      this.#at++;
      return simple ?? [0, 1];
    }
    const count = this.#take(COUNT);
    if (count === undefined) return undefined;
    const least = Number(count[1]);
    const most = count[2] === undefined ? least : count[3] === '' ? Infinity : Number(count[3]);
    if (least > REPEAT_MAX || (most > REPEAT_MAX && most !== Infinity)) this.#fail(`more than ${REPEAT_MAX} times`);
    if (most < least) this.#fail('at most less often than at least');
    return [least, most];
  }

  #atom(): Piece {
    const next = this.#next();
    switch (next) {
      case '(':
        return this.#group();
      case '[':
        return this.#set(this.#class());
      case '\\':
        return this.#escape();
      case '*':
      case '+':
      case '?':
        return this.#fail(`nothing stands before this ${next} to repeat`);
      case '^':
        this.#at++;
        return { kind: 'edge', edge: this.#flags.includes('m') ? 'line start' : 'text start' };
      case '$':
        this.#at++;
        return { kind: 'edge', edge: this.#flags.includes('m') ? 'line end' : 'text end' };
      case '.':
        this.#at++;
        return { kind: 'character', holds: this.#flags.includes('s') ? () => true : (code) => code !== 0x0a };
      default:
        this.#at += next.length;
        return this.#literal(next);
    }
  }

  #group(): Piece {
    const open = this.#take(GROUP);
    if (open === undefined) this.#fail('a group of this kind is not known');
    if (++this.#depth > DEPTH_MAX) this.#fail('groups too deep');
    const piece = this.#choice();
    this.#depth--;
    if (this.#next() !== ')') this.#fail('a group is not closed');
    this.#at++;
    return piece;
  }

  /** The text of a class in brackets, which JavaScript reads as RE2 does once it is known where it ends. */
  #class(): string {
    const start = this.#at;
    let end = start + 1;
    if (this.#source[end] === '^') end++;
    do {
      if (this.#source.startsWith('[:', end)) this.#fail('named classes such as [:alpha:] are not known');
      if (end >= this.#source.length) this.#fail('a [ is not closed');
      end += this.#source[end] === '\\' ? 2 : 1;
    } while (this.#source[end] !== ']');
    this.#at = end + 1;
    return this.#source.slice(start, this.#at);
  }

  #escape(): Piece {
    const set = this.#take(SET);
    if (set !== undefined) return this.#set(set[0]);
    const escaped = this.#source[this.#at + 1] ?? '';
    const edge = EDGES[escaped];
    const literal = CONTROL[escaped] ?? (/^[!-/:-@[-`{-~]$/.test(escaped) ? escaped : undefined);
    if (edge === undefined && literal === undefined) this.#fail(`\\${escaped} is not known`);
    this.#at += 2;
    return edge === undefined ? this.#literal(literal as string) : { kind: 'edge', edge };
  }

  #literal(character: string): Piece {
    const code = character.codePointAt(0) as number;
    if (!this.#flags.includes('i')) return { kind: 'character', holds: (other) => other === code };
    return this.#set(`\\u{${code.toString(16)}}`);
  }

  #set(set: string): Piece {
    try {
      const test = new RegExp(`^${set}$`, this.#flags.includes('i') ? 'iu' : 'u');
      return { kind: 'character', holds: (code) => test.test(String.fromCodePoint(code)) };
    } catch {
      return this.#fail(`${set} is not understood`);
    }
  }

  /** The next character, by code points; empty at the end. */
  #next(): string {
    const code = this.#source.codePointAt(this.#at);
    return code === undefined ? '' : String.fromCodePoint(code);
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    const found = pattern.exec(this.#source.slice(this.#at)) ?? undefined;
    this.#at += found?.[0].length ?? 0;
    return found;
  }

  #fail(message: string): never {
    throw new PatternError(message, this.#at);
  }
}
