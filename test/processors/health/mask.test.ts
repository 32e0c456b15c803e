import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LOOKED_AT, mask, TEMPLATE_LENGTH } from '../../../processors/health/mask.ts';

describe('a template', () => {
  it.each([
    ['user 42 not found', 'user <n> not found'],
    ["can't find user 'bob' in \"table x\"", "can't find user <str> in <str>"],
    ['GET https://api.acme.io/v1/orders/17?x=1 failed with 503', 'GET <url> failed with <n>'],
    ['dial tcp 10.2.3.4:5432: connect: refused', 'dial tcp <ip>: connect: refused'],
    ['dial tcp [2001:db8::1]:5432: i/o timeout', 'dial tcp <ip>: i/o timeout'],
    ['from fe80::1%eth0 and ::1', 'from <ip> and <ip>'],
    ['std::vector::at and a::b', 'std::vector::at and a::b'],
    ['order 550e8400-e29b-41d4-a716-446655440000 of bob@acme.com', 'order <id> of <email>'],
    ['at 2023-11-14T22:13:20.123Z, 2023/11/14 22:13:20', 'at <time>'],
    ['Tue, 14 Nov 2023 22:13:20 GMT late', '<time> late'],
    ['took 1m3.5s', 'took <n>'],
    ['took 350ms of 12 KiB or 99%', 'took <n> of <n> or <n>'],
    ['Foo@6d06d69c at 0xc000123', 'Foo@<n> at <n>'],
    ['pod checkout-7f9c6d8b5-x2x4b evicted', 'pod checkout-<id> evicted'],
    ['pod checkout-bcdfghjkl-zxwvt evicted', 'pod checkout-<id> evicted'],
    ['ids [1, 2, 3]', 'ids [<n>]'],
    ['ids [4, 5]', 'ids [<n>]'],
    ['token eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9', 'token <id>'],
    ['NullPointerException in OrderServiceImplementation', 'NullPointerException in OrderServiceImplementation'],
    ['ORA-00942: worker_thread_12 of utf8', 'ORA-<n>: worker_thread_<n> of utf<n>'],
    ['value -5 is < 3.14e10, 1,234.5', 'value <n> is < <n>'],
    ['/orders/42/items/a1b2c3d4', '/orders/<n>/items/<n>'],
    ['trace 4bf92f3577b34da6a3ce929d0e0e4736', 'trace <id>'],
    ['mac 00:1A:2b:3c:4d:5e', 'mac <id>'],
    ['  many\t\n blanks \u0000 here ', 'many blanks here'],
    ['日本42語', '日本<n>語'],
    ['', ''],
  ])('of %j is %j', (message, template) => {
    expect(mask(message)).toBe(template);
  });

  it('is short, and made of the beginning alone', () => {
    expect(mask('word '.repeat(500)).length).toBeLessThanOrEqual(TEMPLATE_LENGTH);
    const head = `${'1'.repeat(LOOKED_AT - 10)} the end`;
    expect(mask(`${head}${' '.repeat(LOOKED_AT)}and more`)).toBe(mask(head));
  });

  it('has no half characters and no half placeholders', () => {
    expect(mask('😀'.repeat(600)).isWellFormed()).toBe(true);
    for (let length = TEMPLATE_LENGTH - 6; length < TEMPLATE_LENGTH + 2; length++) {
      expect(mask(`${'x'.repeat(length)} 42 y`)).toMatch(/^x+( <n>)?( y)?$/);
    }
  });
});

/** Messages out of what matters to masking, and of anything. */
const piece = fc.oneof(
  fc.constantFrom(
    'user',
    'id=',
    "'",
    '"',
    '`',
    '<',
    '>',
    '<n>',
    '<str>',
    '[',
    ']',
    ',',
    ' ',
    '-',
    '.',
    ':',
    '::',
    '/',
    '@',
    '%',
    '0x1f',
    '1e5',
    '12ms',
    '3 KB',
    '10.0.0.1',
    '2023-11-14',
    '22:13:20',
    'a@b.c',
    'http://x',
    'deadbeef1',
    'é',
    '_',
  ),
  fc.string({ unit: 'grapheme', maxLength: 5 }),
  fc.nat().map(String),
  fc.uuid(),
  fc.ipV6(),
);
const message = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(''));

describe('masking', () => {
  it('of a template gives the template', () => {
    fc.assert(
      fc.property(message, (text) => {
        const template = mask(text);
        expect(mask(template)).toBe(template);
        expect(template.length).toBeLessThanOrEqual(TEMPLATE_LENGTH);
      }),
      { numRuns: 3000 },
    );
  });

  it('of messages that differ only in what changes gives one template', () => {
    const hex = (length: number) =>
      fc
        .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })
        .filter((text) => /\d/.test(text));
    const parts: [string, fc.Arbitrary<string>][] = [
      ['order ', fc.nat({ max: 999_999_999 }).map(String)],
      [' of ', fc.uuid()],
      [' from ', fc.ipV4()],
      [' took ', fc.double({ min: 0.001, max: 9999, noNaN: true }).map((ms) => `${ms.toFixed(3)}ms`)],
      [' request ', hex(32)],
      [' digest ', hex(8)],
      [' by ', fc.emailAddress({ size: 'small' }).filter((text) => /^[\w.+-]{1,64}@[\w.-]+$/.test(text))],
      [' saying "', fc.string({ unit: fc.constantFrom(...'abc 12'), maxLength: 9 }).map((text) => `${text}"`)],
      [' at ', fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }).map((at) => at.toISOString())],
    ];
    const filled = fc
      .tuple(...parts.map(([, value]) => value))
      .map((values) => values.map((value, i) => `${parts[i]?.[0]}${value}`));
    fc.assert(
      fc.property(
        filled,
        filled,
        fc.subarray(
          parts.map((_, i) => i),
          { minLength: 1 },
        ),
        (one, other, chosen) => {
          const of = (texts: string[]) => mask(chosen.map((i) => texts[i]).join(''));
          expect(of(one)).toBe(of(other));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('of messages that say different things does not make them one', () => {
    const templates = ['connection refused', 'connection reset', 'timeout after 5 s', 'no such table "x"'].map(mask);
    expect(new Set(templates).size).toBe(4);
  });

  it('ends on hostile messages', () => {
    const seeds = [
      '1.',
      'a1',
      "'",
      '"',
      "' ",
      "'x ",
      'a@',
      '::',
      'a-',
      '1,',
      '12345678-',
      'a://',
      'A1-',
      '<n',
      '1ms',
      '-1 ',
    ];
    for (const seed of seeds) {
      const template = mask(seed.repeat(100_000));
      expect(mask(template)).toBe(template);
    }
  });
});
