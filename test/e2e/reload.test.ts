/** The configuration changes under way: real processes, real connections. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createServer } from 'node:net';
import { windback as program } from '../cmd/windback.ts';
import {
  CountingProxy,
  freePort,
  overGrpc,
  overHttp,
  Running,
  SMALL,
  someSpans,
  Stream,
  withClients,
} from '../support/reloading.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function running(): Promise<Running> {
  const made = await Running.make();
  cleanups.push(() => made.end());
  return made;
}

const BEFORE = `
receivers: {otlp: {protocols: {grpc: {endpoint: GRPC}, http: {endpoint: HTTP}}}}
processors: {memory_limiter: {limit_mib: 2048}, deployment: {}, health: {}, verdict: {}}
exporters: {file/kept: {path: FOLDER/kept.jsonl}, file/first: {path: FOLDER/first.jsonl}}
extensions: {health_check: {enabled: false}}
service:
  workers: 1
  telemetry: {metrics: {endpoint: METRICS}}
  pipelines:
    traces: {receivers: [otlp], processors: [memory_limiter, deployment, health], exporters: [file/kept, file/first]}
    decisions: {receivers: [health], processors: [verdict], exporters: [file/kept]}
`;

/** Options of processors are others, an exporter is another one, and there is one more pipeline. */
const AFTER = `
receivers: {otlp: {protocols: {grpc: {endpoint: GRPC}, http: {endpoint: HTTP}}}}
processors:
  memory_limiter: {limit_mib: 2048}
  deployment: {target: item}
  health: {max_operations: 50, flush_interval: 500ms}
  verdict: {tolerance: 0.5}
  batch: {timeout: 5ms}
exporters: {file/kept: {path: FOLDER/kept.jsonl}, file/second: {path: FOLDER/second.jsonl}, file/more: {path: FOLDER/more.jsonl}}
extensions: {health_check: {enabled: false}}
service:
  workers: 1
  telemetry: {metrics: {endpoint: METRICS}}
  pipelines:
    traces: {receivers: [otlp], processors: [deployment, batch, health], exporters: [file/kept, file/second]}
    traces/more: {receivers: [otlp], processors: [memory_limiter], exporters: [file/more]}
    decisions: {receivers: [health], processors: [verdict], exporters: [file/kept]}
`;

