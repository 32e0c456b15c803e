import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePattern } from '../../../pipeline/pattern/pattern.ts';
import { PatternError } from '../../../pipeline/pattern/syntax.ts';

/** Patterns that JavaScript reads in the same way, small enough that it does not backtrack for long. */
const atom = fc.constantFrom(
  'a',
  'b',
  'é',
  '😀',
  '.',
  '\\d',
  '\\w',
  '\\s',
  '[ab]',
  '[^a]',
  '[a-c\\d]',
  '\\.',
  '\\b',
  '^',
  '$',
);
const { pattern } = fc.letrec<{ pattern: string; sequence: string; piece: string }>((tie) => ({
  pattern: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('sequence'),
    fc.tuple(tie('sequence'), tie('pattern')).map(([a, b]) => `${a}|${b}`),
  ),
  sequence: fc.array(tie('piece'), { maxLength: 4 }).map((pieces) => pieces.join('')),
  piece: fc.oneof(
    { depthSize: 'small' },
    atom,
    fc
      .tuple(tie('pattern'), fc.constantFrom('', '*', '+', '?', '{0}', '{2}', '{1,}', '{1,3}', '*?', '+?'))
      .map(([inner, times]) => `(?:${inner})${times}`),
  ),
}));
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', '.', ' ', '\n', 'é', '😀'), maxLength: 8 });

describe('a pattern', () => {
  it('is found where JavaScript finds it', () => {
    fc.assert(
      fc.property(pattern, text, (source, searched) => {
        const problem = problemOf(source);
        fc.pre(!(problem instanceof PatternError && problem.message === 'the pattern is too large'));
        expect(compilePattern(source)(searched)).toBe(new RegExp(source, 'u').test(searched));
      }),
      { numRuns: 3000 },
    );
  });

  it.each<[string, string, boolean]>([
    ['(?i)ERROR: Ünit', 'an error: ÜNIT', true],
    ['(?i)[a-c]x', 'BX', true],
    ['ERROR', 'error', false],
    ['(?s)a.b', 'a\nb', true],
    ['a.b', 'a\nb', false],
    ['(?m)^b$', 'a\nb\nc', true],
    ['^b$', 'a\nb\nc', false],
    ['\\Ab\\z', 'b', true],
    ['(?P<name>x)+y', 'xxy', true],
    ['(?<name>x){2}y', 'xy', false],
    ['a{b', 'a{b', true],
    ['\\-\\@\\n', '-@\n', true],
    ['\\p{Lu}', 'aÄ', true],
    ['[\\]a]', ']', true],
    ['\\x41', 'A', true],
    ['', '', true],
    ['^[[:alpha:]_]+$', 'ab_', true],
    ['^[[:alpha:]]+$', 'ab1', false],
    ['^[^[:space:]]$', ' ', false],
    ['^[\\w\\.\\-]+\\@', 'a.b-c@', true],
    ['[\\@\\_]', '_', true],
    ['^[]a]+$', ']a', true],
    ['a(?i)b', 'aB', true],
    ['a(?i)b', 'AB', false],
    ['(a(?i)b)c', 'aBC', false],
    ['(?i:a)b', 'Ab', true],
    ['(?i:a)b', 'AB', false],
    ['(?i)a(?-i:b)', 'AB', false],
    ['(?i)a(?-i)b|c', 'C', false],
    ['\\x{1F600}', '😀', true],
    ['^\\pL+$', 'aÄ', true],
  ])('%s in %j: %s', (source, searched, expected) => {
    expect(compilePattern(source)(searched)).toBe(expected);
  });

  it('takes no longer for a text that is made to make it backtrack', () => {
    // JavaScript's own engine would need more steps than there are atoms on earth.
    for (const source of ['(a+)+$', '(a|a)*b', '(a*)*c', 'a*a*a*a*a*a*a*a*x', '(?:a?){40}a{40}b']) {
      expect(compilePattern(source)(`${'a'.repeat(5000)}!`)).toBe(false);
    }
  });

  it.each<[string, number]>([
    ['(', 1],
    ['a)', 1],
    ['[a', 0],
    ['*a', 0],
    ['a|+', 2],
    ['a**', 3],
    ['(?=a)', 0],
    ['a(?!b)', 1],
    ['(a)\\1', 3],
    ['\\', 0],
    ['\\q', 0],
    ['[[:alhpa:]]', 1],
    ['[[:^alpha:]]', 1],
    ['a(?U)b', 1],
    ['[\\b]', 1],
    ['[z-a]', 5],
    ['a{3,1}', 6],
    ['a{1001}', 7],
  ])('%s is not understood at %i', (source, at) => {
    expect(() => compilePattern(source)).toThrow(PatternError);
    expect(problemOf(source)).toMatchObject({ at });
  });

  it.each([
    'a{600}',
    '(?:a{30}){30}',
    '(?:(?:){1000}){1000}',
    '(?:(?:a{0}){1000}){1000}',
    '('.repeat(60) + ')'.repeat(60),
  ])('%s is too large', (source) => {
    expect(() => compilePattern(source)).toThrow(PatternError);
  });
});

function problemOf(source: string): unknown {
  try {
    return compilePattern(source);
  } catch (thrown) {
    return thrown;
  }
}
