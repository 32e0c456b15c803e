import { expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';
import { inputOf } from './input.ts';
import { allTargets as brokenTargets } from './broken-targets.ts';
import { allTargets } from './targets.ts';

const broken = new URL('broken-targets.ts', import.meta.url);

test('nothing from outside does what it must not, for some seconds', { timeout: 60_000 }, async () => {
  const { found, hung, inputs } = await fuzz({ seed: 1, seconds: 8, only: '' });
  expect([found, hung]).toEqual([[], undefined]);
  expect([...inputs.keys()]).toEqual((await allTargets()).map(({ name }) => name));
});

test('what a target does wrong is found, with the input that shows it', { timeout: 30_000 }, async () => {
  const { found } = await fuzz({ seed: 1, seconds: 2, only: 'throws', module: broken });
  expect(found[0]).toMatchObject({ target: 'throws at a word', stack: expect.stringContaining('a defect') });
  expect(Buffer.from(found[0]?.input ?? '', 'base64').includes('needle')).toBe(true);
});

test('what does not end is found', { timeout: 30_000 }, async () => {
  const { hung } = await fuzz({ seed: 1, seconds: 20, only: 'hangs', module: broken, hangMs: 500 });
  const [, , hanging] = await brokenTargets();
  expect(hung?.target).toBe('hangs at a byte');
  expect(hanging && inputOf(hanging, 1, hung?.index ?? -1).includes(0xff)).toBe(true);
});

test('the same seed gives the same inputs, another one others', async () => {
  const [, target] = await brokenTargets();
  if (target === undefined) throw new Error('there are targets');
  const inputs = (seed: number) => Array.from({ length: 50 }, (_, i) => inputOf(target, seed, i).toString('base64'));
  expect(inputs(1)).toEqual(inputs(1));
  expect(inputs(1)).not.toEqual(inputs(2));
});
