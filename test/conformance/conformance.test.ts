import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLAUSES } from './all-clauses.ts';
import type { Clause } from './clause.ts';
import { chosen } from './choose.ts';
import { openEndpoint } from './open.ts';
import { parseOptions } from './options.ts';
import { PAGE, withTable } from './page.ts';
import { type ClauseResult, runClauses } from './run.ts';
import { Sink } from './sink.ts';
import { type Running, start, startSecure, TOO_LARGE_BYTES } from './systems.ts';
import { GRPC_FAULTS, WrongGrpc } from './wrong-grpc.ts';
import { HTTP_FAULTS, WrongHttp } from './wrong-http.ts';

const SUITE_MS_MAX = 100_000;

const sink = new Sink();
let sinkAddress: string;
let windback: Running;
let wrongHttp: WrongHttp;
let wrongGrpc: WrongGrpc;

beforeAll(async () => {
  sinkAddress = await sink.start('127.0.0.1', 0);
  windback = await start('windback', Number(sinkAddress.split(':').at(-1)), () => {});
  wrongHttp = new WrongHttp(windback.http);
  wrongGrpc = new WrongGrpc(windback.grpc);
});

afterAll(async () => {
  wrongHttp.close();
  wrongGrpc.close();
  await windback.stop();
  sink.close();
});

async function results(
  { grpc, http, security, overloadBytes }: Partial<Running>,
  clauses: readonly Clause[] = CLAUSES,
): Promise<ClauseResult[]> {
  const endpoint = openEndpoint({ grpc, http, security, tooLargeBytes: TOO_LARGE_BYTES, overloadBytes, sink });
  try {
    return await runClauses(clauses, endpoint, { hasGrpc: true, hasHttp: true });
  } finally {
    endpoint.close();
  }
}

const broken = (all: readonly ClauseResult[]): string[] =>
  all.filter(({ failures }) => failures.length > 0).map(({ clause }) => clause.id);

describe('the suite', () => {
  const wantNothingWrong = (all: readonly ClauseResult[]): void => {
    expect(all.flatMap(({ clause, failures }) => failures.map((failure) => ({ id: clause.id, ...failure })))).toEqual(
      [],
    );
    const left = all.filter(({ notOffered }) => notOffered.length > 0).map(({ clause }) => clause.id);
    expect(left.filter((id) => !id.includes('partial-success'))).toEqual([]);
  };

  it('finds nothing wrong with Windback', async () => wantNothingWrong(await results(windback)), SUITE_MS_MAX);

  it(
    'finds nothing wrong with Windback over TLS, which lets in only who shows a certificate',
    async () => {
      const secure = await startSecure(Number(sinkAddress.split(':').at(-1)), () => {});
      try {
        wantNothingWrong(await results(secure));
        const { security, ...stranger } = secure;
        const exports = CLAUSES.filter(({ id }) => id.endsWith('.export'));
        const all = await results({ ...stranger, security: { ca: security?.ca } }, exports);
        expect(all.map(({ clause, passed }) => [clause.id, passed])).toEqual([
          ['grpc.export', 0],
          ['http.export', 0],
        ]);
      } finally {
        await secure.stop();
      }
    },
    SUITE_MS_MAX,
  );

  it(
    'finds what is wrong with servers that are wrong, and nothing else',
    async () => {
      const all = await results({ grpc: await wrongGrpc.start(), http: await wrongHttp.start() });
      const faults = [...Object.values(GRPC_FAULTS), ...Object.values(HTTP_FAULTS)];
      const meant = new Set(faults.flatMap(({ breaks }) => breaks));
      expect(broken(all).toSorted()).toEqual([...meant].toSorted());
    },
    SUITE_MS_MAX,
  );

  it('has clauses that are named and told apart', () => {
    const ids = CLAUSES.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id, sentence, cases } of CLAUSES) {
      expect(id).toMatch(/^(grpc|http)\.[a-z0-9]+(-[a-z0-9]+)*$/);
      expect(sentence).toMatch(/^[A-Z].*\.$/);
      expect(cases.length).toBeGreaterThan(0);
      const names = cases.map(({ name }) => name);
      expect(names).toEqual([...new Set(names)]);
    }
  });
});

