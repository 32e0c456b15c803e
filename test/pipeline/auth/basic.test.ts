import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BasicAuth } from '../../../pipeline/auth/basic.ts';
import { basicAuthConfig } from '../../../pipeline/auth/config.ts';
import { ManualClock } from '../../../pipeline/clock.ts';
import { recordingLogger } from '../../support/context.ts';

/** As `htpasswd -B` writes it, with less work. */
const bcrypt = (password: string) => hashSync(password, 4).replace(/^\$2[ab]\$/, '$2y$');
const sha = (password: string) => `{SHA}${createHash('sha1').update(password).digest('base64')}`;
const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** Credentials of this user that are wrong, and new. */
const wrongOf = (user: string) => basic(user, `wrong ${tries++}`);
let tries = 0;
/** The codes of what came of so many tries. */
const told = (count: number, ask: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => ask(i).split(' ')[0]);
const unauthenticated = (count: number) => Array.from({ length: count }, () => 'unauthenticated');

const USERS = [
  '# who sends',
  `ann:${bcrypt('ann-pa:ss')}`,
  `bob:${sha('bob-pass')}`,
  '',
  'cid:cid:pass',
  `däve:${bcrypt('grün')}`,
].join('\n');

function userFile(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'windback-auth-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'htpasswd');
  writeFileSync(path, content);
  return path;
}

async function started(htpasswd: Record<string, unknown>) {
  const clock = new ManualClock(1_000_000);
  const { logger, lines } = recordingLogger();
  const auth = new BasicAuth('basicauth/a', basicAuthConfig.parse({ htpasswd }));
  await auth.start(clock, logger);
  onTestFinished(() => auth.stop());
  /** Who is let in, and what the others are told. */
  const by = (authorization?: string): string => {
    try {
      auth.check({ authorization });
      return 'in';
    } catch (error) {
      const { code, message } = error as Error & { code: string };
      return `${code} ${message}`;
    }
  };
  return { auth, clock, lines, by };
}

describe('a user', () => {
  test.each([
    ['by bcrypt, with a colon in the password', basic('ann', 'ann-pa:ss'), true],
    ['by SHA', basic('bob', 'bob-pass'), true],
    ['plain, with a colon', basic('cid', 'cid:pass'), true],
    ['beyond ASCII', basic('däve', 'grün'), true],
    ['the scheme in other letters', basic('bob', 'bob-pass').replace('Basic', 'bASIC'), true],
    ['wrong by bcrypt', basic('ann', 'ann-pa'), false],
    ['wrong by SHA', basic('bob', 'bob-pas'), false],
    ['wrong, plain', basic('cid', 'cid'), false],
    ['no password', basic('bob', ''), false],
    ['unknown', basic('eve', 'bob-pass'), false],
    ['of no name', basic('', 'bob-pass'), false],
    ['in other letters', basic('Bob', 'bob-pass'), false],
    ['a comment', basic('# who sends', ''), false],
    ['what is kept in place of the password', basic('bob', sha('bob-pass')), false],
    ['no colon', `Basic ${Buffer.from('bob').toString('base64')}`, false],
    ['another scheme', basic('bob', 'bob-pass').replace('Basic', 'Bearer'), false],
    ['no base64', 'Basic bob:bob-pass', false],
    ['nothing', '', false],
    ['no header', undefined, false],
  ])('%s', async (_, told, isIn) => {
    const { by } = await started({ inline: USERS });
    // The second time from memory, if it was right.
    for (let i = 0; i < 2; i++) expect(by(told)).toMatch(isIn ? /^in$/ : /^unauthenticated /);
  });

  test('of the file and of the configuration, which goes before it', async () => {
    const file = userFile(`ann:of-file\nbob:of-file\n`);
    const { by } = await started({ file, inline: 'bob:of-config' });
    expect(by(basic('ann', 'of-file'))).toBe('in');
    expect(by(basic('bob', 'of-config'))).toBe('in');
    expect(by(basic('bob', 'of-file'))).toMatch(/^unauthenticated/);
  });
});

