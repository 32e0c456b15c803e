import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { licencesPage, type Lock, shippedBy } from '../../cmd/licence-list.ts';

const ROOT = join(import.meta.dirname, '../..');

describe('what is shipped', () => {
  const lock: Lock = {
    packages: {
      '': { dependencies: { b: '^1.0.0' } },
      'node_modules/b': { version: '1.2.0' },
      'node_modules/b/node_modules/@x/a': { version: '3.0.0' },
      'node_modules/there-or-not': { version: '1.0.0', optional: true },
      'node_modules/tests-only': { version: '1.0.0', dev: true },
    },
  };
  const found = (licences: Record<string, unknown>, version = '1.2.0') =>
    shippedBy(lock, (folder) =>
      folder in licences ? { version: folder.endsWith('a') ? '3.0.0' : version, license: licences[folder] } : undefined,
    );
  const both = (b: unknown, a: unknown = 'MIT') => ({ 'node_modules/b': b, 'node_modules/b/node_modules/@x/a': a });

  test('is listed, with what it needs itself; what builds and tests use is not', () => {
    const { shipped, problems } = found(both('ISC'));
    expect(problems).toEqual([]);
    expect(shipped).toEqual([
      { name: '@x/a', version: '3.0.0', licence: 'MIT', isDirect: false },
      { name: 'b', version: '1.2.0', licence: 'ISC', isDirect: true },
    ]);
    expect(licencesPage(shipped)).toMatch(/^\| @x\/a +\| 3\.0\.0 +\| MIT +\| +\|$/m);
  });

  test.each([
    'GPL-3.0-only',
    'AGPL-3.0',
    'SEE LICENSE IN x',
    'UNLICENSED',
    '',
    undefined,
    { type: 'MIT' },
    'MIT AND GPL-2.0',
  ])('must not be under %j', (licence) => {
    expect(found(both(licence)).problems).toEqual([expect.stringMatching(/^b 1\.2\.0: .* is not one of 0BSD, /)]);
  });

  test.each(['(MIT OR GPL-2.0)', 'GPL-2.0 OR Apache-2.0', 'MIT AND ISC'])('may be under %s', (licence) => {
    expect(found(both(licence)).problems).toEqual([]);
  });

  test('has to be there, as it is locked', () => {
    expect(found({ 'node_modules/b': 'MIT' }).problems).toEqual(['@x/a 3.0.0 is not installed; run npm ci']);
    expect(found(both('MIT'), '1.1.0').problems).toEqual(['b is 1.1.0, where the lock has 1.2.0; run npm ci']);
  });
});

test('the document is up to date, and nothing is shipped that must not be', () => {
  const { status, stderr } = spawnSync(process.execPath, ['cmd/licences.ts', '--check'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

describe('.ci/audit', () => {
  /** What it does where npm says this and ends with that. */
  function audited(report: string, code: number, env: Record<string, string> = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'windback-audit-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    mkdirSync(join(folder, '.ci'));
    copyFileSync(join(ROOT, '.ci/audit'), join(folder, '.ci/audit'));
    writeFileSync(join(folder, 'npm'), `#!/bin/sh\ncat <<'END'\n${report}\nEND\nexit ${code}\n`);
    chmodSync(join(folder, 'npm'), 0o755);
    const path = `${folder}:${process.env['PATH']}`;
    return spawnSync(join(folder, '.ci/audit'), { env: { PATH: path, ...env }, encoding: 'utf8' });
  }
  const REFUSED = '{\n  "message": "405 Method Not Allowed - POST x",\n  "statusCode": 405\n}';

  test('nothing known: a success', () => {
    const { status, stdout } = audited('{"auditReportVersion": 2}', 0);
    expect([status, stdout]).toEqual([0, 'audit: nothing high or critical is known of what is shipped\n']);
  });

  test('something known: a failure', () => {
    expect(audited('{"auditReportVersion": 2, "vulnerabilities": {"x": {}}}', 1).status).toBe(1);
  });

  test.each([
    ['a registry that does not answer it', REFUSED, 1],
    ['nothing at all', '', 1],
    ['nothing at all, without an error', '', 0],
  ])('%s is said loudly, and is a failure where it has to be', (_, report, code) => {
    const { status, stderr } = audited(report, code);
    expect([status, stderr]).toEqual([0, expect.stringContaining('NOT AUDITED')]);
    expect(audited(report, code, { WINDBACK_AUDIT_REQUIRED: '1' }).status).toBe(1);
  });
});
