import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:http2';
import { createServer } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { PipelineError } from '../../../pipeline/errors.ts';
import { EXPORT_PATHS } from '../../../proto/otlp/export.ts';
import { traces } from '../../support/telemetry.ts';
import { startThreads, stopAll, type Threads } from './threads.ts';

afterEach(stopAll);

const YAML = `
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:PORT"}}}}
exporters: {debug: {}}
service:
  workers: 2
  telemetry: {logs: {level: error}}
  pipelines: {traces: {receivers: [otlp], exporters: [debug]}}
`;
const BODY = traces({ resource: { 'service.name': 'shop' }, items: [{ end: Date.now() / 1000 }] }).bytes;

describe('a port', () => {
  test('that somebody else listens on is in use, also by another process that shares its own', async () => {
    const alone = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => alone.once('listening', resolve));
    const { port } = alone.address() as { port: number };
    await expect(startThreads(YAML.replace('PORT', String(port)))).rejects.toMatchObject({ code: 'port_in_use' });
    await new Promise((resolve) => alone.close(resolve));

    const first = await startThreads(YAML);
    const again = startThreads(YAML.replace('127.0.0.1:PORT', first.address));
    await expect(again).rejects.toMatchObject({ code: 'port_in_use' });
  }, 40_000);

  test('that the system would choose cannot be shared', async () => {
    await expect(startThreads(YAML.replace('PORT', '0'))).rejects.toSatisfy(
      (thrown) => thrown instanceof PipelineError && thrown.code === 'cannot_share_port',
    );
  }, 40_000);
});

/** Asks every worker to send all its clients away. */
async function shedAll(threads: Threads): Promise<number> {
  const all = await Promise.all(
    (threads.service.pool?.threads ?? []).map(async (thread) => {
      const connections = await thread.report();
      thread.tell({ kind: 'shed', connections });
      return connections.length;
    }),
  );
  return all.reduce((sum, count) => sum + count, 0);
}

test('a client on HTTP/1.1 is told with its next answer that the connection ends, and loses nothing', async () => {
  const threads = await startThreads(YAML);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const [host, port] = threads.address.split(':');
  const post = () =>
    new Promise<{ status: number | undefined; connection: string | undefined; reused: boolean }>((resolve, reject) => {
      const headers = { 'content-type': 'application/x-protobuf' };
      const sent = httpRequest({ host, port, path: EXPORT_PATHS.traces, method: 'POST', agent, headers }, (answer) => {
        answer.resume();
        answer.once('end', () =>
          resolve({ status: answer.statusCode, connection: answer.headers.connection, reused: sent.reusedSocket }),
        );
      });
      sent.once('error', reject);
      sent.end(BODY);
    });
  expect(await post()).toEqual({ status: 200, connection: 'keep-alive', reused: false });
  expect(await post()).toEqual({ status: 200, connection: 'keep-alive', reused: true });
  expect(await shedAll(threads)).toBe(1);
  // The worker learns of it a moment later.
  const last = await vi.waitUntil(async () => {
    const answer = await post();
    expect(answer.status).toBe(200);
    return answer.connection === 'close' ? answer : undefined;
  });
  expect(last.reused).toBe(true);
  expect(await post()).toEqual({ status: 200, connection: 'keep-alive', reused: false });
  agent.destroy();
}, 40_000);

test('a client that speaks HTTP/2 there gets GOAWAY without an error, and its requests under way are answered', async () => {
  const threads = await startThreads(YAML);
  const session = connect(`http://${threads.address}`);
  const goneAway = new Promise<number>((resolve) => session.once('goaway', resolve));
  const stream = session.request({
    ':method': 'POST',
    ':path': EXPORT_PATHS.traces,
    'content-type': 'application/x-protobuf',
  });
  const status = new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status'])));
  stream.resume();
  stream.write(BODY.subarray(0, 10));
  await vi.waitUntil(async () => (await shedAll(threads)) === 1);
  expect(await goneAway).toBe(0);
  stream.end(BODY.subarray(10));
  expect(await status).toBe(200);
  session.destroy();
}, 40_000);
