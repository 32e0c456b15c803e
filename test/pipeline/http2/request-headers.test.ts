import { expect, test } from 'vitest';
import { HeaderDecoder } from '../../../pipeline/http2/header-decoder.ts';
import { headerBlock } from '../../../pipeline/http2/header-encoder.ts';
import { checkRequest } from '../../../pipeline/http2/request-headers.ts';

const pseudo = headerBlock({ ':method': 'POST', ':scheme': 'http', ':path': '/' });
const field = (value: string) => Buffer.from([0, 1, 0x78, value.length, ...Buffer.from(value)]);

/** A request in which `x` is there with each of `values`, and how often what was joined of them is read. */
function checked(values: readonly string[]): { isRight: boolean; reads: number } {
  const block = Buffer.concat([pseudo, ...values.map(field)]);
  const list = new HeaderDecoder(64 * 1024).decode(block, 0, block.length);
  let reads = 0;
  const headers = new Proxy(list.headers, {
    get(of, name) {
      if (name === 'x') reads++;
      return of[name as string];
    },
  });
  const { names, hasRepetitions, isTooLarge } = list;
  const isRight = checkRequest({ headers, names, hasRepetitions, isTooLarge });
  return { isRight, reads };
}

test('a value that is joined of many is read once', () => {
  expect(checked(['a'])).toEqual({ isRight: true, reads: 1 });
  expect(checked(Array.from({ length: 500 }, () => 'a value'))).toEqual({ isRight: true, reads: 1 });
});

test('what may not be in a value is found in whichever of them it is', () => {
  for (const at of [0, 1, 9]) {
    const values = Array.from({ length: 10 }, (_, i) => (i === at ? 'a\nb' : 'a'));
    expect(checked(values).isRight).toBe(false);
  }
});
