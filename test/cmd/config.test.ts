import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { start, windback } from './windback.ts';

const GOOD = `receivers:
  otlp:
    protocols: {grpc: {endpoint: 'localhost:0'}}
processors:
  deployment:
  health:
exporters:
  debug:
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], processors: [deployment, health], exporters: [debug]}
extensions: {health_check: {enabled: false}}
`;

let folder: string;
let config: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'windback-cmd-'));
  config = join(folder, 'config.yaml');
  await writeFile(config, GOOD);
});
afterAll(() => rm(folder, { recursive: true }));

describe('validate', () => {
  it('sums up a valid configuration on stdout', async () => {
    expect(await windback(['validate', '--config', config])).toEqual({
      code: 0,
      stdout: 'valid: 1 receiver, 2 processors, 1 exporter, 1 pipeline\n',
      stderr: '',
    });
  });

  it('prints every problem on stderr and ends with 78', async () => {
    const bad = join(folder, 'bad.yaml');
    await writeFile(bad, GOOD.replace('grpc', 'grcp').replace('debug:', 'debgu:'));
    const { code, stdout, stderr } = await windback(['validate', '--config', bad, '--set', 'service.x=1']);
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr.split('\n')).toEqual([
      `${bad}:3:17: receivers.otlp.protocols.grcp: unknown key; did you mean grpc?`,
      `${bad}:8:3: exporters.debgu: unknown exporter type; did you mean debug?`,
      `${bad}:12:79: service.pipelines.traces.exporters[0]: there is no exporter debug; did you mean debgu? Or add debug under exporters`,
      '--set: service.x: unknown key; known keys: extensions, pipelines, shutdown_timeout, telemetry, workers',
      'error: the configuration has 4 problems',
      '',
    ]);
  });

  it('checks the graph too', async () => {
    const set = ['--set', 'service.pipelines.traces.processors=[health]'];
    const { code, stderr } = await windback(['validate', '--config', config, ...set]);
    expect(code).toBe(78);
    expect(stderr).toContain('health needs deployment before it');
  });

  it('warns on stderr', async () => {
    const { code, stderr } = await windback(['validate', '--config', config, '--set', 'exporters.debug/x=']);
    expect(code).toBe(0);
    expect(stderr).toBe(
      'warning: --set: exporters.debug/x: no pipeline uses it; list it in a pipeline, or remove it\n',
    );
  });

  it('says that a file is missing, or a variable', async () => {
    const { code, stderr } = await windback(['validate', '-c', '/nope.yaml', '-c', 'env:NOPE']);
    expect(code).toBe(78);
    expect(stderr).toContain('/nope.yaml: cannot be read: there is no such file');
    expect(stderr).toContain('env:NOPE: the environment variable NOPE is not set');
  });
});

describe('print-config', () => {
  it('prints what it would run, which runs the same', async () => {
    const { code, stdout } = await windback(['print-config', '--config', 'env:CONFIG'], { CONFIG: GOOD });
    expect(code).toBe(0);
    expect(parse(stdout)).toMatchObject({ receivers: { otlp: { protocols: { grpc: { endpoint: 'localhost:0' } } } } });
    expect((await windback(['print-config', '--config', `yaml:${stdout}`])).stdout).toBe(stdout);
  });

  it('prints only what was written where that is wanted', async () => {
    const { stdout } = await windback(['print-config', '--config', config, '--no-defaults']);
    expect(parse(stdout)).toEqual({
      ...parse(GOOD),
      exporters: { debug: {} },
      processors: { deployment: {}, health: {} },
    });
  });
});

it('prints the JSON Schema', async () => {
  const { code, stdout } = await windback(['schema']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ $schema: 'https://json-schema.org/draft/2020-12/schema' });
});

it('ends quietly when nobody reads its output', async () => {
  const child = start(['schema']);
  child.stdout.destroy();
  const stderr: string[] = [];
  child.stderr.on('data', (chunk) => stderr.push(String(chunk)));
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect({ code, stderr }).toEqual({ code: 0, stderr: [] });
});
