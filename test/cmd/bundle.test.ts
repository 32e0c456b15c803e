import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { build as bundle } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sourceStack } from '../../cmd/stack.ts';

const ROOT = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'windback-bundle-'));
/** A checkout that can be changed. */
const checkout = join(folder, 'checkout');
/** What is left when nothing but the bundle is taken along. */
const alone = join(folder, 'alone');

beforeAll(async () => {
  for (const name of ['cmd', 'pipeline', 'receivers', 'processors', 'exporters', 'proto', 'deploy', 'examples']) {
    cpSync(join(ROOT, name), join(checkout, name), { recursive: true });
  }
  for (const name of ['package.json', 'tsconfig.json']) cpSync(join(ROOT, name), join(checkout, name));
  symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'));
  await build();
  mkdirSync(join(alone, 'cmd'), { recursive: true });
  for (const name of ['package.json', 'cmd/launch.js', 'dist']) {
    cpSync(join(checkout, name), join(alone, name), { recursive: true });
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

function run(root: string, program: string, ...args: string[]): ChildProcess {
  return spawn(process.execPath, [join(root, program), ...args], {
    cwd: root,
    env: { PATH: process.env.PATH ?? '', NODE_NO_WARNINGS: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function finished(child: ChildProcess) {
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, 'close') as Promise<[number]>,
  ]);
  return { stdout, stderr, code };
}

/** Makes the bundle, and marks it, so that one can tell it from the sources. */
async function build(): Promise<void> {
  const { code, stderr } = await finished(run(checkout, 'cmd/bundle/build.ts'));
  expect(stderr).toMatch(/^dist\/[0-9a-f]{12}: written\n$/);
  expect(code).toBe(0);
  const program = join(checkout, 'dist', current(), 'windback.js');
  // After the first line, which is for the shell.
  writeFileSync(program, readFileSync(program, 'utf8').replace('\n', "\nprocess.stderr.write('the bundle\\n');\n"));
}

function current(): string {
  return (JSON.parse(readFileSync(join(checkout, 'dist/manifest.json'), 'utf8')) as { folder: string }).folder;
}

describe('the launcher', () => {
  const version = () => finished(run(checkout, 'cmd/launch.js', '--version'));
  const source = join(checkout, 'pipeline/errors.ts');
  const original = readFileSync(join(ROOT, 'pipeline/errors.ts'), 'utf8');
  const fromBundle = { stdout: expect.stringMatching(/^windback \d/), stderr: 'the bundle\n', code: 0 };
  const fromSources = { ...fromBundle, stderr: '' };

  test('prefers the bundle, until a source changes', async () => {
    expect(await version()).toEqual(fromBundle);
    // The same size, so that only the time and the content tell.
    writeFileSync(source, original.replace('the request cannot be decoded', 'the request cannot be DECODED'));
    expect(await version()).toEqual(fromSources);
    writeFileSync(source, original);
    expect(await version()).toEqual(fromBundle);
    appendFileSync(source, '// More.\n');
    expect(await version()).toEqual(fromSources);
    rmSync(source);
    expect((await version()).stderr).not.toContain('the bundle');
    writeFileSync(source, original);
  });

  test('takes a bundle that is made anew, which leaves the one before to those who run it', async () => {
    const before = current();
    appendFileSync(source, '// More.\n');
    await build();
    expect(current()).not.toBe(before);
    expect(await version()).toEqual(fromBundle);
    expect(readdirSync(join(checkout, 'dist')).toSorted()).toEqual([before, current(), 'manifest.json'].toSorted());
  });
});

describe('a bundle alone', () => {
  test('validates, and tells what is wrong in the same words', async () => {
    const config = (exporter: string) =>
      `yaml:{receivers: {otlp: {protocols: {grpc: }}}, exporters: {${exporter}: }, service: {pipelines: {traces: {receivers: [otlp], exporters: [${exporter}]}}}}`;
    const good = await finished(run(alone, 'cmd/launch.js', 'validate', '--config', config('debug')));
    expect(good).toEqual({
      code: 0,
      stderr: 'the bundle\n',
      stdout: 'valid: 1 receiver, 0 processors, 1 exporter, 1 pipeline\n',
    });
    const bad = await finished(run(alone, 'cmd/launch.js', 'validate', '--config', config('debugg')));
    expect(bad.code).toBe(78);
    expect(bad.stderr).toContain('exporters.debugg: unknown exporter type; did you mean debug?');
  });

  test('runs, judges, and forwards a request as it was, but for the tag', async () => {
    const received = Promise.withResolvers<Buffer>();
    const sink = createServer((request, response) => {
      void buffer(request).then((body) => received.resolve(body));
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    }).listen(0, '127.0.0.1');
    await once(sink, 'listening');
    const port = await freePort();
    const child = run(
      alone,
      'cmd/launch.js',
      'run',
      '--config',
      `yaml:${runConfig(port, (sink.address() as AddressInfo).port)}`,
    );
    const output = finished(child);
    try {
      const request = {
        resourceSpans: [
          {
            resource: { attributes: [attribute('service.name', 'shop'), attribute('service.version', '1.2.3')] },
            scopeSpans: [
              { spans: [{ traceId: '0'.repeat(31) + '1', spanId: '0'.repeat(15) + '1', name: 'GET /cart' }] },
            ],
          },
        ],
      };
      // JSON, since reading it takes the .proto files.
      const answer = await post(`http://127.0.0.1:${port}/v1/traces`, JSON.stringify(request));
      expect(answer.status).toBe(200);
      const body = (await received.promise).toString('latin1');
      for (const part of ['shop', 'deployment.version', '1.2.3', 'GET /cart']) expect(body).toContain(part);
      // It has begun anew, as the same process, so that glibc gives back what is freed.
      if (process.platform === 'linux')
        expect(readFileSync(`/proc/${child.pid}/environ`, 'latin1')).toContain('MALLOC_MMAP_THRESHOLD_=131072');
    } finally {
      child.kill('SIGTERM');
      sink.close();
      sink.closeAllConnections();
    }
    expect(await output).toMatchObject({ code: 0 });
  });
});

function attribute(key: string, stringValue: string) {
  return { key, value: { stringValue } };
}

function runConfig(port: number, sink: number): string {
  return `
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:${port}'}}}}
processors: {deployment: {}, health: {}, verdict: {}}
exporters:
  otlp_http: {endpoint: 'http://127.0.0.1:${sink}', compression: none}
  file: {path: '${join(folder, 'decisions.jsonl')}'}
extensions: {health_check: {enabled: false}}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], processors: [deployment, health], exporters: [otlp_http]}
    decisions: {receivers: [health], processors: [verdict], exporters: [file]}
`;
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Until somebody listens. */
async function post(url: string, body: string): Promise<Response> {
  for (;;) {
    try {
      return await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    } catch {
      await sleep(20);
    }
  }
}

test('a stack trace names the lines of the sources', async () => {
  const source = join(folder, 'thrower.ts');
  const program = join(folder, 'thrower.js');
  writeFileSync(source, '// One line.\n\nexport function fail(): never {\n  throw new Error(`failed`);\n}\n');
  await bundle({ entryPoints: [source], outfile: program, minify: true, sourcemap: 'linked', format: 'esm' });
  const stack = `Error: failed\n    at a (file://${program}:1:${readFileSync(program, 'utf8').indexOf('new Error') + 1})`;
  expect(sourceStack(stack)).toBe(`Error: failed\n    at a (${source}:4:9)`);
  expect(sourceStack('at b (file:///not/there.js:1:2)')).toBe('at b (file:///not/there.js:1:2)');
});
