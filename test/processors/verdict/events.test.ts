/** The events of whole replays, by the real program: valid, repeatable, and readable. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DECISION_SCHEMA, type Decision, kafkaEvent, structuredEvent } from '../../../proto/windback/decision.ts';
import { windback } from '../../cmd/windback.ts';
import { Bench, deployment, series } from '../../support/judging.ts';
import { Random } from '../../support/random.ts';
import { type Group, type LogSpec, logsJson, type SpanSpec, tracesJson } from '../../support/telemetry.ts';

const START = 1_700_000_000;
const SCHEMA = join(import.meta.dirname, '../../../proto/windback/decision.schema.json');

let validate: ValidateFunction;
let folder = '';
beforeAll(async () => {
  const schema = JSON.parse(await readFile(SCHEMA, 'utf8'));
  const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: true });
  addFormats.default(ajv);
  validate = ajv.compile(schema);
  folder = await mkdtemp(join(tmpdir(), 'windback-events-'));
});
afterAll(() => rm(folder, { recursive: true }));

const resource = (service: string, version: string) => ({
  'service.namespace': 'shop',
  'service.name': service,
  'deployment.environment.name': 'prod',
  'service.version': version,
  'service.instance.id': `${service}-${version}`,
});

interface Version {
  readonly version: string;
  readonly from: number;
  readonly rate: number;
  readonly errors: number;
  readonly ms: number;
}

/** Five minutes of three services: one rolls out a bad version, one a slow one, one a good one. */
const SHOP: Record<string, readonly Version[]> = {
  checkout: [
    { version: '1.4.1', from: 0, rate: 8, errors: 0.01, ms: 30 },
    { version: '1.4.2', from: 60, rate: 2, errors: 0.5, ms: 30 },
  ],
  search: [
    { version: '7', from: 0, rate: 10, errors: 0.005, ms: 30 },
    { version: '8', from: 60, rate: 2, errors: 0.005, ms: 150 },
  ],
  cart: [
    { version: 'a', from: 0, rate: 8, errors: 0.01, ms: 30 },
    { version: 'b', from: 60, rate: 2, errors: 0.01, ms: 30 },
  ],
  // Deployed by an event, and never heard of.
  mail: [{ version: 'x', from: 0, rate: 8, errors: 0, ms: 30 }],
};

function capture(seconds: number): string {
  const random = new Random(4);
  const lines: string[] = [];
  for (let i = 0; i < seconds; i += 2) {
    const spans: Group<SpanSpec>[] = [];
    const logs: Group<LogSpec>[] = [];
    for (const [service, versions] of Object.entries(SHOP)) {
      for (const { version, from, rate, errors, ms } of versions) {
        if (i < from) continue;
        const requests = Array.from({ length: random.poisson(rate * 2) }, (_, n): SpanSpec => {
          const isBad = random.chance(errors);
          return {
            end: START + i + 2 * random.next(),
            durationMs: ms * (0.5 + random.next()),
            name: 'POST',
            attributes: { 'http.request.method': 'POST', 'http.route': n % 3 === 0 ? '/quote' : '/pay' },
            traceId: `${random.below(2 ** 32).toString(16)}${n}`.padStart(32, 'f'),
            ...(isBad ? { status: 2 } : {}),
          };
        });
        spans.push({ resource: resource(service, version), items: requests });
        logs.push({
          resource: resource(service, version),
          items: [{ time: START + i + 1, severity: random.chance(errors) ? 17 : 9 }],
        });
      }
    }
    if (i === 60) {
      const attributes = { 'service.version': 'y', 'deployment.previous_version': 'x', 'deployment.weight': 0.25 };
      logs.push({
        resource: { ...resource('mail', 'x'), 'service.instance.id': 'ci' },
        items: [{ time: START + i, eventName: 'deployment', attributes }],
      });
    }
    lines.push(JSON.stringify(tracesJson(...spans)), JSON.stringify(logsJson(...logs)));
  }
  return `${lines.join('\n')}\n`;
}

