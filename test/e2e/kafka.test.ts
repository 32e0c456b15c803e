/** From OTLP to Kafka through the real program: a bad version goes in, and a rollback decision can be consumed. */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { DECISION_SCHEMA } from '../../proto/windback/decision.ts';
import { start } from '../cmd/windback.ts';
import { type Read, readTopic } from '../exporters/kafka/reader.ts';
import { kafkaForTests, type TestKafka } from '../support/kafka.ts';
import { askLedger, assertBalanced, bookOf, ofExporter } from '../support/ledger.ts';
import { traces } from '../support/telemetry.ts';

const CONFIG = `
receivers:
  otlp:
    protocols:
      http: {endpoint: "localhost:\${env:HTTP_PORT}"}
processors:
  deployment: {}
  health: {}
  verdict: {block: 1s, incident: 5s, settle: 4s, warm_up: 1s, lateness: 1s}
exporters:
  kafka: {brokers: ["\${env:BROKER}"], topic: "\${env:TOPIC}", traces: {topic: "\${env:TOPIC}-spans"}}
extensions:
  health_check: {endpoint: "localhost:\${env:HEALTH_PORT}"}
service:
  extensions: [health_check]
  telemetry: {metrics: {endpoint: "localhost:\${env:METRICS_PORT}"}}
  pipelines:
    traces: {receivers: [otlp], processors: [deployment, health], exporters: [kafka]}
    decisions: {receivers: [health], processors: [verdict], exporters: [kafka]}
`;
const VERSIONS = [
  { version: '1.4.1', failureRate: 0 },
  { version: '1.4.2', failureRate: 0.5 },
] as const;
const REQUESTS_PER_SECOND = 50;
const INSTANCES = 2;

let kafka: TestKafka;
let windback: ChildProcess | undefined;
beforeAll(async () => {
  kafka = await kafkaForTests();
});
afterEach(() => windback?.kill('SIGKILL'));
afterAll(() => kafka?.stop());

test('a bad version over OTLP becomes a rollback decision that an ordinary consumer reads', async () => {
  const topic = await kafka.freshTopic('decisions');
  const [httpPort, healthPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
  const child = start(['run', '--config', 'env:CONFIG'], {
    CONFIG,
    BROKER: kafka.brokers[0] as string,
    TOPIC: topic,
    HTTP_PORT: `${httpPort}`,
    HEALTH_PORT: `${healthPort}`,
    METRICS_PORT: `${metricsPort}`,
  });
  windback = child;
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  await expect.poll(() => stderr, { timeout: 10_000 }).toContain(' is ready: ');

  const startedMs = Date.now();
  let reads: Read[] = [];
  for (let second = 0; !reads.some(isRollback) && Date.now() - startedMs < 60_000; second++) {
    await sendSecond(httpPort, second);
    await sleep(Math.max(0, startedMs + (second + 1) * 1000 - Date.now()));
    assertBalanced(await askLedger(metricsPort));
    if (second > 5) reads = await readTopic(kafka.brokers, topic);
  }
  const ledger = await askLedger(metricsPort);
  assertBalanced(ledger);
  expect(bookOf(ledger, 'traces').accepted).toBeGreaterThan(0);
  expect(bookOf(ledger, 'decisions', 'health').processors[0]?.consumed).toBeGreaterThan(0);
  expect(ofExporter(ledger, 'kafka', ({ delivered }) => delivered)).toBeGreaterThan(0);
  child.kill('SIGTERM');
  expect(await closed).toBe(0);
  expect(stderr).not.toContain('"level":50');
  expectRollback(reads);
  expect((await readTopic(kafka.brokers, `${topic}-spans`)).length).toBeGreaterThan(0);
}, 90_000);

/** A `hold` may come first. */
function isRollback({ headers }: Read): boolean {
  return headers['ce_type'] === 'dev.windback.decision.rollback.v1';
}

function expectRollback(reads: readonly Read[]): void {
  const decided = reads.filter(isRollback);
  expect(decided).toHaveLength(1);
  const [{ key, headers, value }] = decided as [Read];
  expect(key).toBe('shop/cart/test');
  expect(headers).toEqual({
    ce_specversion: '1.0',
    ce_id: expect.stringMatching(/^[0-9a-f]{16,}$/),
    ce_source: 'windback',
    ce_type: 'dev.windback.decision.rollback.v1',
    ce_subject: 'shop/cart/test',
    ce_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    ce_dataschema: DECISION_SCHEMA,
    'content-type': 'application/json',
  });
  const decision = JSON.parse(String(value));
  expect(decision).toMatchObject({
    decision: 'rollback',
    indicator: 'errors',
    service: { name: 'cart', namespace: 'shop', environment: 'test' },
    candidate: { version: '1.4.2' },
    baseline: { version: '1.4.1' },
    dry_run: false,
  });
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  const schema = join(import.meta.dirname, '../../proto/windback/decision.schema.json');
  const validate = ajv.compile(JSON.parse(readFileSync(schema, 'utf8')));
  validate(decision);
  expect(validate.errors).toBeNull();
}

/** What both versions did in the last second: the good one alone at first, then half and half. */
async function sendSecond(port: number, second: number): Promise<void> {
  const now = Date.now() / 1000;
  const groups = VERSIONS.slice(0, second < 2 ? 1 : 2).flatMap(({ version, failureRate }) =>
    Array.from({ length: INSTANCES }, (_, instance) => ({
      resource: {
        'service.namespace': 'shop',
        'service.name': 'cart',
        'deployment.environment.name': 'test',
        'service.version': version,
        'service.instance.id': `${version}-${instance}`,
      },
      items: Array.from({ length: REQUESTS_PER_SECOND / INSTANCES }, (_, i) => ({
        name: 'GET /cart',
        end: now - i / REQUESTS_PER_SECOND,
        durationMs: 5 + (i % 7),
        status: (i * 7 + second * 3) % 10 < failureRate * 10 ? 2 : 1,
      })),
    })),
  );
  const response = await fetch(`http://localhost:${port}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-protobuf' },
    body: traces(...groups).bytes as Uint8Array<ArrayBuffer>,
  });
  expect(response.status).toBe(200);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, 'localhost');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
