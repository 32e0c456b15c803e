import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Endurance } from '../../../../processors/verdict/evidence/endurance.ts';

/** An incident is three blocks of a slot; evidence after each block, from its steps. */
function walked(steps: readonly number[], endurance = new Endurance(3, 1)): Endurance {
  let logE = 0;
  steps.forEach((step, slot) => endurance.see((logE += step), slot));
  return endurance;
}
const repeated = (blocks: number, step: number) => Array.from({ length: blocks }, () => step);
const quiet = (blocks: number) => repeated(blocks, 0);

describe('endurance', () => {
  it('leaves nothing of what came in one incident, not then and not later', () => {
    expect(walked([0, 2, 3, 1]).left).toBe(0);
    expect(walked([0, 2, 3, 1, ...quiet(50)]).left).toBe(0);
  });

  it('leaves nothing of two incidents that lie apart, and the third one of three', () => {
    const incident = [2, 3, 1, ...quiet(30)];
    expect(walked([...incident, ...incident]).left).toBe(0);
    expect(walked([...incident, 4, ...quiet(30), ...incident]).left).toBe(4);
  });

  it('leaves what lasts: of steady evidence all but an incident of the last minutes', () => {
    expect(walked(repeated(9, 1)).left).toBe(5);
    expect(walked([...quiet(40), ...repeated(9, 1)]).left, 'however late it begins').toBe(5);
  });

  it('never leaves more than there is, nor more than the last minutes and all without the best stretch', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 60 }), (steps) => {
        const { left } = walked(steps);
        const walk = [0];
        for (const step of steps) walk.push((walk.at(-1) as number) + step);
        const end = walk.at(-1) as number;
        const gain = (from: number) =>
          Math.max(
            0,
            ...walk.slice(from).map((to, i, rest) => to - Math.min(...rest.slice(Math.max(0, i - 4), i + 1))),
          );
        const lately = Math.max(0, walk.length - 13);
        expect(left).toBeLessThanOrEqual(Math.max(end - gain(0), end - (walk[lately] as number) - gain(lately)));
      }),
      { seed: 8, numRuns: 500 },
    );
  });

  it('goes on as before from what it saved', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 2, maxLength: 60 }), fc.nat(), (steps, at) => {
        const whole = walked(steps);
        const cut = at % steps.length;
        const first = walked(steps.slice(0, cut));
        const again = new Endurance(3, 1);
        again.restore(JSON.parse(JSON.stringify(first.save())));
        let logE = steps.slice(0, cut).reduce((sum, step) => sum + step, 0);
        steps.slice(cut).forEach((step, i) => again.see((logE += step), cut + i));
        expect(again.save()).toEqual(whole.save());
        expect(again.left).toBe(whole.left);
      }),
      { seed: 9, numRuns: 200 },
    );
  });
});
