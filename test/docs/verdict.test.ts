/** docs/verdict.md and the README of the judge say what the code does. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LEFT } from '../../bench/pictures/guards.ts';
import { TABLES, withTables, WORKED_ROLLOUT } from '../../bench/pictures/tables.ts';
import { BAR, barOf, block, CONFIG, RISK } from '../../bench/pictures/terms.ts';
import { optionsOf } from '../../pipeline/config/options.ts';
import { METRICS } from '../../pipeline/telemetry/metrics-table.ts';
import { verdictConfig } from '../../processors/verdict/config.ts';
import { BUILT_IN } from '../../processors/verdict/config-indicators.ts';
import { Bets } from '../../processors/verdict/evidence/bets.ts';
import { Bench, traffic } from '../support/judging.ts';
import { Random } from '../support/random.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const PAGE = read('docs/verdict.md');
const README = read('processors/verdict/README.md');

/** The cells of a table of the page, without its head. */
function rows(name: string): string[][] {
  const text = PAGE.split(`<!-- table ${name} -->`)[1]?.split(`<!-- end of table ${name} -->`)[0] ?? '';
  const lines = text.trim().split('\n').slice(2);
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const number = (cell: string | undefined) => Number((cell ?? '').replaceAll(/[^\d.-]/g, ''));

describe('pictures and tables', () => {
  it('are what the judge draws today: node bench/pictures/make.ts', () => {
    const { status, stderr } = spawnSync(process.execPath, ['bench/pictures/make.ts', '--check'], { cwd: ROOT });
    expect(String(stderr)).toBe('');
    expect(status).toBe(0);
  });

  it('are found stale when they are', () => {
    const changed = PAGE.replace('| `errors` | 0.45 |', '| `errors` | 0.5 |').replace('| 1.4 times |', '| 1.5 times |');
    expect(changed).not.toBe(PAGE);
    expect(withTables(changed)).toBe(PAGE);
    expect(() => withTables('nothing')).toThrow('docs/verdict.md: wants <!-- table one-block -->');
  });

  const pictures = readdirSync(join(ROOT, 'docs/pictures'));

  it.each(pictures)('%s is small, stands alone, and suits light and dark', (name) => {
    const path = `docs/pictures/${name}`;
    const svg = read(path);
    expect(statSync(join(ROOT, path)).size).toBeLessThan(30_000);
    expect(svg).toContain('prefers-color-scheme:dark');
    expect(svg).toMatch(/<title>[^<]{40,}<\/title>/);
    expect(svg.replace('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(/https?:|<image|@font-face|NaN|Infinity/);
    expect(unclosed(svg)).toEqual([]);
  });

  it('are all shown, with words for those who cannot see them', () => {
    const shown = [...PAGE.matchAll(/!\[([^\]]*)\]\(pictures\/([^)]+)\)/g)];
    expect(shown.map(([, , name]) => name).sort()).toEqual(pictures.sort());
    for (const [, alt = ''] of shown) expect(alt.length).toBeGreaterThan(60);
  });
});

/** Elements that are opened and never closed, or closed and never opened. */
function unclosed(svg: string): string[] {
  const open: string[] = [];
  for (const [, slash, name = '', end] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (end === '/') continue;
    if (slash === '') open.push(name);
    else if (open.pop() !== name) return [`</${name}>`];
  }
  return open;
}

describe('the worked block', () => {
  const tolerated = (100 * RISK) / (100 * RISK + 900);

  it('follows from the formula that stands in the text', () => {
    expect(PAGE).toContain('p = 125 / 1025 = 0.122');
    expect(tolerated).toBeCloseTo(125 / 1025, 12);
    for (const [name, expected, stake, factor] of rows('one-block')) {
      const worse = number(name);
      const share = (125 * worse) / (125 * worse + 900);
      const λ = (share - tolerated) / (tolerated * (1 - tolerated));
      expect(number(expected)).toBeCloseTo(share, 2);
      expect(number(stake) / λ).toBeCloseTo(1, 2);
      expect(number(factor) / (1 + λ * (0.75 - tolerated))).toBeCloseTo(1, 2);
    }
  });

  it('is worked out in the text with the numbers of the table', () => {
    const [, share, stake, factor] = rows('one-block').find(([name]) => name === '3 times')!;
    expect(PAGE).toContain(`375 / (375 + 900) = ${share}`);
    expect(PAGE).toContain(`/ (0.122 × 0.878) = ${stake}.`);
    expect(PAGE).toContain(`= **${factor}**`);
    expect(1 + 1.61 * (0 - 0.122)).toBeCloseTo(0.8, 2);
    expect(3 / 100 - 1.25 / 900).toBeCloseTo(0.029, 3);
  });

  it('costs the gamblers as much, on average, as it brings them, if the candidate is as bad as tolerated', () => {
    // Each failure is the candidate's with the tolerated probability: the sum over how many of four are.
    let mean = 0;
    for (let bad = 0; bad <= 4; bad++) {
      const bets = new Bets(RISK);
      bets.play(block(100, bad, 900, 4 - bad));
      const ways = [1, 4, 6, 4, 1][bad] as number;
      mean += ways * tolerated ** bad * (1 - tolerated) ** (4 - bad) * Math.exp(bets.logE);
    }
    expect(mean).toBeLessThanOrEqual(1);
    expect(mean).toBeGreaterThan(0.99);
  });
});

describe('the worked rollout', () => {
  it('is what the bets make of these blocks', () => {
    const bets = new Bets(RISK);
    const shown = rows('rollout');
    expect(shown).toHaveLength(WORKED_ROLLOUT.length);
    let twice = 1;
    for (const [, counts = '', byTwo, , together] of shown) {
      const [bad, baselineBad] = counts.split(' and ').map(Number) as [number, number];
      bets.play(block(100, bad, 900, baselineBad));
      expect(number(together) / Math.exp(bets.logE)).toBeCloseTo(1, 2);
      // By hand: the gambler who says "2 times" stakes what the first table says.
      const tolerated = 125 / 1025;
      const λ = (250 / 1150 - tolerated) / (tolerated * (1 - tolerated));
      twice *= 1 + λ * (bad / (bad + baselineBad) - tolerated);
      expect(number(byTwo) / twice).toBeCloseTo(1, 2);
    }
  });
});

describe('the bars', () => {
  it('are those that decisions carry', () => {
    const random = new Random(3);
    const bench = new Bench();
    bench.run(300, () => [traffic(random, '1', { rate: 90, errors: 0.005 })]);
    bench.run(
      600,
      () => [traffic(random, '1', { rate: 90, errors: 0.005 }), traffic(random, '2', { rate: 10, errors: 0.3 })],
      () => bench.kinds.includes('rollback'),
    );
    const evidence = bench.decisions.at(-1)!.data.evidence;
    expect(evidence.length).toBeGreaterThan(2);
    const shown = new Map(rows('bars').map(([name = '', , , bar]) => [name.replaceAll('`', ''), number(bar)]));
    // Events round to four digits.
    for (const { indicator, bar } of evidence) expect(bar / shown.get(indicator)!).toBeCloseTo(1, 3);
    expect([...shown.keys()]).toEqual([...BUILT_IN, 'all']);
  });

  it('spend α and no more', () => {
    const { factor } = CONFIG.history;
    const mayRollBack = BUILT_IN.filter((name) => CONFIG.indicators[name].gating);
    const spent = mayRollBack.reduce((sum, name) => sum + 1 / barOf(name) + 1 / (barOf(name) * factor), 0);
    expect(spent).toBeCloseTo(CONFIG.false_rollback_rate, 10);
    expect(PAGE).toContain(`${{ 8: 'Eight' }[mayRollBack.length]} indicators may roll back`);
    expect(PAGE).toContain(`a bar of ${Math.round(BAR)} is a capital of ${Math.round(BAR ** CONFIG.hold.at)}`);
    const parts = rows('bars').filter(([name = '']) => mayRollBack.some((one) => name === `\`${one}\``));
    expect(parts.reduce((sum, [, , part]) => sum + number(part), 0)).toBeCloseTo(1, 2);
  });
});

describe.each([
  ['docs/verdict.md', PAGE, 25],
  ['processors/verdict/README.md', README, 5],
] as const)('%s', (path, page, least) => {
  it('gives options with their defaults', () => {
    const options = new Map(optionsOf(verdictConfig).map(({ path, fallback }) => [path, fallback.replaceAll('`', '')]));
    const prose = page.split('<!-- options:start -->')[0] as string;
    const named = [...prose.matchAll(/`([a-z][a-z_0-9.]*)`\s\(`([^`]+)`\)/g)];
    expect(named.length).toBeGreaterThanOrEqual(least);
    for (const [, name, value] of named) expect(`${name} ${value}`).toBe(`${name} ${options.get(name as string)}`);
  });

  it('links to places that exist', () => {
    const links = [...page.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)];
    expect(links.length).toBeGreaterThan(5);
    for (const [, file = '', anchor] of links) {
      const target = file === '' ? path : join(dirname(path), file);
      expect(() => statSync(join(ROOT, target))).not.toThrow();
      if (anchor !== undefined) expect(anchors(read(target))).toContain(anchor);
    }
  });
});

/** As GitHub makes them of headings. */
function anchors(page: string): string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

it('names every guard and every reason that the code has, and no other', () => {
  const code = ['weighing', 'inconclusive', 'lifecycle']
    .map((name) => read(`processors/verdict/${name}.ts`))
    .join('\n');
  const guards = [...code.matchAll(/guard(?::| =) '([a-z_]+)'/g)].map(([, name]) => name);
  const section = (heading: string) => PAGE.split(`\n## ${heading}`)[1]?.split('\n## ')[0] ?? '';
  const first = (text: string) => [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name as string);
  expect(first(section('Guards')).sort()).toEqual([...new Set(guards)].sort());
  const reasons = first(section('Inconclusive'));
  expect(reasons).toHaveLength(5);
  for (const reason of reasons) expect(code).toContain(`\`${reason}`);
  const counted = [...section('What is counted').matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
  );
  expect(counted).toEqual([...BUILT_IN, 'custom.NAME']);
});

it('draws the guards with what they ask for', () => {
  const code = read('processors/verdict/weighing.ts');
  expect(code).toContain(`BREADTH_PART = ${LEFT.withoutHost};`);
  expect(code).toContain(`INCIDENT_PART = ${LEFT.withoutIncidents};`);
  const guards = PAGE.split('## Guards')[1]?.split('\n## ')[0];
  expect(guards).toContain({ 0.25: 'a quarter of the way' }[LEFT.withoutHost]);
  expect(guards).toContain({ 0.2: 'a fifth of the way' }[LEFT.withoutIncidents]);
});

it('names every metric of the judge', () => {
  const own = Object.keys(METRICS).filter((name) => /_verdict_|health_score/.test(name));
  expect(own.length).toBeGreaterThan(5);
  for (const name of own) expect(README).toContain(name);
});

it('has a table for every marker', () => {
  expect([...PAGE.matchAll(/<!-- table ([a-z-]+) -->/g)].map(([, name]) => name).sort()).toEqual(
    Object.keys(TABLES).sort(),
  );
});
