import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Cors, matches } from '../../../receivers/otlp/http-cors.ts';

/** Whether a page of this origin may send, and may ask. */
function allows(patterns: string[], origin: string): boolean {
  const cors = new Cors({ allowed_origins: patterns, allowed_headers: [], max_age: 0 });
  const told = cors.fields({ origin }) as Record<string, unknown>;
  const asked = cors.preflight({ origin }).fields as Record<string, unknown>;
  expect(asked['access-control-allow-origin']).toBe(told['access-control-allow-origin']);
  return told['access-control-allow-origin'] === origin;
}

test.each([
  ['*', 'https://shop.example', true],
  ['https://shop.example', 'https://shop.example', true],
  ['https://Shop.example', 'HTTPS://shop.Example', true],
  ['https://shop.example', 'https://shopxexample', false],
  ['https://shop.example', 'https://shop.example.evil', false],
  ['https://shop.example', 'https://shop.exampl', false],
  ['https://*.shop.example', 'https://a.b.shop.example', true],
  ['https://*.shop.example', 'https://shop.example', false],
  ['https://*.shop.example', 'https://a.shop.example.evil', false],
  ['http*://*.shop.example:*', 'https://a.shop.example:8443', true],
  ['http*://*.shop.example:*', 'https://a.shop.example', false],
  // What two parts would share counts once.
  ['https://a*a', 'https://a', false],
  ['*aba*aba*', 'ababa', false],
  ['*aba*aba*', 'abaaba', true],
  ['*', '', true],
  ['', '', true],
  ['', 'x', false],
])('%s and %s: %s', (pattern, origin, isAllowed) => {
  expect(allows(['https://other.example', pattern], origin)).toBe(isAllowed);
});

test('a pattern is what the same regular expression would match', () => {
  const text = (alphabet: string, maxLength: number) =>
    fc.array(fc.constantFrom(...alphabet), { maxLength }).map((all) => all.join(''));
  fc.assert(
    fc.property(text('ab*', 8), text('ab', 12), (pattern, origin) => {
      const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(origin);
      expect(matches(origin, pattern.split('*'))).toBe(expected);
    }),
    { numRuns: 2000 },
  );
});

test('a pattern of many parts looks at an origin once', () => {
  // Tried in all ways, that would not end.
  expect(allows([`${'*a'.repeat(40)}*b`], 'a'.repeat(1000))).toBe(false);
});

test('an origin that no page can have is not looked at', () => {
  const of = (length: number) => `https://${'a'.repeat(length - 16)}.example`;
  expect(of(1024)).toHaveLength(1024);
  expect(allows(['https://*.example'], of(1024))).toBe(true);
  expect(allows(['https://*.example'], of(1025))).toBe(false);
  expect(allows(['*'], of(1025))).toBe(false);
});
