/** What is derived from telemetry behind a redaction is derived from redacted telemetry: nothing brings a secret back. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadComponents } from '../../../cmd/components.ts';
import { TelemetryBatch } from '../../../pipeline/batch.ts';
import { loadConfig } from '../../../pipeline/config/load.ts';
import { ConfigError } from '../../../pipeline/config/report.ts';
import { jsonToProtobuf } from '../../../proto/otlp/json.ts';
import { windback } from '../../cmd/windback.ts';
import { Sink } from '../../support/context.ts';
import { type Attributes, keyValues, logsJson, nanos, tracesJson } from '../../support/telemetry.ts';
import { started } from '../../receivers/otlp/started.ts';
import { Folding, NOW, RESOURCE } from '../health/support.ts';
import { Redacting } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'windback-redaction-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SECRET = 'SSN-078051120';
const config = {
  allow_all_keys: true,
  blocked_values: ['SSN-[0-9]+'],
  blocked_key_patterns: ['^exception\\.stacktrace$'],
};

/** A failed request whose every word holds the secret: name, route, callee, exception, message. */
function failedSpans(resource: Attributes, at: number, count = 1, isFailed = true): any {
  const attributes = {
    'http.request.method': 'GET',
    'http.route': `/users/${SECRET}`,
    'http.response.status_code': isFailed ? 500 : 200,
  };
  const calls = { 'peer.service': `db-${SECRET}`, 'server.address': SECRET };
  const ids = Array.from({ length: count }, (_, i) => (Math.floor(at * 1000) * 100 + i).toString(16).padStart(16, '0'));
  const json: any = tracesJson({
    resource,
    items: ids.flatMap((spanId, i) => [
      // The call ends before the request that made it.
      {
        end: at + i / 100,
        kind: 3,
        name: SECRET,
        attributes: calls,
        status: isFailed ? 2 : 0,
        parentId: spanId,
        traceId: spanId.repeat(2),
      },
      { end: at + i / 100, name: SECRET, status: isFailed ? 2 : 0, attributes, spanId, traceId: spanId.repeat(2) },
    ]),
  });
  for (const span of json.resourceSpans[0].scopeSpans[0].spans) {
    if (!isFailed) continue;
    const said = {
      'exception.type': `${SECRET}Error`,
      'exception.message': `no user ${SECRET}`,
      'exception.stacktrace': `X: no\n\tat ${SECRET}.find(Users.java:1)`,
    };
    span.events = [{ timeUnixNano: nanos(at), name: 'exception', attributes: keyValues(said) }];
    span.status = { code: 2, message: `failed for ${SECRET}` };
  }
  return json;
}

function failedRecords(resource: Attributes, at: number): any {
  const json: any = logsJson({
    resource,
    items: [
      { time: at, severity: 17 },
      { time: at, severity: 17 },
    ],
  });
  const [text, map] = json.resourceLogs[0].scopeLogs[0].logRecords;
  text.body = { stringValue: `lost ${SECRET} of ${SECRET}` };
  map.body = { kvlistValue: { values: keyValues({ message: `gone ${SECRET}`, user: SECRET }) } };
  return json;
}

describe('health behind it', () => {
  async function folded(isRedacted: boolean): Promise<string> {
    const folding = new Folding({
      custom: [{ name: 'mine', signal: 'traces', bad: `span.name.contains("${SECRET}")` }],
    });
    const redacting = new Redacting(isRedacted ? config : { allow_all_keys: true });
    redacting.sink.consume = async (batch) => folding.consume(batch as TelemetryBatch);
    const bytes = (signal: 'traces' | 'logs', json: unknown) =>
      TelemetryBatch.open(signal, jsonToProtobuf(signal, JSON.stringify(json)));
    await redacting.processor.consume(bytes('traces', failedSpans(RESOURCE, NOW)));
    await redacting.processor.consume(bytes('logs', failedRecords(RESOURCE, NOW)));
    const series = await folding.series();
    expect(series.find(({ name }) => name === 'mine')?.bad, 'what a condition sees').toBe(isRedacted ? 0 : 1);
    return JSON.stringify(series);
  }

  it('names operations, callees and signatures by what is left', async () => {
    const seen = await folded(true);
    expect(seen).not.toContain(SECRET);
    expect(seen).toContain('GET /users/****');
    expect(seen).toContain('db-****');
    expect(seen).toContain('****Error');
    expect(seen).toContain('lost **** of ****');
  });

  it('would name them by the secret without it', async () => {
    const seen = await folded(false);
    expect(seen).toContain(`GET /users/${SECRET}`);
    expect(seen).toContain(`db-${SECRET}`);
    expect(seen).toContain(`${SECRET}.find`);
  });
});