describe('strangers', () => {
  test('are looked at ten at once, then one a second; who is known goes on', async () => {
    const { by, clock } = await started({ inline: USERS });
    const ann = basic('ann', 'ann-pa:ss');
    expect(by(ann)).toBe('in');
    /** Each time something new of the next user, so that no name alone has used up its places. */
    const ask = (count: number) => told(count, (i) => by(wrongOf(['cid', 'ann', 'däve', 'eve'][i % 4] as string)));
    expect(ask(11)).toEqual([...unauthenticated(9), 'auth_busy', 'auth_busy']);
    // Right credentials that nobody has seen are strangers as well: to tell them apart is what costs.
    expect(by(basic('bob', 'bob-pass'))).toMatch(/^auth_busy .*extensions\.basicauth\/a$/);
    // From memory: of bcrypt there is no more to be had.
    for (let i = 0; i < 100; i++) expect(by(ann)).toBe('in');
    await clock.advanceTo(1_000_999);
    expect(by(basic('bob', 'bob-pass'))).toMatch(/^auth_busy/);
    await clock.advanceTo(1_001_000);
    expect(by(basic('bob', 'bob-pass'))).toBe('in');
    expect(ask(1)).toEqual(['auth_busy']);
    await clock.advanceTo(2_000_000);
    expect(ask(11)).toEqual([...unauthenticated(10), 'auth_busy']);
  });

  test('are asked to come again, when there is a place', async () => {
    const { auth } = await started({ inline: 'ann:x\nbob:x\ncid:x' });
    const ask = (user: string) => () => auth.check({ authorization: wrongOf(user) });
    for (const user of ['ann', 'ann', 'ann', 'ann', 'bob', 'bob', 'bob', 'cid', 'cid', 'cid'])
      expect(ask(user)).toThrow(expect.objectContaining({ code: 'unauthenticated' }));
    expect(ask('bob')).toThrow(expect.objectContaining({ code: 'auth_busy', retryAfterMs: 1000 }));
    expect(ask('ann')).toThrow(expect.objectContaining({ code: 'auth_busy', retryAfterMs: 4000 }));
  });

  test.each([
    ['a user', () => wrongOf('ann')],
    ['one name that is unknown', () => wrongOf('eve')],
    ['many names that are unknown', () => wrongOf(`eve${tries}`)],
    ['nobody', () => `Basic ${Buffer.from(`${tries++}`).toString('base64')}`],
  ])('who tries passwords of %s takes no more than a part of the places', async (_, next) => {
    const { by, clock } = await started({ inline: USERS });
    const ask = (count: number) => told(count, () => by(next()));
    expect(ask(6)).toEqual([...unauthenticated(4), 'auth_busy', 'auth_busy']);
    for (let i = 0; i < 40; i++) {
      await clock.advanceTo(clock.now() + 1000);
      expect(ask(2)).toEqual(i % 4 === 3 ? ['unauthenticated', 'auth_busy'] : ['auth_busy', 'auth_busy']);
    }
    // Now the next place of that name is there for whoever is right, and others never had to wait.
    expect(by(basic('bob', 'bob-pass'))).toBe('in');
    expect(by(basic('cid', 'cid:pass'))).toBe('in');
  });

  test('that were refused are refused again at once, and take no place', async () => {
    const file = userFile(`ann:${bcrypt('new')}\nbob:bob-pass\n`);
    const { by, clock } = await started({ file });
    const old = basic('ann', 'old');
    // A client that does not know of the new password, or one of a user who has gone.
    for (let i = 0; i < 100; i++) {
      expect(by(old)).toMatch(/^unauthenticated/);
      expect(by(basic('gone', 'pass'))).toMatch(/^unauthenticated/);
    }
    expect(by(basic('ann', 'new'))).toBe('in');
    expect(by(basic('bob', 'bob-pass'))).toBe('in');
    expect(told(3, () => by(wrongOf('ann')))).toEqual(['unauthenticated', 'unauthenticated', 'auth_busy']);
    expect(by(old)).toMatch(/^unauthenticated/);
    // With other users it may be right.
    writeFileSync(file, 'ann:old\n');
    await clock.advanceTo(1_060_000);
    expect(by(old)).toBe('in');
  });

  test('of which more were refused than are remembered push out nobody who is known', async () => {
    const { by, clock } = await started({ inline: 'ann:x\nbob:x' });
    expect(by(basic('bob', 'x'))).toBe('in');
    const first = wrongOf('ann');
    expect(by(first)).toMatch(/^unauthenticated/);
    for (let i = 0; i < 1024; i++) {
      await clock.advanceTo(clock.now() + 4000);
      expect(by(wrongOf('ann'))).toMatch(/^unauthenticated/);
    }
    // Forgotten: it takes the fourth place, and nobody else finds one.
    expect(told(3, () => by(wrongOf('ann')))).toEqual(unauthenticated(3));
    expect(by(first)).toMatch(/^auth_busy/);
    expect(by(basic('bob', 'x'))).toBe('in');
  });

  test('that say nothing of use cost nothing', async () => {
    const { by } = await started({ inline: USERS });
    for (let i = 0; i < 100; i++) expect(by('Basic ?')).toMatch(/^unauthenticated/);
    expect(by(basic('bob', 'bob-pass'))).toBe('in');
  });
});