describe('a replay', () => {
  let events: (Record<string, unknown> & { data: Decision })[] = [];
  let text = '';
  let path = '';

  beforeAll(async () => {
    path = join(folder, 'shop.jsonl');
    await writeFile(path, capture(540));
    const { stdout } = await windback(['replay', path]);
    text = stdout;
    events = stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  });

  const of = (service: string) => events.filter(({ data }) => data.service.name === service);
  const kinds = (service: string) => of(service).map(({ data }) => data.decision);

  it('rolls back the bad, the slow and the silent version, and not the good one', () => {
    expect(kinds('checkout')).toEqual(['hold', 'rollback']);
    expect(kinds('search')).toEqual(['hold', 'rollback']);
    expect(kinds('mail')).toEqual(['hold', 'rollback']);
    expect(kinds('cart')).toEqual([]);
    expect(of('checkout')[1]?.data.indicator).toBe('errors');
    expect(of('search')[1]?.data.indicator).toMatch(/^slow_p/);
    expect(of('mail')[1]?.data.indicator).toBe('silence');
  });

  it('gives the same bytes again', async () => {
    const again = await windback(['replay', path]);
    expect(again.stdout).toBe(text);
  });

  it('gives events that the published schema allows', () => {
    expect(events.length).toBeGreaterThan(0);
    for (const { data } of events) {
      validate(data);
      expect(validate.errors).toBeNull();
    }
  });

  it('gives every attribute that CloudEvents 1.0 requires, and those that we promise', () => {
    for (const event of events) {
      const { data, ...attributes } = event;
      expect(attributes).toEqual({
        specversion: '1.0',
        id: expect.stringMatching(/^[0-9a-f]{32}$/),
        source: 'windback',
        type: `dev.windback.decision.${data.decision}.v1`,
        subject: `shop/${data.service.name}/prod`,
        time: expect.stringMatching(/^2023-11-14T22:\d\d:\d\d\.000Z$/),
        datacontenttype: 'application/json',
        dataschema: DECISION_SCHEMA,
      });
      expect(attributes['time']).toBe(data.rollout.decided_at);
    }
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  });

  it('names the traces and the operations that went wrong', () => {
    const rollback = of('checkout')[1]?.data;
    expect(rollback?.exemplars).toHaveLength(10);
    expect(rollback?.operations.map(({ operation }) => operation).sort()).toEqual(['POST /pay', 'POST /quote']);
    expect(rollback?.evidence.find(({ indicator }) => indicator === 'errors')).toMatchObject({ fired: true });
    const [errors] = rollback?.evidence ?? [];
    expect(errors?.interval?.[0]).toBeLessThanOrEqual(errors?.relative_risk as number);
  });

  it('goes on past a broken line, and says where it was', async () => {
    const broken = join(folder, 'broken.jsonl');
    const lines = (await readFile(path, 'utf8')).split('\n');
    lines.splice(200, 0, '{"resourceSpans": [');
    await writeFile(broken, lines.join('\n'));
    const { code, stdout, stderr } = await windback(['replay', broken]);
    expect(code).toBe(0);
    expect(stderr).toContain('broken.jsonl:201: ');
    expect(stdout).toBe(text);
  });
});