describe.each([1, 2])('with %i workers', (workers) => {
  it('twenty reloads back and forth: no request fails, no connection ends, every item arrives once', async () => {
    const windback = await running();
    const write = (yaml: string) => windback.write(yaml.replace('workers: 1', `workers: ${workers}`));
    write(BEFORE);
    await windback.start();
    const streams: Stream[] = [];
    const proxies: CountingProxy[] = [];
    for (const [over, port] of [[overGrpc, windback.grpc] as const, [overHttp, windback.http] as const]) {
      const proxy = new CountingProxy(port);
      const client = over(await proxy.listen());
      proxies.push(proxy);
      streams.push(new Stream((bytes) => client.send(bytes)));
      cleanups.push(
        () => proxy.close(),
        () => client.close(),
      );
    }
    for (let i = 0; i < 20; i++) {
      write(i % 2 === 0 ? AFTER : BEFORE);
      if (i % 4 < 2) {
        expect(await windback.reload()).toMatchObject({ status: 200, body: { outcome: 'applied' } });
      } else {
        windback.signal('SIGHUP');
        await windback.reloads(i + 1);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    for (const stream of streams) await stream.end();
    const ledger = await fetch(`http://127.0.0.1:${windback.metrics}/debug/ledger`, {
      headers: { accept: 'application/json' },
    });
    expect(await ledger.json()).toMatchObject({ is_balanced: true });
    expect(streams.flatMap(({ failures }) => failures)).toEqual([]);
    // The balance between workers asks clients to come again elsewhere; nothing else ends a connection.
    const shed = (await windback.metric('windback_worker_shed_connections_total')) ?? 0;
    expect(proxies.reduce((sum, { connections }) => sum + connections, 0)).toBe(2 + shed);
    if (workers === 1) expect(shed).toBe(0);
    windback.signal('SIGTERM');
    expect(await windback.closed).toBe(0);
    const taken = streams.flatMap((stream) => stream.taken).toSorted();
    expect(taken.length).toBeGreaterThan(100);
    expect(windback.spanIds('kept.jsonl').toSorted()).toEqual(taken);
    const either = [...windback.spanIds('first.jsonl'), ...windback.spanIds('second.jsonl')];
    expect(either.toSorted()).toEqual(taken);
    expect(windback.spanIds('more.jsonl').length).toBeGreaterThan(0);
    expect(windback.lines.filter(({ level }) => level >= 40)).toEqual([]);
  }, 120_000);
});

describe('what cannot be', () => {
  it.each([1, 2])(
    'changes nothing, and says why: in the answer, as validate says it, and in the log (%i workers)',
    async (workers) => {
      const windback = await running();
      const good = SMALL.replace('workers: 1', `workers: ${workers}`);
      windback.write(good);
      await windback.start();
      const { send, sent } = await withClients(windback, cleanups);
      const hash = async () => /windback_config_info\{hash="(\w+)"\} 1/.exec(await windback.metricsText())?.[1];
      const before = await hash();
      const taken = createServer().listen(await freePort(), '127.0.0.1');
      cleanups.push(() => taken.close());
      await new Promise((resolve) => taken.once('listening', resolve));
      const other = `127.0.0.1:${(taken.address() as { port: number }).port}`;
      const file = windback.file;
      const wrong: [string, string, number, string][] = [
        ['no YAML', good.replace('exporters: {file', 'exporters: {{file'), 422, `${file}:3:`],
        [
          'an unknown key',
          good.replace('path:', 'paht:'),
          422,
          `${file}:3:20: exporters.file.paht: unknown key; did you mean path?`,
        ],
        [
          'a secret file that is not there',
          good.replace('telemetry: {', "telemetry: {admin: {token: '${file:/nowhere/token}'}, "),
          422,
          `${file}:7:30: service.telemetry.admin.token: /nowhere/token cannot be read`,
        ],
        [
          'a port in use',
          good.replace('HTTP', other),
          500,
          `the address is already in use: ${other} (receivers.otlp.protocols.http.endpoint)`,
        ],
        [
          'a file that cannot be',
          good.replace('FOLDER/kept.jsonl', '/dev/null/kept.jsonl'),
          503,
          'the file cannot be written',
        ],
        [
          'more workers',
          good.replace(/workers: \d/, 'workers: 3'),
          409,
          'cannot change while Windback runs: service.workers',
        ],
      ];
      for (const [what, yaml, status, message] of wrong) {
        windback.write(yaml);
        const linesBefore = windback.lines.length;
        const answer = await windback.reload();
        expect([what, answer.status]).toEqual([what, status]);
        expect(answer.body.message).toContain(message);
        // Workers may have something to say meanwhile, such as that they share out connections.
        const said = await vi.waitFor(() => {
          const found = windback.lines.slice(linesBefore).find(({ msg }) => msg.includes(message));
          expect(found).toBeDefined();
          return found;
        });
        if (status === 422) {
          const { stderr, code } = await program(['validate', '--config', file]);
          expect(code).toBe(78);
          const summary = stderr.indexOf('error: the configuration has ');
          expect(`${said?.problems.join('\n')}\n`).toBe(stderr.slice(0, summary));
          const asked = await program(['reload', '--endpoint', `127.0.0.1:${windback.metrics}`]);
          expect([asked.code, asked.stderr]).toEqual([78, stderr]);
        }
        await send();
        expect([what, await hash()]).toEqual([what, before]);
      }
      expect(await windback.metric('windback_config_reloads_total{outcome="invalid"}')).toBe(6);
      expect(await windback.metric('windback_config_reloads_total{outcome="failed"}')).toBe(2);
      expect(await windback.metric('windback_config_reloads_total{outcome="needs_restart"}')).toBe(1);
      expect(await windback.metric('windback_config_reloads_total{outcome="applied"}')).toBe(0);
      windback.signal('SIGTERM');
      expect(await windback.closed).toBe(0);
      expect(windback.spanIds('kept.jsonl').toSorted()).toEqual(sent.toSorted());
    },
    60_000,
  );

  it('without the token nothing is reloaded, and with a new one the old one does no more', async () => {
    const windback = await running();
    const withToken = (token: string) => SMALL.replace('telemetry: {', `telemetry: {admin: {token: ${token}}, `);
    windback.write(withToken('first-token-of-length'));
    await windback.start();
    expect((await windback.reload()).body).toMatchObject({ code: 'api_unauthenticated' });
    const first = { authorization: 'Bearer first-token-of-length' };
    expect(await windback.reload(first)).toMatchObject({ status: 200, body: { outcome: 'unchanged' } });
    windback.write(withToken('second-token-of-length'));
    expect(await windback.reload(first)).toMatchObject({ status: 200, body: { outcome: 'applied' } });
    expect(await windback.reload(first)).toMatchObject({ status: 401 });
    const endpoint = ['--endpoint', `127.0.0.1:${windback.metrics}`];
    const { code, stdout } = await program(['reload', ...endpoint], { WINDBACK_ADMIN_TOKEN: 'second-token-of-length' });
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^unchanged: the configuration is still [0-9a-f]{16}\n$/),
    ]);
    expect((await program(['reload', ...endpoint])).stderr).toContain('error: the token is missing or wrong');
  });
});