describe('a file', () => {
  test('is read again when it changes, and what was known before is forgotten', async () => {
    const file = userFile(`ann:${bcrypt('old')}\n`);
    const { auth, by, clock, lines } = await started({ file });
    expect(by(basic('ann', 'old'))).toBe('in');
    writeFileSync(file, `ann:${sha('new')}\n`);
    await clock.advanceTo(1_059_999);
    expect(by(basic('ann', 'old'))).toBe('in');
    await clock.advanceTo(1_060_000);
    expect(by(basic('ann', 'old'))).toMatch(/^unauthenticated/);
    expect(by(basic('ann', 'new'))).toBe('in');
    expect(lines).toMatchObject([{ level: 30, extension: 'basicauth/a', msg: 'new users are in use' }]);
    auth.stop();
    expect(clock.alarms).toBe(0);
  });

  test.each([
    ['emptied', (path: string) => writeFileSync(path, '# nobody\n'), /there is no user in it/],
    ['no htpasswd any more', (path: string) => writeFileSync(path, 'ann\n'), /want user:password; line 1 is not/],
    ['gone', unlinkSync, /extensions\.basicauth\/a\.htpasswd\.file.*ENOENT/],
  ])('that is %s changes nothing, and is told', async (_, spoil, reason) => {
    const file = userFile('ann:x');
    const { by, clock, lines } = await started({ file });
    spoil(file);
    await clock.advanceTo(1_060_000);
    expect(by(basic('ann', 'x'))).toBe('in');
    expect(by(basic('ann', 'y'))).toMatch(/^unauthenticated/);
    expect(lines[0]).toMatchObject({ level: 40, msg: expect.stringMatching(reason) });
  });

  test.each([
    ['nobody', '# nobody\n\n', /there is no user in it/],
    ['no password', 'ann:', /want user:password/],
    ['no user', ':pass', /want user:password/],
    ['MD5 of Apache, which is not known here', 'ann:$apr1$abcdefgh$0123456789012345678901', /htpasswd -B/],
    ['SHA-512 of crypt', 'ann:$6$salt$hash', /htpasswd -B/],
  ])('of %s is no start', async (_, content, detail) => {
    const wrong = { code: 'config', detail: expect.stringMatching(detail) };
    await expect(started({ file: userFile(content) })).rejects.toMatchObject(wrong);
    // What stands in the configuration is refused with it, by the same words.
    await expect(started({ inline: content })).rejects.toThrow(detail);
  });

  test('that is not there is no start', async () => {
    await expect(started({ file: '/nowhere/htpasswd' })).rejects.toMatchObject({
      code: 'file_unreadable',
      detail: expect.stringContaining('/nowhere/htpasswd (extensions.basicauth/a.htpasswd.file)'),
    });
  });
});

test('nothing that is said holds a password', async () => {
  const file = userFile('ann:s3cret\n');
  const { by, clock, lines } = await started({ file });
  const said = [by(basic('ann', 'wr0ng')), by(`Basic ann:wr0ng`), by('wr0ng'), by(basic('s3cret', 's3cret'))];
  for (const content of ['ann:s3cret-b\n', 'ann:s3cret\ns3cret\n', ':s3cret\n']) {
    writeFileSync(file, content);
    await clock.advanceTo(clock.now() + 60_000);
  }
  for (let i = 0; i < 12; i++) said.push(by(basic('ann', `wr0ng${i}`)));
  expect(lines).toHaveLength(3);
  const failed = await started({ inline: 's3cret' }).catch((error: Error) => error.message);
  const text = JSON.stringify([said, lines, failed]);
  expect(text).not.toMatch(/s3cret|wr0ng/);
  // Nor as it is sent.
  for (const secret of ['s3cret', 'wr0ng']) expect(text).not.toContain(Buffer.from(`ann:${secret}`).toString('base64'));
});

test.each([
  ['nothing', {}],
  ['neither file nor text', { htpasswd: {} }],
  ['an interval of nothing', { htpasswd: { inline: 'a:b' }, reload_interval: '0s' }],
])('is not configured by %s', (_, config) => {
  expect(basicAuthConfig.safeParse(config).success).toBe(false);
});
