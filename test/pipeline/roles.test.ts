import { expect, test } from 'vitest';
import { Roles } from '../../pipeline/roles.ts';

test('baseline and candidate of a rollout, nobody else', () => {
  const roles = new Roles();
  roles.begin('/shop/', '1', '2');
  expect([roles.of('/shop/', '1'), roles.of('/shop/', '2'), roles.of('/shop/', '3')]).toEqual([
    'baseline',
    'candidate',
    undefined,
  ]);
  expect(roles.of('/cart/', '1')).toBeUndefined();
  roles.end('/shop/');
  expect(roles.of('/shop/', '1')).toBeUndefined();
});

test('a rollout against itself has a candidate', () => {
  const roles = new Roles();
  roles.begin('/shop/', '1', '1');
  expect(roles.of('/shop/', '1')).toBe('candidate');
});

test('the epoch grows with every change, and only then', () => {
  const roles = new Roles();
  const epochs = [roles.epoch];
  const note = () => epochs.push(roles.epoch);
  roles.begin('/shop/', '1', '2');
  note();
  roles.begin('/shop/', '1', '2');
  note();
  roles.begin('/shop/', '2', '3');
  note();
  roles.end('/cart/');
  note();
  roles.end('/shop/');
  note();
  expect(epochs).toEqual([0, 1, 1, 2, 2, 3]);
});

test('is bounded; those that are known may still change', () => {
  const roles = new Roles(1);
  roles.begin('/shop/', '1', '2');
  roles.begin('/cart/', '1', '2');
  roles.begin('/shop/', '2', '3');
  expect([roles.of('/cart/', '2'), roles.of('/shop/', '3')]).toEqual([undefined, 'candidate']);
});
