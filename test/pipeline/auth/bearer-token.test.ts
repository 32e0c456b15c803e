import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BearerTokenAuth } from '../../../pipeline/auth/bearer-token.ts';
import { bearerTokenAuthConfig } from '../../../pipeline/auth/config.ts';
import { ManualClock } from '../../../pipeline/clock.ts';
import { recordingLogger } from '../../support/context.ts';

function tokenFile(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'windback-auth-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'tokens');
  writeFileSync(path, content);
  return path;
}

async function started(config: Record<string, unknown>) {
  const clock = new ManualClock();
  const { logger, lines } = recordingLogger();
  const auth = new BearerTokenAuth('bearertokenauth/a', bearerTokenAuthConfig.parse(config));
  await auth.start(clock, logger);
  /** Who is let in, and what the others are told. */
  const check = (headers: Record<string, string>): string => {
    try {
      auth.check(headers);
      return 'in';
    } catch (error) {
      const { code, message } = error as Error & { code: string };
      return `${code} ${message}`;
    }
  };
  const by = (authorization: string) => check({ authorization });
  return { auth, clock, lines, check, by };
}

describe('a token', () => {
  test.each([
    ['as it is', 'Bearer s3cret', true],
    ['the scheme in lower case', 'bearer s3cret', true],
    ['the scheme in upper case', 'BEARER s3cret', true],
    ['another one', 'Bearer other', false],
    ['in other letters', 'Bearer S3CRET', false],
    ['its beginning', 'Bearer s3cre', false],
    ['with more behind it', 'Bearer s3cret2', false],
    ['with a space behind it', 'Bearer s3cret ', false],
    ['none', 'Bearer ', false],
    ['the scheme alone', 'Bearer', false],
    ['no scheme', 's3cret', false],
    ['another scheme', 'Basic s3cret', false],
    ['nothing', '', false],
  ])('%s', async (_, told, isIn) => {
    const { by } = await started({ token: 's3cret' });
    expect(by(told)).toMatch(isIn ? /^in$/ : /^unauthenticated /);
  });

  test('no header at all', async () => {
    const { check } = await started({ token: 's3cret' });
    expect(check({})).toMatch(/^unauthenticated .*there is no header Authorization$/);
    expect(check({ 'x-authorization': 'Bearer s3cret' })).toMatch(/^unauthenticated /);
  });

  test('several, the one among them', async () => {
    const { by } = await started({ token: 'one', tokens: ['two', 'three'] });
    expect(['one', 'two', 'three', 'four'].map((token) => by(`Bearer ${token}`).split(' ')[0])).toEqual([
      'in',
      'in',
      'in',
      'unauthenticated',
    ]);
  });

  test('another header, another scheme, none', async () => {
    const named = await started({ token: 's3cret', header: 'X-Api-Key', scheme: '' });
    expect(named.check({ 'x-api-key': 's3cret' })).toBe('in');
    expect(named.check({ authorization: 's3cret' })).toMatch(/there is no header X-Api-Key$/);
    const other = await started({ token: 's3cret', scheme: 'Token' });
    expect(other.by('token s3cret')).toBe('in');
    expect(other.by('Bearer s3cret')).toMatch(/want Token TOKEN$/);
  });
});

describe('a file', () => {
  test('one token a line, whatever its ends and empty lines', async () => {
    const { by } = await started({ filename: tokenFile('one\r\n\n  two  \n') });
    expect(['one', 'two', '', ' '].map((token) => by(`Bearer ${token}`))).toEqual([
      'in',
      'in',
      expect.stringMatching(/^unauthenticated/),
      expect.stringMatching(/^unauthenticated/),
    ]);
  });

  test('is read again when it changes', async () => {
    const filename = tokenFile('old');
    const { auth, by, clock, lines } = await started({ filename, reload_interval: '10s' });
    writeFileSync(filename, 'new-one');
    await clock.advanceTo(9999);
    expect(by('Bearer old')).toBe('in');
    await clock.advanceTo(10_000);
    expect(by('Bearer old')).toMatch(/^unauthenticated/);
    expect(by('Bearer new-one')).toBe('in');
    await clock.advanceTo(50_000);
    expect(lines).toMatchObject([{ level: 30, extension: 'bearertokenauth/a', msg: 'new tokens are in use' }]);
    auth.stop();
    expect(clock.alarms).toBe(0);
  });

  test.each([
    ['emptied', (path: string) => writeFileSync(path, '\n\n'), /there is no token in it/],
    ['gone', unlinkSync, /extensions\.bearertokenauth\/a\.filename.*ENOENT/],
  ])('that is %s changes nothing, and is told', async (_, spoil, reason) => {
    const filename = tokenFile('s3cret');
    const { by, clock, lines } = await started({ filename });
    spoil(filename);
    await clock.advanceTo(60_000);
    expect(by('Bearer s3cret')).toBe('in');
    expect(by('Bearer ')).toMatch(/^unauthenticated/);
    expect(lines[0]).toMatchObject({ level: 40, msg: expect.stringMatching(reason) });
  });

  test('without a token, or that is not there, is no start', async () => {
    await expect(started({ filename: tokenFile('  \n\r\n') })).rejects.toMatchObject({
      code: 'config',
      detail: 'extensions.bearertokenauth/a.filename: there is no token in it',
    });
    await expect(started({ filename: '/nowhere/tokens' })).rejects.toMatchObject({
      code: 'file_unreadable',
      detail: expect.stringContaining('/nowhere/tokens (extensions.bearertokenauth/a.filename)'),
    });
  });
});

test('nothing that is said holds a token', async () => {
  const filename = tokenFile('s3cret-a');
  const { by, check, clock, lines } = await started({ filename });
  const said = [by('Bearer wr0ng'), by('wr0ng'), by('Bearer s3cret-aa'), check({})];
  writeFileSync(filename, 's3cret-bb');
  await clock.advanceTo(60_000);
  unlinkSync(filename);
  await clock.advanceTo(120_000);
  expect(lines).toHaveLength(2);
  expect(JSON.stringify([said, lines])).not.toMatch(/s3cret|wr0ng/);
});

test.each([
  ['nothing', {}],
  ['an empty token', { token: '' }],
  ['an empty one among several', { tokens: ['a', ''] }],
  ['an interval of nothing', { token: 'a', reload_interval: '0s' }],
  ['an unknown key', { token: 'a', tokn: 'b' }],
])('is not configured by %s', (_, config) => {
  expect(bearerTokenAuthConfig.safeParse(config).success).toBe(false);
});
