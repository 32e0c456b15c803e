import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InParts } from '../../../processors/verdict/in-parts.ts';
import { atOnce } from '../../../processors/verdict/turns.ts';

/** The same value with every array and object in it in parts. */
function inParts(value: unknown): unknown {
  if (Array.isArray(value)) return InParts.list(value, inParts);
  if (typeof value !== 'object' || value === null) return value;
  return InParts.record(Object.fromEntries(Object.entries(value).map(([key, member]) => [key, inParts(member)])));
}

it('is written as JSON.stringify writes the whole, whatever is in it', () => {
  fc.assert(
    fc.property(
      fc.object({ withNullPrototype: false, values: [fc.jsonValue(), fc.string(), fc.double()] }),
      (value) => {
        const parts = inParts(JSON.parse(JSON.stringify(value))) as InParts<unknown>;
        expect(atOnce(parts.text())).toBe(JSON.stringify(parts.whole()));
        expect(parts.whole()).toEqual(JSON.parse(JSON.stringify(value)));
      },
    ),
  );
});

it('pauses after each part', () => {
  const parts = InParts.list([1, 2, 3], (number) => InParts.pair(number, [number]));
  expect([...parts.text()]).toHaveLength(9);
  expect(atOnce(parts.text())).toBe('[[1,[1]],[2,[2]],[3,[3]]]');
});
