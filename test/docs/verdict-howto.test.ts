/** What the README of the judge tells to do is done here, word for word: its snippets judge recordings. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import type { Decision } from '../../proto/windback/decision.ts';
import { Bench, deployment, traffic } from '../support/judging.ts';
import { Random } from '../support/random.ts';
import { type Attributes, type SpanSpec, tracesJson } from '../support/telemetry.ts';

const ROOT = join(import.meta.dirname, '../..');
const README = readFileSync(join(ROOT, 'processors/verdict/README.md'), 'utf8');
const SCHEMA = readFileSync(join(ROOT, 'proto/windback/decision.schema.json'), 'utf8');

/** The configuration that the README begins with, reading captures. */
const BASE = (README.match(/```yaml\n([\s\S]*?)```/) as RegExpMatchArray)[1] as string;

/** The first snippet below a heading. */
function snippet(heading: string): string {
  const below = README.split(`### ${heading}\n`)[1]?.split('\n### ')[0];
  return below?.match(/```yaml\n([\s\S]*?)```/)?.[1] ?? expect.fail(`no snippet below ${heading}`);
}

const BEGIN = 1_700_000_000;
const SECONDS = 420;
/** From this second on a second version serves as well. */
const ROLLOUT = 120;

/** What a version's requests of a second are. */
type Serving = (version: string, second: number, random: Random) => readonly SpanSpec[];