async function cli(...args: string[]) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args]);
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await closed, stdout, stderr };
}

describe('npm run conformance', () => {
  it('tests endpoints that it is told', async () => {
    const report = join(mkdtempSync(join(tmpdir(), 'windback-')), 'report.json');
    const { code, stdout, stderr } = await cli('--http', windback.http, '--only', 'http.export', '--json', report);
    expect(stderr).toBe('[1/1] http.export: 6 passed\n');
    expect(stdout).toContain('MUST: 1 kept, 0 broken. 6 cases: 6 passed, 0 failed, 0 not offered.');
    expect(code).toBe(0);
    const { clauses, totals } = JSON.parse(readFileSync(report, 'utf8'));
    expect(totals).toMatchObject({ cases: 6, failed: 0 });
    expect(clauses).toMatchObject([{ id: 'http.export', level: 'MUST', passed: 6, failures: [] }]);
  });

  it('says by its exit code that something failed, and what', async () => {
    // Nothing listens there.
    const { code, stdout } = await cli('--grpc', '127.0.0.1:1', '--only', 'grpc.export', '--only', 'http.export');
    expect(code).toBe(1);
    expect(stdout).toMatch(/wanted {2}an answer\n +came {4}it speaks no HTTP\/2: connect ECONNREFUSED/);
    expect(stdout).toContain('not offered: no --http was given');
  });

  it.each([
    [['--http', 'localhost'], '--http wants HOST:PORT'],
    [['--only', 'http.nonsense'], 'no clause begins with http.nonsense'],
    [['--level', 'MAY'], '--level wants MUST, SHOULD, expected, not "MAY"'],
    [['--too-large', '5'], '--too-large wants a size such as 24MiB'],
    [['--grpc', 'localhost:4317', '--start', 'collector'], '--start is instead of --grpc and --http'],
    [['--sink', 'localhost:5318'], '--sink is for endpoints of your own'],
    [['--write', '--level', 'MUST'], '--write wants all clauses'],
    [['--grpc', 'localhost:4317', '--insecure'], '--ca, --cert, --key and --insecure want --tls'],
    [['--tls', '--insecure'], 'are for endpoints of your own'],
    [['--grpc', 'localhost:4317', '--tls', '--cert', import.meta.filename], '--cert and --key want each other'],
    [['--grpc', 'localhost:4317', '--tls', '--ca', 'nowhere.pem'], '--ca: ENOENT'],
    [['--start', 'collector', '--tls'], '--tls starts Windback only'],
    [['--write', '--tls'], '--write is for what is started without --tls'],
  ])('refuses %j', (args, why) => {
    expect(() => chosen(parseOptions(args))).toThrow(expect.objectContaining({ code: 'usage' }));
    expect(() => chosen(parseOptions(args))).toThrow(why);
  });

  it('says by its exit code that it cannot be meant', async () => {
    const { code, stdout, stderr } = await cli('--nonsense');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('conformance: there is no option --nonsense');
    expect(stderr).toContain('--help');
  });

  it('lists its clauses, by level', async () => {
    const { stdout } = await cli('--list', '--level', 'MUST');
    expect(stdout).toContain('http.export\n');
    expect(stdout).not.toContain('SHOULD');
  });
});

describe('docs/conformance.md', () => {
  const page = readFileSync(PAGE, 'utf8');

  it('has a table of each system, of the clauses that there are', () => {
    for (const name of ['windback', 'collector']) {
      const [, table = ''] = page.split(new RegExp(`<!-- (?:end of )?table ${name} -->`));
      const rows = [...table.matchAll(/^\| `([^`]+)` \| (\w+) \|/gm)].map(([, id, level]) => `${id} ${level}`);
      expect(rows).toEqual(CLAUSES.map(({ id, level }) => `${id} ${level}`));
      expect(withTable(page, name, table.trim())).toBe(page);
    }
  });

  it('shows the configuration of the Collector that is tested', () => {
    const config = readFileSync(join(import.meta.dirname, 'collector.yaml'), 'utf8');
    expect(page).toContain(`\`\`\`yaml collector\n${config}\`\`\``);
  });
});