describe('sentences', () => {
  const served = (version: string, all: number, bad: number, operation = 'POST /pay') =>
    series({ version, all, bad, operation, ms: { 20: all } });
  const first = (bench: Bench, kind: string) => bench.decisions.find(({ data }) => data.decision === kind)?.data;
  const begin = (overrides: Record<string, unknown> = {}) =>
    new Bench({ promotion: { after: '5m' }, ...overrides }).run(60, (i) => [served('1.4.1', 18, i % 10 === 0 ? 1 : 0)]);

  it('tell how many times as often, with the interval, where and for how long', () => {
    const bench = new Bench().run(60, (i) => [served('1.4.1', 18, i % 4 === 0 ? 1 : 0)]);
    bench.run(300, (i) => [served('1.4.1', 18, i % 4 === 0 ? 1 : 0), served('1.4.2', 6, 1)]);
    const rollback = first(bench, 'rollback');
    expect(rollback?.reason).toMatch(
      /^1\.4\.2 fails 1\d times as often as 1\.4\.1 \(\d\.\d to \d\d\d?\) on POST \/pay: \d+ of [\d ]+ against \d+ of [\d ]+ requests in \d+ min( \d+ s)?$/,
    );
    const hold = first(bench, 'hold');
    expect(hold?.reason).toMatch(/; not yet beyond doubt$/);
  });

  it('say so where the baseline never fails, and leave an open end open', () => {
    const bench = new Bench().run(60, () => [served('1.4.1', 18, 0)]);
    bench.run(200, () => [served('1.4.1', 18, 0), served('1.4.2', 2, 2)]);
    const rollback = first(bench, 'rollback');
    expect(rollback?.reason).toMatch(/^1\.4\.2 fails and 1\.4\.1 never does on POST \/pay: 1\d0 of 1\d0 against 0 of/);
    expect(rollback?.evidence[0]).toMatchObject({ relative_risk: null, interval: [expect.any(Number), null] });
    const open = begin().run(200, (i) => [served('1.4.1', 18, i === 0 ? 1 : 0), served('1.4.2', 2, 2)]);
    expect(first(open, 'rollback')?.reason).toMatch(/\(at least \d+(\.\d)?\) on POST \/pay: /);
  });

  it('do not say that the baseline never fails where it only fails elsewhere', () => {
    const bench = begin().run(200, (i) => [
      served('1.4.1', 18, 0),
      served('1.4.1', 5, i % 5 === 0 ? 1 : 0, 'GET /only-old'),
      served('1.4.2', 2, 2),
    ]);
    expect(first(bench, 'rollback')?.reason).toMatch(/^1\.4\.2 fails where 1\.4\.1 does not on POST \/pay: /);
  });

  it('tell of slowness and of errors in logs', () => {
    const slow = begin().run(300, () => [served('1.4.1', 18, 0), series({ version: '1.4.2', ms: { 90: 2 } })]);
    expect(first(slow, 'rollback')?.reason).toMatch(
      /^1\.4\.2 is slow \(slower than the baseline's (median|\d\dth percentile) and the margin\) and 1\.4\.1 never is on POST \/pay: /,
    );
    const log = (version: string, all: number, bad: number) =>
      series({ version, kind: 'log', operation: '', all, bad });
    const logs = new Bench().run(60, () => [log('1', 20, 1)]).run(300, () => [log('1', 20, 1), log('2', 4, 4)]);
    expect(first(logs, 'rollback')?.reason).toMatch(
      /^2 logs errors 20 times as often as 1 \([\d.]+ to [\d.]+\): [\d ]+ of [\d ]+ against [\d ]+ of [\d ]+ requests or records in /,
    );
  });

  it('name no operation where it is all over the place', () => {
    const everywhere = ['GET /a', 'GET /b', 'GET /c'];
    const bench = new Bench().run(60, () => everywhere.map((one) => served('1', 6, 0, one)));
    bench.run(300, (i) =>
      everywhere.flatMap((one) => [served('1', 6, i % 30 === 0 ? 1 : 0, one), served('2', 1, 1, one)]),
    );
    const rollback = first(bench, 'rollback');
    expect(rollback?.reason).not.toContain(' on GET');
    expect(rollback?.operations).toHaveLength(3);
  });

  it('tell of silence, of a doubt that has gone, and of a promotion', () => {
    const silent = begin();
    silent.second([], [deployment({ version: '1.4.2', previousVersion: '1.4.1', weight: 0.25 })]);
    silent.run(500, () => [served('1.4.1', 18, 0)]);
    expect(first(silent, 'rollback')?.reason).toMatch(
      /^1\.4\.2 answers none of the \d{3} requests that its share of 25 % should have brought in \d min( \d+ s)?$/,
    );
    expect(first(silent, 'rollback')?.guards.map(({ guard }) => guard)).toEqual(['evidence_in_several_blocks']);
    validate(first(silent, 'rollback'));
    expect(validate.errors).toBeNull();

    // Neither burns several times its budget: that would be another reason to hold.
    const doubted = begin({ indicators: { errors: { objective: 0.9 } } });
    doubted.run(
      300,
      () => [served('1.4.1', 18, 0), served('1.4.2', 2, 1)],
      () => doubted.kinds.includes('hold'),
    );
    doubted.run(
      600,
      () => [served('1.4.1', 18, 1), served('1.4.2', 2, 0)],
      () => doubted.kinds.includes('resume'),
    );
    doubted.run(
      2400,
      (i) => [served('1.4.1', 18, i % 2), served('1.4.2', 2, 0)],
      () => doubted.kinds.includes('promote'),
    );
    expect(doubted.kinds).toEqual(['hold', 'resume', 'promote']);
    expect(first(doubted, 'resume')?.reason).toMatch(
      /^1\.4\.2 is no worse than 1\.4\.1 after all: the doubt has gone, \d+ requests in (\d+ min )?\d+ s$/,
    );
    expect(first(doubted, 'promote')?.reason).toMatch(
      /^1\.4\.2 is no worse than 1\.4\.1 by more than tolerated in any indicator that decides: [\d ]+ requests in \d+ min( \d+ s)?$/,
    );
    for (const { data } of doubted.decisions) {
      validate(data);
      expect(validate.errors).toBeNull();
    }
  });
});

describe('the envelope', () => {
  const bench = new Bench().run(60, () => [series({ version: '1', ms: { 20: 18 } })]);
  bench.run(200, () => [series({ version: '1', ms: { 20: 18 } }), series({ version: '2', ms: { 20: 2 }, bad: 2 })]);
  const [event] = bench.decisions;

  it('is binary mode for Kafka: attributes as headers, the data alone as value, the service as key', () => {
    const { key, headers, value } = kafkaEvent(event!);
    expect(key).toBe('shop/checkout/prod');
    expect(headers).toEqual({
      ce_specversion: '1.0',
      ce_id: event!.id,
      ce_source: 'windback',
      ce_type: 'dev.windback.decision.hold.v1',
      ce_subject: 'shop/checkout/prod',
      ce_time: event!.time,
      ce_dataschema: DECISION_SCHEMA,
      'content-type': 'application/json',
    });
    expect(JSON.parse(value)).toEqual(event!.data);
    validate(JSON.parse(value));
    expect(validate.errors).toBeNull();
  });

  it('is the same event in structured mode', () => {
    expect(structuredEvent(event!)).toMatchObject({ specversion: '1.0', id: event!.id, data: event!.data });
  });
});

describe('the schema', () => {
  it('describes every key, and refuses what is not a decision', async () => {
    const schema = JSON.parse(await readFile(SCHEMA, 'utf8'));
    expect(schema.$id).toBe(DECISION_SCHEMA);
    expect(schema.required.sort()).toEqual(Object.keys(schema.properties).sort());
    const bench = new Bench().run(60, () => [series({ version: '1', ms: { 20: 18 } })]);
    bench.run(60, () => [series({ version: '1', ms: { 20: 18 } }), series({ version: '2', ms: { 20: 2 }, bad: 2 })]);
    const data = JSON.parse(JSON.stringify(bench.decisions[0]?.data));
    expect(validate(data)).toBe(true);
    const broken: Record<string, unknown>[] = [
      { ...data, decision: 'undo' },
      { ...data, decision: 'rollback', verdict: 'failing', indicator: null },
      { ...data, decision: 'promote' },
      { ...data, indicator: 'Errors' },
      { ...data, indicator: 'own.errors' },
      { ...data, evidence: [] },
      { ...data, inconclusive: 'noisy' },
      { ...data, verdict: 'inconclusive', indicator: null },
      { ...data, verdict: 'inconclusive', indicator: 'errors', inconclusive: 'noisy' },
      { ...data, baseline_kind: 'imagined' },
      { ...data, signatures: [{ signature: 'TypeError', count: 0 }] },
      { ...data, blame: [{ service: 'search', candidate: '8', verdict: 'suspect' }] },
      { ...data, explanation: '' },
      { ...data, extra: 1 },
      { ...data, exemplars: ['nothex'] },
      { ...data, rollout: { ...data.rollout, started_at: 'yesterday' } },
      { ...data, candidate: { ...data.candidate, score: { '1m': 101, '5m': null, '30m': null, '1h': null } } },
      { ...data, evidence: [{ ...data.evidence[0], interval: [1] }] },
    ];
    expect(broken.map((one) => validate(one))).toEqual(broken.map(() => false));
    const sound: Record<string, unknown>[] = [
      { ...data, indicator: 'custom.checkout_fails' },
      { ...data, verdict: 'inconclusive', indicator: null, inconclusive: 'noisy' },
      { ...data, indicator: null },
      { ...data, baseline: null, baseline_kind: 'historical' },
    ];
    expect(sound.map((one) => validate(one))).toEqual(sound.map(() => true));
  });
});
