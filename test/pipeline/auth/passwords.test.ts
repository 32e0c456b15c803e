import { createHash } from 'node:crypto';
import { hashSync } from 'bcryptjs';
import { beforeEach, expect, test, vi } from 'vitest';
import { Passwords } from '../../../pipeline/auth/passwords.ts';

/** What was compared, by what it costs. */
const work = vi.hoisted(() => [] as string[]);
vi.mock('bcryptjs', async (original) => {
  const real = await original<typeof import('bcryptjs')>();
  const compareSync = (password: string, kept: string) => {
    work.push(`bcrypt ${real.getRounds(kept)}`);
    return real.compareSync(password, kept);
  };
  return { ...real, compareSync };
});
vi.mock('../../../pipeline/auth/same-text.ts', async (original) => {
  const real = await original<typeof import('../../../pipeline/auth/same-text.ts')>();
  const isOneOf = (secret: string, digests: readonly Buffer[]) => {
    work.push(secret.startsWith('{SHA}') ? 'sha' : 'plain');
    return real.isOneOf(secret, digests);
  };
  return { ...real, isOneOf };
});

const USERS = {
  ann: hashSync('ann', 4),
  amy: hashSync('amy', 5).replace('$2b$', '$2y$'),
  bob: `{SHA}${createHash('sha1').update('bob').digest('base64')}`,
  cid: 'cid',
};

beforeEach(() => void work.splice(0));

test.each(Object.keys(USERS))('%s is let in by the right password alone', (user) => {
  const passwords = new Passwords(new Map(Object.entries(USERS)));
  expect(passwords.fits(user, user)).toBe(true);
  for (const wrong of ['', '{SHA}', 'x', USERS[user as keyof typeof USERS]].filter((text) => text !== user))
    expect(passwords.fits(user, wrong)).toBe(false);
});

test.each([
  ['of every kind', Object.keys(USERS), ['bcrypt 4', 'bcrypt 5', 'sha', 'plain']],
  ['of two costs', ['ann', 'amy'], ['bcrypt 4', 'bcrypt 5']],
  ['with bcrypt and without', ['amy', 'cid'], ['bcrypt 5', 'plain']],
  ['without bcrypt', ['bob', 'cid'], ['sha', 'plain']],
] as const)('with users %s a refusal is the same work, whoever it is of', (_, users, expected) => {
  const passwords = new Passwords(
    new Map(Object.entries(USERS).filter(([user]) => (users as readonly string[]).includes(user))),
  );
  for (const user of [...users, 'eve', '']) {
    work.splice(0);
    expect(passwords.fits(user, 'wrong')).toBe(false);
    expect(work).toEqual(expected);
  }
});

test.each([
  ['cut off', hashSync('x', 4).slice(0, -1)],
  ['of a cost that there is not', hashSync('x', 4).replace('$04$', '$99$')],
  ['of no cost', '$2y$x'],
  ['of the first version', hashSync('x', 4).replace('$2b$', '$2$')],
])('bcrypt that is %s lets nobody in, and costs what an unknown user does', (_, kept) => {
  const passwords = new Passwords(
    new Map([
      ['ann', USERS.ann],
      ['odd', kept],
    ]),
  );
  for (const password of ['x', '', kept]) {
    work.splice(0);
    expect(passwords.fits('odd', password)).toBe(false);
    expect(work).toEqual(['bcrypt 4']);
  }
});

test('there is nobody of the names that every object has, nor of none', () => {
  const passwords = new Passwords(new Map(Object.entries(USERS)));
  for (const user of ['constructor', '__proto__', ''])
    for (const password of ['', '{SHA}']) {
      expect(passwords.has(user)).toBe(false);
      expect(passwords.fits(user, password)).toBe(false);
    }
});
