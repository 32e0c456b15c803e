/** A regular expression of RE2's kind as a tree: no backreferences, no lookaround. */
export type Piece =
  | { readonly kind: 'character'; readonly holds: CharacterTest }
  | { readonly kind: 'edge'; readonly edge: Edge }
  | { readonly kind: 'sequence'; readonly parts: readonly Piece[] }
  | { readonly kind: 'choice'; readonly options: readonly Piece[] }
  | {
      readonly kind: 'repeat';
      readonly piece: Piece;
      readonly least: number;
      readonly most: number;
      /** Whether more is preferred to less. */
      readonly isGreedy: boolean;
    };

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
/** Flags for the rest of a group; those behind the dash are taken back. */
const FLAGS = /^\(\?(?=[ism-])([ism]*)(?:-([ism]+))?\)/;
/** The beginning of a group, with flags of its own where it has any. */
const GROUP = /^\((?:\?P?<\w+>|\?(?:([ism]*)(?:-([ism]+))?):|(?!\?))/;
const COUNT = /^\{(\d+)(,(\d*))?\}/;
const CONTROL: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', f: '\f', v: '\v' };
const EDGES: Readonly<Record<string, Edge>> = { A: 'text start', z: 'text end', b: 'word', B: 'no word' };
/** What stands for a set of characters, as RE2 and JavaScript both write it. */
const SET = /^\\(?:[dDwWsS]|[pP]\{[^}]*\}|x[0-9A-Fa-f]{2})/;
/** As RE2 writes what JavaScript writes otherwise: a character by its number, a property of one letter. */
const FOREIGN = /^\\(?:x\{([0-9A-Fa-f]{1,6})\}|([pP])([A-Z]))/;
const PUNCTUATION = /^[!-/:-@[-`{-~]$/;
/** Classes with names, as in `[[:alpha:]]`. */
const NAMED_CLASS = /^\[:(\^?)(\w+):\]/;
const NAMED: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7f',
  blank: '\\t ',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

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
    const piece = this.#choice();
    if (this.#at < this.#source.length) this.#fail('this ) closes nothing');
    return piece;
  }

  /** A choice, with flags that are set in it forgotten behind it. */
  #choice(): Piece {
    const flags = this.#flags;
    const options = [this.#sequence()];
    while (this.#next() === '|') {
      this.#at++;
      options.push(this.#sequence());
    }
    this.#flags = flags;
    return options.length === 1 ? (options[0] as Piece) : { kind: 'choice', options };
  }

  #setFlags(set = '', cleared = ''): void {
    this.#flags = [...new Set(this.#flags + set)].filter((flag) => !cleared.includes(flag)).join('');
  }

  #sequence(): Piece {
    const parts: Piece[] = [];
    for (let next = this.#next(); next !== '' && next !== '|' && next !== ')'; next = this.#next()) {
      const flags = this.#take(FLAGS);
      if (flags === undefined) parts.push(this.#repeated());
      else this.#setFlags(flags[1], flags[2]);
    }
    return { kind: 'sequence', parts };
  }

  #repeated(): Piece {
    const piece = this.#atom();
    const [least, most] = this.#times() ?? [1, 1];
    if (least === 1 && most === 1) return piece;
    const isGreedy = this.#next() !== '?';
    if (!isGreedy) this.#at++;
    if (this.#times() !== undefined) this.#fail('two repetitions in a row');
    return { kind: 'repeat', piece, least, most, isGreedy };
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
    const flags = this.#flags;
    this.#setFlags(open[1], open[2]);
    const piece = this.#choice();
    this.#flags = flags;
    this.#depth--;
    if (this.#next() !== ')') this.#fail('a group is not closed');
    this.#at++;
    return piece;
  }

  /** A class in brackets, as JavaScript writes it. */
  #class(): string {
    const start = this.#at++;
    let set = '[';
    if (this.#next() === '^') set += this.#step();
    // In front, ] is a character like others.
    if (this.#next() === ']') set += `\\${this.#step()}`;
    while (this.#next() !== ']') {
      if (this.#next() === '') {
        this.#at = start;
        this.#fail('a [ is not closed');
      }
      set += this.#member();
    }
    this.#at++;
    return `${set}]`;
  }

  /** One character, range's end or set in a class. */
  #member(): string {
    const at = this.#at;
    const named = this.#take(NAMED_CLASS);
    if (named !== undefined) {
      const [, negation, name = ''] = named;
      const ranges = NAMED[name];
      if (ranges !== undefined && negation === '') return ranges;
      this.#at = at;
      this.#fail(`${named[0]} is not known`);
    }
    const next = this.#step();
    if (next !== '\\') return next;
    this.#at = at;
    const set = this.#takeSet();
    if (set !== undefined) return set;
    const escaped = this.#source[this.#at + 1] ?? '';
    const literal = CONTROL[escaped] ?? (PUNCTUATION.test(escaped) ? escaped : undefined);
    if (literal === undefined) this.#fail(`\\${escaped} is not known`);
    this.#at += 2;
    return codeText(literal);
  }

  /** What stands for a set, or for a character by its number, as JavaScript writes it. */
  #takeSet(): string | undefined {
    const foreign = this.#take(FOREIGN);
    if (foreign === undefined) return this.#take(SET)?.[0];
    const [, code, property = '', letter = ''] = foreign;
    return code === undefined ? `\\${property}{${letter}}` : `\\u{${code}}`;
  }

  /** The next character, stepped over. */
  #step(): string {
    const next = this.#next();
    this.#at += next.length;
    return next;
  }

  #escape(): Piece {
    const set = this.#takeSet();
    if (set !== undefined) return this.#set(set);
    const escaped = this.#source[this.#at + 1] ?? '';
    const edge = EDGES[escaped];
    const literal = CONTROL[escaped] ?? (PUNCTUATION.test(escaped) ? escaped : undefined);
    if (edge === undefined && literal === undefined) this.#fail(`\\${escaped} is not known`);
    this.#at += 2;
    return edge === undefined ? this.#literal(literal as string) : { kind: 'edge', edge };
  }

  #literal(character: string): Piece {
    const code = character.codePointAt(0) as number;
    if (!this.#flags.includes('i')) return { kind: 'character', holds: (other) => other === code };
    return this.#set(codeText(character));
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

function codeText(character: string): string {
  return `\\u{${(character.codePointAt(0) as number).toString(16)}}`;
}