function capture(serving: Serving, attributes: (version: string) => Attributes = () => ({})): string {
  const random = new Random(7);
  const path = join(mkdtempSync(join(tmpdir(), 'windback-')), 'capture.jsonl');
  const lines = Array.from({ length: SECONDS }, (_, second) => {
    const versions = second < ROLLOUT ? ['1'] : ['1', '2'];
    const groups = versions.flatMap((version) =>
      ['a', 'b'].map((host) => ({
        resource: {
          'service.name': 'checkout',
          'service.namespace': 'shop',
          'deployment.environment.name': 'prod',
          'service.version': version,
          'service.instance.id': `${version}-${host}`,
          ...attributes(version),
        },
        items: serving(version, second, random),
      })),
    );
    return JSON.stringify(tracesJson(...groups));
  });
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

interface Event {
  readonly subject: string;
  readonly data: Decision;
}

/** The decisions of `windback replay` with the README's configuration and more. */
function replay(path: string, ...configs: string[]): Event[] {
  const options = [BASE, ...configs].flatMap((text) => ['--config', `yaml:${text}`]);
  const { status, stdout, stderr } = spawnSync(process.execPath, ['cmd/windback.ts', 'replay', ...options, path], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect(`${status} ${stderr}`).toMatch(/^0 /);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event);
}

const kinds = (events: readonly Event[]) => events.map(({ data }) => data.decision);

/** Ten requests of a host a second, each with a charge, of which `declined` are declined. */
const charging =
  (declined: (version: string) => number): Serving =>
  (version, second, random) =>
    Array.from({ length: 10 }, () => {
      const end = BEGIN + second + random.next();
      return [
        { name: 'POST /pay', end, durationMs: 20 },
        { name: 'charge', kind: 1, end, attributes: { 'payment.declined': random.chance(declined(version)) } },
      ];
    }).flat();

describe('an indicator of your own', () => {
  const path = capture(charging((version) => (version === '2' ? 0.4 : 0.05)));

  it('is judged as the README says', () => {
    const rollback = replay(path, snippet('An indicator of your own')).find(({ data }) => data.decision === 'rollback');
    expect(rollback?.data).toMatchObject({ indicator: 'custom.declined', candidate: { version: '2', errors: 0 } });
  });

  it('is not judged where verdict does not list it', () => {
    const health = snippet('An indicator of your own').split('  verdict:')[0] as string;
    expect(replay(path, health)).toEqual([]);
  });
});

describe('failing requests', () => {
  const failing: Serving = (version, second, random) =>
    Array.from({ length: 10 }, () => ({
      name: 'POST /pay',
      end: BEGIN + second + random.next(),
      status: random.chance(version === '2' ? 0.3 : 0.005) ? 2 : 0,
      attributes: {
        'feature_flag.key': 'new-pay',
        'feature_flag.result.variant': version === '2' && random.chance(0.5) ? 'on' : 'off',
      },
    }));
  const path = capture(failing, (version) => ({ 'deployment.ring': version === '2' ? 'canary' : 'stable' }));

  it('are rolled back with the configuration that the README begins with', () => {
    expect(kinds(replay(path))).toEqual(['hold', 'rollback']);
  });

  it('are decided with everything that people change, marked so that nobody acts', () => {
    const all = [...README.matchAll(/```yaml\n([\s\S]*?)```/g)][1]?.[1] as string;
    const events = replay(path, all);
    expect(events.length).toBeGreaterThan(0);
    for (const { data } of events) expect(data.dry_run).toBe(true);
    expect(replay(path, snippet('Try it without anybody acting')).map(({ data }) => data.dry_run)).toEqual([
      true,
      true,
    ]);
  });

  it('hold only where the indicator does not gate', () => {
    const other = snippet('Switch an indicator off, or let it hold only').replace('new_signatures', 'errors');
    expect(kinds(replay(path, other))).toEqual(['hold']);
  });

  it('are compared with the baseline that was chosen', () => {
    const [first, ...rest] = replay(path, snippet('Choose the baseline').replace('1.4.1', "'1'"));
    expect(first?.data).toMatchObject({ baseline_kind: 'chosen', baseline: { version: '1' } });
    expect(kinds(rest)).toContain('rollback');
  });

  it('belong to rings, and to variants of a flag, as the README says', () => {
    const events = replay(path, snippet('Rings, tenants, feature flags'));
    const seen = new Set(events.map(({ data }) => `${data.service.name} ${data.candidate.version}`));
    expect(seen).toContain('checkout 2+canary');
    expect([...seen].some((name) => name.startsWith('checkout#new-pay'))).toBe(true);
  });
});

describe('the decisions that the README shows', () => {
  /** Two instances of a version. */
  const pair = (random: Random, version: string, rate: number, errors: number) =>
    ['a', 'b'].map((host) => traffic(random, version, { rate: rate / 2, errors, instance: `${version}-${host}` }));
  const old = (random: Random, errors = 0.005) => pair(random, '1.4.1', 90, errors);

  function canary(seed: number, errors: (second: number) => number, until: string, common = 0.005): string[] {
    const random = new Random(seed);
    const bench = new Bench();
    bench.run(300, () => old(random));
    bench.run(
      1500,
      (second) => [...old(random, common), ...pair(random, '1.4.2', 10, errors(second))],
      () => bench.kinds.includes(until),
    );
    return bench.decisions.map(({ data }) => data.reason);
  }

  function silent(): string[] {
    const random = new Random(17);
    const bench = new Bench();
    bench.run(300, () => old(random));
    bench.second(old(random), [deployment({ version: '1.4.2', previousVersion: '1.4.1', weight: 0.1 })]);
    bench.run(600, () => old(random));
    return bench.decisions.map(({ data }) => data.reason);
  }

  function replaced(): string[] {
    const random = new Random(15);
    const bench = new Bench();
    bench.run(2400, () => pair(random, '1.4.1', 50, 0.005));
    bench.run(900, () => pair(random, '1.4.2', 50, 0.05));
    return bench.decisions.map(({ data }) => data.reason);
  }

  /** A sentence without its figures, which change with the judge's tuning. */
  const shape = (reason: string) =>
    reason
      .replaceAll(/\((?:at least )?[\d.]+(?: to [\d.]+)?\)/g, '(N)')
      .replaceAll(/\d+(?: h| min| s)(?: \d+(?: min| s))*\b/g, 'T')
      .replaceAll(/(?<![.\w])[\d.]*\d(?: \d{3})*(?![.\w])/g, 'N')
      .replaceAll(/\d+[hmd]/g, 'W');

  it('are what the judge says', () => {
    const said = [
      ...canary(10, () => 0.03, 'rollback'),
      ...canary(11, (second) => (second < 30 ? 0.04 : 0.002), 'resume'),
      ...canary(12, () => 0.005, 'promote'),
      ...canary(13, () => 0.2, 'hold', 0.2),
      ...silent(),
      ...replaced(),
    ].map(shape);
    const table = README.split('## Decisions')[1]?.split('\n\n')[1] ?? '';
    const shown = table
      .split('\n')
      .slice(2)
      .map((line) => line.split(' | ').at(-1)?.replace(/ \|$/, '') ?? '');
    expect(shown).toHaveLength(7);
    for (const reason of shown) expect(said).toContain(shape(reason));
  });

  it('fit the schema', () => {
    const shown = JSON.parse((README.match(/```json\n([\s\S]*?)```/) as RegExpMatchArray)[1] as string) as Event;
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(ajv);
    const validate = ajv.compile(JSON.parse(SCHEMA));
    validate(shown.data);
    expect(validate.errors).toBeNull();
  });
});
