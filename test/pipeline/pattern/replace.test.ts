/** Matches replaced where they lie in UTF-8: held against JavaScript's engine, and against texts made to hurt. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pattern, PatternSet } from '../../../pipeline/pattern/pattern.ts';
import { characterAt, characterBefore } from '../../../pipeline/pattern/utf8.ts';

/** Pieces that take at least a character each: the engines disagree about repeating nothing. */
const piece = fc.constantFrom('a', 'b', 'é', '😀', '.', '\\d', '\\w', '[ab]', '[^a]', 'ab', 'aa');
const edge = fc.constantFrom('\\b', '\\B', '^', '$', '');
const times = fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}', '*?', '+?', '??', '{1,2}?');
const repeated = fc
  .tuple(piece, times)
  .map(([inner, many]) => (inner.length > 1 ? `(?:${inner})${many}` : inner + many));
const sequence = fc
  .tuple(edge, fc.array(repeated, { minLength: 1, maxLength: 3 }), edge)
  .map(([a, b, c]) => a + b.join('') + c);
const solid = fc.array(piece, { minLength: 1, maxLength: 2 }).map((parts) => parts.join(''));
const group = fc.tuple(solid, solid, times).map(([a, b, many]) => `(?:${a}|${b})${many}`);
const pattern = fc
  .array(
    fc.oneof(
      sequence,
      group,
      fc.tuple(sequence, group).map(([a, b]) => a + b),
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((options) => options.join('|'));
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', '.', ' ', '\n', 'é', '😀'), maxLength: 12 });

/** Whether JavaScript finds it, but for the nothing that V8 finds in the middle of a character (`\B` in `a😀a`). */
function isFound(source: string, searched: string): boolean {
  const found = [...searched.matchAll(new RegExp(source, 'gu'))];
  return found.some(({ index }) => !/[\uDC00-\uDFFF]/.test(searched[index] ?? ''));
}

describe('matches', () => {
  it('are replaced where JavaScript finds them', () => {
    fc.assert(
      fc.property(pattern, text, (source, searched) => {
        const expected = searched.replaceAll(new RegExp(source, 'gu'), (match) => (match === '' ? '' : `<${match}>`));
        expect(replaced(source, searched)).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it('are the same wherever the text lies, and whatever stands around it', () => {
    fc.assert(
      fc.property(pattern, text, text, text, (source, before, searched, after) => {
        const around = Buffer.from(before + searched + after);
        const start = Buffer.byteLength(before);
        const end = start + Buffer.byteLength(searched);
        const found = new Pattern(source).replace(around, start, end, marked);
        expect(found?.toString() ?? searched).toBe(replaced(source, searched));
        expect(new PatternSet([source]).isFoundIn(around, start, end)).toBe(isFound(source, searched));
      }),
      { numRuns: 1000 },
    );
  });

  it('of bytes that are no text are told byte by byte, and the rest stays as it is', () => {
    const bytes = Buffer.from([0xff, 0x61, 0xc3, 0x61, 0xe2, 0x82, 0x61, 0xff]);
    expect(new Pattern('a').replace(bytes, 0, bytes.length, () => Buffer.from('*'))).toEqual(
      Buffer.from([0xff, 0x2a, 0xc3, 0x2a, 0xe2, 0x82, 0x2a, 0xff]),
    );
    expect(new Pattern('\\x{FFFD}a').replace(bytes, 0, bytes.length, () => Buffer.from('*'))).toEqual(
      Buffer.from([0x2a, 0x2a, 0xe2, 0x2a, 0xff]),
    );
  });

  it.each([
    ['.*', 'abc', '<abc>'],
    ['.*', '', ''],
    ['x*', 'axxb', 'a<xx>b'],
    ['a|ab', 'ab', '<a>b'],
    ['ab|a', 'ab', '<ab>'],
    ['a+?', 'aa', '<a><a>'],
    ['(?s).*', 'a\nb', '<a\nb>'],
    ['.*', 'a\nb', '<a>\n<b>'],
    ['\\b\\d{4}\\b', '12345 1234', '12345 <1234>'],
    ['^a', 'aa', '<a>a'],
    ['4[0-9]{12}(?:[0-9]{3})?', 'card 4111111111111111.', 'card <4111111111111111>.'],
  ])('of %s in %j', (source, searched, expected) => {
    expect(replaced(source, searched)).toBe(expected);
  });
});

describe('the cost', () => {
  const HOSTILE = [
    '(a+)+$',
    '(a|a)*b',
    '(a*)*c',
    'a*a*a*a*a*a*a*a*x',
    '(?:a?){40}a{40}b',
    '(a|b)*a(a|b){14}',
    '(x+x+)+y',
  ];
  const LENGTH = 20_000;

  it.each(HOSTILE)('of %s is one reading, and at most all of the pattern for a character', (source) => {
    for (const unit of ['a', 'ab', 'aab', 'x', 'é']) {
      const searched = Buffer.from(`${unit.repeat(LENGTH / unit.length)}!`);
      const one = new Pattern(source);
      one.replace(searched, 0, searched.length, marked);
      const readings = one.cost.read / searched.length;
      expect(readings).toBeLessThanOrEqual(33);
      expect(one.cost.worked).toBeLessThanOrEqual(one.cost.read * 500);
    }
  });

  it('of a pattern that reads on to the end for every match is bounded, and all from there on is replaced', () => {
    const searched = Buffer.from('a'.repeat(LENGTH));
    const one = new Pattern('a.*b|a');
    const result = one.replace(searched, 0, searched.length, (match) => Buffer.from(`<${match.length}>`));
    expect(one.cost.read).toBeLessThan(34 * LENGTH);
    const lengths = [...String(result).matchAll(/<(\d+)>/g)].map(([, length]) => Number(length));
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(LENGTH);
    expect(lengths.at(-1)).toBeGreaterThan(LENGTH / 2);
    // The same text gives the same result again, whatever was learnt meanwhile.
    expect(one.replace(searched, 0, searched.length, (match) => Buffer.from(`<${match.length}>`))).toEqual(result);
  });

  it('of what is known is a look into a table', () => {
    const searched = Buffer.from('GET /items/42 of a customer\n'.repeat(100));
    const one = new Pattern('4[0-9]{12}|eyJ[\\w-]+\\.[\\w-]+|\\bpassword=\\S+');
    one.replace(searched, 0, searched.length, marked);
    const { read, worked } = one.cost;
    one.replace(searched, 0, searched.length, marked);
    expect(one.cost.worked).toBe(worked);
    expect(one.cost.read).toBe(2 * read);
  });

  it('in memory is bounded, whatever states a text makes', () => {
    const one = new PatternSet(['(a|b)*a(a|b){14}c']);
    let seed = 7;
    const random = Buffer.from(
      Array.from({ length: 100_000 }, () => {
        seed = (seed * 48_271) % 2_147_483_647;
        return seed % 2 === 0 ? 0x61 : 0x62;
      }),
    );
    expect(one.isFoundIn(random)).toBe(false);
    expect(one.isFoundIn(Buffer.concat([random, Buffer.from('abbbbbbbbbbbbbbc')]))).toBe(true);
    expect(one.states).toBeLessThanOrEqual(513);
  });
});

describe('a character of UTF-8', () => {
  it('is the one that a decoder reads, forward and backward', () => {
    const bytes = fc.uint8Array({ maxLength: 12 }).map((any) => Buffer.from(any));
    const nearText = fc
      .array(
        fc.oneof(
          fc.string({ unit: 'grapheme', maxLength: 2 }).map((one) => Buffer.from(one)),
          fc.uint8Array({ maxLength: 1 }),
        ),
        {
          maxLength: 6,
        },
      )
      .map((parts) => Buffer.concat(parts));
    fc.assert(
      fc.property(fc.oneof(bytes, nearText), (all) => {
        const forward: number[] = [];
        const ends: number[] = [];
        for (let at = 0; at < all.length; ) {
          const character = characterAt(all, at, all.length);
          at += character % 8;
          forward.push(character);
          ends.push(at);
        }
        const backward: number[] = [];
        for (let at = all.length; at > 0; ) {
          const character = characterBefore(all, 0, at);
          at -= character % 8;
          backward.unshift(character);
        }
        expect(backward).toEqual(forward);
        const decoded = forward.map((character) => Math.floor(character / 8)).filter((code) => code !== 0xfffd);
        const expected = [...all.toString('utf8')].map((one) => one.codePointAt(0)).filter((code) => code !== 0xfffd);
        expect(decoded).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });
});

function replaced(source: string, searched: string): string {
  const bytes = Buffer.from(searched);
  return new Pattern(source).replace(bytes, 0, bytes.length, marked)?.toString() ?? searched;
}

function marked(match: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from('<'), match, Buffer.from('>')]);
}
