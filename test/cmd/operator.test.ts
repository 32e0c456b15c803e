/** `explain`, `rollouts` and `override`: the real program against the real API, with a judge that says what it is told. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Router } from '../../pipeline/routes.ts';
import { type ServerTlsConfig, serverTlsConfig } from '../../pipeline/server-tls.ts';
import { AdminServer } from '../../pipeline/telemetry/admin.ts';
import { type JudgeView, type OverrideChange, registerRoutes } from '../../processors/verdict/api.ts';
import { Overrides } from '../../processors/verdict/overrides.ts';
import { type DecisionEvent, structuredEvent } from '../../proto/windback/decision.ts';
import { explain } from '../../proto/windback/explain.ts';
import type { RolloutStatus } from '../../proto/windback/status.ts';
import { type Certificates, makeCertificates } from '../support/certificates.ts';
import { testContext } from '../support/context.ts';
import { decisionEvent } from '../support/decision-event.ts';
import { type Env, type Finished, start, windback } from './windback.ts';

const TOKEN = 'a token of some length';
const PAGE = (id: string): string => explain(decisionEvent(id));

let server: AdminServer | undefined;
let decisions: DecisionEvent[];
let rollouts: RolloutStatus[];
let overrides: Overrides;
let changes: OverrideChange[];
let failing: Error | undefined;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'windback-operator-'));
  decisions = ['abc1', 'abd2', 'ffff'].map((id) => decisionEvent(id));
  rollouts = [rollout('shop/cart/prod'), rollout('shop/payment/prod')];
  overrides = new Overrides();
  changes = [];
  failing = undefined;
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  rmSync(folder, { recursive: true });
});

function rollout(key: string): RolloutStatus {
  const { candidate, baseline, evidence, rollout: known, service } = decisionEvent().data;
  return {
    id: key,
    key,
    service,
    candidate,
    baselines: baseline === null ? [] : [baseline],
    baseline_kind: 'concurrent',
    verdict: 'suspect',
    inconclusive: null,
    evidence,
    started_at: known.started_at,
    judged_until: known.decided_at,
    known_by: known.known_by,
    decisions: [{ id: 'abc1', decision: 'hold', time: known.decided_at }],
    override: null,
  };
}

async function serve(token?: string, judges = ['verdict'], tls?: ServerTlsConfig): Promise<string> {
  const router = new Router();
  const view: JudgeView = {
    status: () => rollouts,
    decision: (id) => decisions.find((event) => event.id === id),
    outcome: () => undefined,
    decisions: (limit) => decisions.slice(0, limit),
  };
  const changed = (change: OverrideChange): void => {
    if (failing !== undefined) throw failing;
    changes.push(change);
  };
  for (const id of judges) registerRoutes(router.of(id), view, overrides, { now: Date.now, changed });
  server = new AdminServer({ host: 'localhost', port: 0, tls }, 'key', {}, testContext('admin'), { router, token });
  await server.start();
  return `localhost:${server.port}`;
}

async function asked(args: readonly string[], env: Env = {}): Promise<Finished> {
  const endpoint = server === undefined ? await serve() : `localhost:${server.port}`;
  return windback([...args, '--endpoint', endpoint], env);
}

describe('explain', () => {
  it('asks a running Windback, by the beginning of an id', async () => {
    expect(await asked(['explain', 'abc'])).toEqual({ code: 0, stdout: PAGE('abc1'), stderr: '' });
    expect(await asked(['explain', 'ffff', '--component', 'verdict'])).toMatchObject({ code: 0, stdout: PAGE('ffff') });
  });

  it.each([
    ['zzz', 'there is no such thing: decision zzz; those known are abc1 (rollback of shop/cart/prod 1.4.2), abd2'],
    [
      'ab',
      'ab begins the ids of abc1 (rollback of shop/cart/prod 1.4.2), abd2 (rollback of shop/cart/prod 1.4.2); say',
    ],
    ['a/../b', 'decision a/../b; those known are'],
  ])('%s: says which ones there are', async (id, message) => {
    const { code, stdout, stderr } = await asked(['explain', id]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('says that none has been taken', async () => {
    decisions = [];
    expect((await asked(['explain', 'abc'])).stderr).toContain('decision abc: none has been taken');
  });

  it('reads files and standard input, and says what in them is no decision', async () => {
    const file = join(folder, 'decisions.jsonl');
    const lines = decisions.map((event) => JSON.stringify(structuredEvent(event)));
    const strange = [
      '{"resourceSpans":[]}',
      'no json',
      '{"id":"abc","subject":"s","type":"dev.windback.decision.x"}',
      'null',
    ];
    writeFileSync(file, `${[...lines, '', ...strange, lines[0]].join('\n')}\n`);
    const found = await windback(['explain', 'abc', '--from', file]);
    expect(found).toEqual({ code: 0, stdout: PAGE('abc1'), stderr: `${file}: 4 lines left out: no decision\n` });

    const child = start(['explain', 'ff', '--from', '-']);
    child.stdin.end(lines.join('\n'));
    expect(await text(child.stdout)).toBe(PAGE('ffff'));
    const absent = await windback(['explain', '9', '--from', file]);
    expect(absent).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('those known are abc1 (') });
    const missing = await windback(['explain', '9', '--from', join(folder, 'no')]);
    expect(missing).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('error: the file cannot be read: ENOENT'),
    });
  });

  it.each([
    [['explain'], 'which decision? For example: windback explain 3f9a'],
    [['explain', 'a', 'b'], 'one decision at a time: "b"'],
    [['explain', 'a', '--endpoint', 'http://'], '--endpoint http:// is no address'],
  ])('%j is wrong usage', async (args, message) => {
    expect(await windback(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) });
  });
});

describe('where nobody answers, or somebody else', () => {
  it('says how to go on', async () => {
    await serve();
    const endpoint = `localhost:${server?.port}`;
    await server?.stop();
    const { code, stderr } = await windback(['rollouts', '--endpoint', endpoint]);
    expect(code).toBe(1);
    expect(stderr).toContain(`error: no Windback answers there: http://${endpoint}: connect ECONNREFUSED`);
    expect(stderr).toContain('give the address of its metrics with --endpoint');
  });

  it.each([
    [404, 'not found', 'answered 404, and not as a Windback'],
    [200, 'hello', 'the answer is not JSON'],
    [500, '{"code":"constructor","message":"m"}', 'answered 500, and not as a Windback'],
  ])('an answer of %i %s is not taken for ours', async (status, body, message) => {
    const other = createServer((_, response) => response.writeHead(status).end(body)).listen(0, 'localhost');
    await new Promise((resolve) => other.once('listening', resolve));
    const endpoint = `localhost:${(other.address() as AddressInfo).port}`;
    const { code, stderr } = await windback(['rollouts', '--endpoint', endpoint]);
    other.close();
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(message) });
  });

  it('several judges are told apart', async () => {
    await serve(undefined, ['verdict', 'verdict/eu']);
    expect(await asked(['rollouts'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('verdict, verdict/eu'),
    });
    expect(await asked(['rollouts', '--component', 'verdict/eu'])).toMatchObject({ code: 0 });
  });
});

describe('over TLS', () => {
  let files: Certificates;
  beforeAll(() => {
    files = makeCertificates();
    files.authority('other');
  });
  afterAll(() => files.remove());

  const serverTls = (more: Record<string, string> = {}): ServerTlsConfig =>
    serverTlsConfig.parse({ cert_file: files.file('server.pem'), key_file: files.file('server.key'), ...more });
  const ca = (name = 'ca') => ['--ca-file', files.file(`${name}.pem`)];
  const own = () => ['--cert-file', files.file('client.pem'), '--key-file', files.file('client.key')];

  it('with an authority of our own, and the token', async () => {
    const endpoint = await serve(TOKEN, undefined, serverTls());
    for (const address of [endpoint, `https://${endpoint}`]) {
      const args = [...ca(), '--endpoint', address];
      expect(await windback(['rollouts', ...args])).toMatchObject({ code: 0, stderr: '' });
      const pin = await windback(['override', 'pin', 'shop/cart/prod', ...args], { WINDBACK_ADMIN_TOKEN: TOKEN });
      expect(pin).toMatchObject({ code: 0, stdout: expect.stringContaining('set: pin') });
    }
  });

  it('says so where the server is not to be trusted, and sends it nothing', async () => {
    const endpoint = await serve(TOKEN, undefined, serverTls());
    for (const trusted of [ca('other'), []]) {
      const asked = await windback(['rollouts', ...trusted, '--endpoint', `https://${endpoint}`]);
      expect(asked).toMatchObject({ code: 1, stderr: expect.stringMatching(/no Windback answers there.*certificate/) });
    }
  });

  it('shows its certificate where one is asked for', async () => {
    const endpoint = await serve(undefined, undefined, serverTls({ client_ca_file: files.file('ca.pem') }));
    const args = ['rollouts', ...ca(), '--endpoint', endpoint];
    expect(await windback(args)).toMatchObject({ code: 1, stderr: expect.stringContaining('no Windback answers') });
    expect(await windback([...args, ...own()])).toMatchObject({ code: 0, stderr: '' });
  });

  it.each([
    [['--cert-file', 'x'], 2, '--cert-file and --key-file go together'],
    [['--ca-file', 'x', '--endpoint', 'http://localhost:1'], 2, 'give --endpoint https://localhost:1'],
    [['--ca-file', '/nowhere/ca.pem'], 1, '/nowhere/ca.pem (--ca-file): ENOENT'],
  ])('%j is said to be wrong', async (args, code, message) => {
    expect(await windback(['rollouts', ...args])).toMatchObject({ code, stderr: expect.stringContaining(message) });
  });
});

describe('rollouts', () => {
  it('as a table, with what a person should know below each', async () => {
    const [cart, payment] = rollouts as [RolloutStatus, RolloutStatus];
    const override = {
      kind: 'pin',
      service: cart.key,
      version: null,
      until: null,
      by: 'ada',
      reason: 'sale',
      set_at: '',
    } as const;
    rollouts = [
      { ...cart, override },
      { ...payment, decisions: [], inconclusive: 'noisy\u001b[2J', judged_until: null },
      { ...payment, verdict: 'failing' },
    ];
    const { code, stdout, stderr } = await asked(['rollouts']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(
      stdout,
    ).toBe(`SERVICE            CANDIDATE  BASELINE  AGE    REQUESTS  HEALTH       VERDICT  STRONGEST EVIDENCE
shop/cart/prod     1.4.2      1.4.1     5 min  1000      50.0 / 99.0  suspect  errors: 1 in 5 000 (bar 1 in 2 000)
    override: pin by ada: sale
    decided: hold; windback explain abc1
shop/payment/prod  1.4.2      1.4.1     0 s    1000      50.0 / 99.0  suspect  errors: 1 in 5 000 (bar 1 in 2 000)
    past its bar, yet no rollback: a check against a false alarm fails, the indicator only holds, or another service is to blame
    inconclusive: noisy?[2J
shop/payment/prod  1.4.2      1.4.1     5 min  1000      50.0 / 99.0  failing  errors: 1 in 5 000 (bar 1 in 2 000)
    decided: hold; windback explain abc1
`);
  });

  it('as JSON', async () => {
    expect(JSON.parse((await asked(['rollouts', '--json'])).stdout)).toEqual({ rollouts });
  });

  it('none', async () => {
    rollouts = [];
    expect(await asked(['rollouts'])).toMatchObject({ code: 0, stdout: 'no rollout is under way\n' });
  });
});

describe('override', () => {
  it('is set, shown, and cleared', async () => {
    const pinned = ['override', 'pin', 'shop/cart/prod', '1.4.2', '--for', '2h', '--by', 'ada', '--reason', 'a sale'];
    const beforeMs = Date.now();
    const { code, stdout } = await asked(pinned);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^set: pin of shop\/cart\/prod 1\.4\.2 until \d{4}-.* UTC, by ada: a sale\n$/);
    const set = overrides.of('shop/cart/prod', '1.4.2', Date.now());
    expect(set).toMatchObject({ kind: 'pin', by: 'ada', reason: 'a sale' });
    const untilMs = Date.parse(set?.until ?? '');
    expect(untilMs).toBeGreaterThanOrEqual(beforeMs + 7_200_000);
    expect(untilMs).toBeLessThanOrEqual(Date.now() + 7_200_000);
    expect((await asked(['override', 'list'])).stdout).toMatch(
      /^SERVICE .*\nshop\/cart\/prod {2}1\.4\.2 {4}pin .* ada {2}a sale\n$/,
    );
    const cleared = await asked(['override', 'clear', 'cart', '1.4.2']);
    expect(cleared).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^cleared: pin of shop\/cart\/prod 1\.4\.2/),
    });
    expect(overrides.list(Date.now())).toEqual([]);
    expect(changes.map(({ action }) => action)).toEqual(['set', 'removed']);
    expect((await asked(['override', 'list'])).stdout).toBe('nothing is overridden\n');
  });

  it('of what is not rolling out is set, with a word that the name may be wrong', async () => {
    const misspelt = await asked(['override', 'pin', 'shop/card/prod']);
    expect(misspelt).toMatchObject({ code: 0, stdout: 'set: pin of shop/card/prod (all versions)\n' });
    expect(misspelt.stderr).toMatch(
      /^note: shop\/card\/prod is not rolling out now.* override clear shop\/card\/prod\n$/,
    );
    const version = await asked(['override', 'approve', 'shop/cart/prod', '9.9']);
    expect(version.stderr).toContain('note: shop/cart/prod 9.9 is not rolling out now');
    for (const known of [['shop/cart/prod'], ['shop/cart/prod', '1.4.2']])
      expect((await asked(['override', 'pin', ...known])).stderr).toBe('');
  });

  it('of a bare name means the only service of it, and approve the only candidate', async () => {
    expect(await asked(['override', 'approve', 'cart'], { USER: 'bob' })).toMatchObject({ code: 0 });
    expect(overrides.of('shop/cart/prod', '1.4.2', Date.now())).toMatchObject({ kind: 'approve', by: 'bob' });
    expect(await asked(['override', 'ignore', 'payment'])).toMatchObject({ code: 0 });
    expect(overrides.of('shop/payment/prod', 'any', Date.now())).toMatchObject({ kind: 'ignore', version: null });
  });

  it('says what is meant where that is not clear', async () => {
    rollouts.push(rollout('other/cart/prod'));
    const unclear = await asked(['override', 'pin', 'cart']);
    expect(unclear).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('called cart: other/cart/prod, shop/cart/prod'),
    });
    const unknown = await asked(['override', 'pin', 'basket']);
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('such as /basket/; those known are ') });
    const none = await asked(['override', 'clear', 'shop/cart/prod', '1.4.2']);
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('it has none') });
    const nothing = await asked(['override', 'approve', 'shop/none/prod']);
    expect(nothing).toMatchObject({ code: 1, stderr: expect.stringContaining('approve needs a version') });
  });

  it('that cannot be stored is not in force', async () => {
    failing = new Error('disk full');
    const { code, stderr } = await asked(['override', 'pin', 'shop/cart/prod']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('disk full') });
    expect(overrides.list(Date.now())).toEqual([]);
  });

  it('needs the token where there is one, and never shows it', async () => {
    await serve(TOKEN);
    const pin = ['override', 'pin', 'shop/cart/prod'];
    const refused = await asked(pin);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('WINDBACK_ADMIN_TOKEN') });
    const wrong = await asked(pin, { WINDBACK_ADMIN_TOKEN: `${TOKEN}x` });
    expect(wrong).toMatchObject({ code: 1, stderr: expect.not.stringContaining(TOKEN) });
    expect(await asked(pin, { WINDBACK_ADMIN_TOKEN: TOKEN })).toMatchObject({ code: 0 });
    expect(await asked(['override', 'list'])).toMatchObject({ code: 0 });
  });

  it.each([
    [['override'], 'what shall be done? One of pin, ignore, approve, clear, list'],
    [['override', 'pni', 'x'], '"pni" is none of pin, ignore'],
    [['override', 'pin'], 'which service?'],
    [['override', 'pin', 'x', '1', 'why'], '"why" is not expected here; put a reason in quotes'],
    [['override', 'pin', 'x', '--for', '2 hours'], '--for 2 hours is no duration; want one such as 30m'],
    [['override', 'pin', 'x', '--for', '0s'], '--for 0s is no duration'],
  ])('%j is wrong usage', async (args, message) => {
    expect(await windback(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) });
  });
});