describe('a decision', () => {
  const capture = join(folder, 'capture.jsonl');
  const resource = (version: string) => ({
    ...RESOURCE,
    'service.version': version,
    'service.instance.id': `pod-${version}`,
  });
  const lines: string[] = [];
  for (let second = 0; second < 120; second++) {
    lines.push(JSON.stringify(failedSpans(resource('1'), NOW + second, 10, false)));
    if (second < 20) continue;
    lines.push(JSON.stringify(failedSpans(resource('2'), NOW + second, 10, true)));
    lines.push(JSON.stringify(failedRecords(resource('2'), NOW + second)));
  }
  writeFileSync(capture, `${lines.join('\n')}\n`);

  const yaml = (processors: string) => `
receivers: {otlp_file: {include: ["${capture}"]}}
processors:
  redaction: ${JSON.stringify(config)}
  deployment: {}
  health: {}
  verdict: {}
exporters: {debug: {}}
service:
  pipelines:
    traces: {receivers: [otlp_file], processors: [${processors}], exporters: [debug]}
    logs: {receivers: [otlp_file], processors: [${processors}], exporters: [debug]}
    decisions: {receivers: [health], processors: [verdict], exporters: [debug]}
`;

  async function decided(processors: string): Promise<{ decisions: string; page: string }> {
    const path = join(folder, 'windback.yaml');
    writeFileSync(path, yaml(processors));
    const { stdout: decisions } = await windback(['replay', '--config', path, capture]);
    expect(decisions).toContain('"rollback"');
    const decisionsPath = join(folder, 'decisions.jsonl');
    writeFileSync(decisionsPath, decisions);
    const rollback = decisions.split('\n').find((line) => line.includes('"rollback"')) as string;
    const { stdout: page } = await windback(['explain', JSON.parse(rollback).id, '--from', decisionsPath]);
    return { decisions, page };
  }

  it('and its page tell nothing that was redacted', async () => {
    const { decisions, page } = await decided('redaction, deployment, health');
    expect(page).toContain('****');
    expect(decisions).not.toContain(SECRET);
    expect(page).not.toContain(SECRET);
  });

  it('and its page would tell it without', async () => {
    const { decisions, page } = await decided('deployment, health');
    expect(decisions).toContain(SECRET);
    expect(page).toContain(SECRET);
  });
});

describe('the order in a pipeline', () => {
  const components = loadComponents();

  async function problems(processors: string): Promise<string[]> {
    const text = `
receivers: {otlp: {protocols: {grpc: {endpoint: "localhost:4317"}}}}
processors: {redaction: {allow_all_keys: true}, redaction/more: {}, deployment: {}, health: {}, verdict: {}}
exporters: {debug: {}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [${processors}], exporters: [debug]}
    decisions: {receivers: [health], processors: [verdict], exporters: [debug]}
`;
    try {
      loadConfig({ sources: ['windback.yaml'], sets: [], env: {}, readFile: () => text }, await components);
      return [];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return error.problems.map(({ what, todo }) => `${what}; ${todo}`);
    }
  }

  it('is before health', async () => {
    expect(await problems('redaction, redaction/more, deployment, health')).toEqual([]);
    expect(await problems('deployment, redaction, health')).toEqual([]);
    expect(await problems('redaction, deployment, health, redaction/more')).toEqual([
      'redaction/more stands behind health, which sees what it takes away; put redaction/more before health',
    ]);
  });
});

describe('a request', () => {
  it('in JSON is redacted like any other, and one that cannot be read is refused', async () => {
    const redacting = new Redacting(config);
    const sink = new Sink();
    sink.answer = (batch) => redacting.processor.consume(batch);
    const { receiver, http } = await started({}, {}, { sink });
    const post = (type: string, body: string | Uint8Array) =>
      fetch(`http://${http}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': type },
        body: Buffer.from(body as string),
      });
    expect((await post('application/json', JSON.stringify(failedSpans(RESOURCE, NOW)))).status).toBe(200);
    const out = redacting.sink.batches[0] as TelemetryBatch;
    expect(Buffer.from(out.encoded()).includes(SECRET)).toBe(false);
    expect(Buffer.from(out.encoded()).includes('/users/****')).toBe(true);
    // A span whose attribute ends in the middle of its value: the receiver does not look into it, the redaction does.
    const broken = Buffer.from([0x0a, 0x0c, 0x12, 0x0a, 0x12, 0x08, 0x4a, 0x06, 0x0a, 0x01, 0x6b, 0x12, 0x05, 0x0a]);
    expect((await post('application/x-protobuf', broken)).status).toBe(400);
    await receiver.stop(AbortSignal.timeout(5000));
  });
});