describe('listeners', () => {
  it('a new port opens before the old one closes; a receiver that changes on its port lets go of it first', async () => {
    const windback = await running();
    windback.write(SMALL);
    await windback.start();
    const { send, sent } = await withClients(windback, cleanups);
    const port = await freePort();
    windback.write(SMALL.replace('HTTP', `127.0.0.1:${port}`));
    expect((await windback.reload()).body).toMatchObject({ started: ['otlp'], stopped: ['otlp'] });
    // The gRPC client was told to come again, and does; the other one asks where nobody is any more.
    await expect(send()).rejects.toThrow('ECONNREFUSED');
    sent.push(...windback.spanIds('kept.jsonl').slice(sent.length));
    const http = overHttp(`127.0.0.1:${port}`);
    cleanups.push(() => http.close());
    const { bytes, ids } = someSpans();
    await http.send(bytes);
    sent.push(...ids);
    windback.signal('SIGTERM');
    expect(await windback.closed).toBe(0);
    expect(windback.spanIds('kept.jsonl').toSorted()).toEqual(sent.toSorted());
  });

  it.each([1, 2])(
    'a receiver changes on its ports: its clients come again, and lose nothing (%i workers)',
    async (workers) => {
      const windback = await running();
      const yaml = (size: number) =>
        SMALL.replace('workers: 1', `workers: ${workers}`).replace(
          '{protocols',
          `{max_in_flight: ${size}MiB, protocols`,
        );
      windback.write(yaml(32));
      await windback.start();
      // As every OTLP client does, it sends again what was not taken.
      const client = overGrpc(`127.0.0.1:${windback.grpc}`);
      cleanups.push(() => client.close());
      const stream = new Stream(async (bytes) => {
        for (let attempt = 1; ; attempt++) {
          try {
            return await client.send(bytes);
          } catch (error) {
            if (attempt === 50 || (error as { code?: number }).code !== 14) throw error;
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
      });
      for (let i = 0; i < 6; i++) {
        windback.write(yaml(i % 2 === 0 ? 64 : 32));
        expect(await windback.reload()).toMatchObject({ status: 200, body: { outcome: 'applied' } });
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      await stream.end();
      expect(stream.failures).toEqual([]);
      windback.signal('SIGTERM');
      expect(await windback.closed).toBe(0);
      expect(windback.spanIds('kept.jsonl').toSorted()).toEqual(stream.taken.toSorted());
    },
  );

  it('tokens change, and connections stay', async () => {
    const windback = await running();
    const yaml = (tokens: string) =>
      SMALL.replace('extensions: {', `extensions: {bearertokenauth: {tokens: [${tokens}]}, `)
        .replace('{endpoint: HTTP}', '{endpoint: HTTP, auth: {authenticator: bearertokenauth}}')
        .replace('telemetry:', 'extensions: [bearertokenauth]\n  telemetry:');
    windback.write(yaml('old'));
    await windback.start();
    const proxy = new CountingProxy(windback.http);
    const client = overHttp(await proxy.listen(), { authorization: 'Bearer old' });
    cleanups.push(
      () => proxy.close(),
      () => client.close(),
    );
    await client.send(someSpans().bytes);
    windback.write(yaml('old, new'));
    expect((await windback.reload()).body).toMatchObject({ started: [], stopped: [] });
    await client.send(someSpans().bytes);
    windback.write(yaml('new'));
    await windback.reload();
    await expect(client.send(someSpans().bytes)).rejects.toThrow('status 401');
    expect(proxy.connections).toBe(1);
  });
});

it('what is sent while SIGHUP and SIGTERM come at once is taken or refused, and the process ends well', async () => {
  const windback = await running();
  windback.write(BEFORE);
  await windback.start();
  const client = overGrpc(`127.0.0.1:${windback.grpc}`);
  cleanups.push(() => client.close());
  const stream = new Stream((bytes) => client.send(bytes));
  await new Promise((resolve) => setTimeout(resolve, 300));
  windback.write(AFTER);
  windback.signal('SIGHUP');
  windback.signal('SIGHUP');
  windback.signal('SIGTERM');
  expect(await windback.closed).toBe(0);
  await stream.end();
  expect(stream.taken.length).toBeGreaterThan(0);
  const arrived = new Set(windback.spanIds('kept.jsonl'));
  expect(stream.taken.filter((id) => !arrived.has(id))).toEqual([]);
});
