import { Random } from '../support/random.ts';
import { mutated } from './mutate.ts';
import type { Target } from './target.ts';

/** Input number `index` of a target: the same bytes for the same seed, whatever was run before. */
export function inputOf(target: Target, seed: number, index: number): Buffer {
  let hash = seed >>> 0;
  for (const char of `${target.name} ${index}`) hash = (Math.imul(hash ^ char.charCodeAt(0), 0x0100_0193) + 1) >>> 0;
  return mutated(target.seeds, target.words ?? [], new Random(hash));
}
