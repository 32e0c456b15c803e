/** What must outlast a change of the configuration: rollouts, and queues. */
import { createServer as createHttpServer } from 'node:http';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { TelemetryBatch } from '../../pipeline/batch.ts';
import { freePort, overGrpc, Running, SMALL, someSpans, withClients } from '../support/reloading.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function running(): Promise<Running> {
  const made = await Running.make();
  cleanups.push(() => made.end());
  return made;
}

describe('rollouts', () => {
  const YAML = SMALL.replace(
    'exporters:',
    'processors: {deployment: {}, health: {flush_interval: 200ms}, verdict: {block: 1s, lateness: 1s, settle: 2s}}\nexporters:',
  ).replace(
    '{traces: {receivers: [otlp], exporters: [file]}}',
    '\n    traces: {receivers: [otlp], processors: [deployment, health], exporters: [file]}\n    decisions: {receivers: [health], processors: [verdict], exporters: [file]}',
  );

  it('go on over a change of an exporter, and over one of what matters to deciding only', async () => {
    const windback = await running();
    windback.write(YAML);
    await windback.start();
    const client = overGrpc(`127.0.0.1:${windback.grpc}`);
    cleanups.push(() => client.close());
    const timer = setInterval(() => {
      for (const version of ['1', '1', '2']) void client.send(someSpans(version).bytes).catch(() => {});
    }, 100);
    cleanups.push(() => clearInterval(timer));
    const rollout = async (isWanted: (rollout: any) => boolean): Promise<any> => {
      for (;;) {
        const { rollouts } = (await (await fetch(`http://127.0.0.1:${windback.metrics}/api/rollouts`)).json()) as any;
        if (rollouts.length === 1 && isWanted(rollouts[0])) return rollouts[0];
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    const requests = (one: any): number => one.candidate.requests as number;
    const first = await rollout((one) => requests(one) >= 12);
    const changes: [string, (text: string) => string][] = [
      ['file', (text) => text.replace('kept.jsonl}', 'kept.jsonl, compression: gzip}')],
      ['verdict', (text) => text.replace('settle: 2s', 'settle: 2s, dry_run: true')],
    ];
    let text = YAML;
    let last = first;
    for (const [id, change] of changes) {
      text = change(text);
      windback.write(text);
      expect((await windback.reload()).body).toMatchObject({ started: [id], stopped: [id] });
      const next = await rollout(() => true);
      expect([next.id, next.started_at]).toEqual([first.id, first.started_at]);
      expect(requests(next)).toBeGreaterThanOrEqual(requests(last));
      last = await rollout((one) => requests(one) > requests(next));
    }
    // What evidence is weighed by is another thing: the rollout begins anew, from then on.
    windback.write(text.replace('settle: 2s', 'settle: 2s, tolerance: 0.5'));
    await windback.reload();
    const anew = await rollout(() => true);
    expect(Date.parse(anew.started_at)).toBeGreaterThan(Date.parse(first.started_at));
  }, 60_000);
});

describe('queues', () => {
  /** Takes requests once it is open, and counts their spans. */
  async function destination() {
    const port = await freePort();
    const server = createHttpServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const { columns } = TelemetryBatch.open('traces', Buffer.concat(pieces));
        made.spans += columns.count;
        response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
      });
    });
    const made = {
      spans: 0,
      endpoint: `http://127.0.0.1:${port}`,
      open: () => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve)),
    };
    cleanups.push(() => server.closeAllConnections());
    cleanups.push(() => server.close());
    return made;
  }

  const queued = (endpoint: string, more: string) =>
    SMALL.replace(
      'exporters: {',
      `exporters: {otlp_http: {endpoint: '${endpoint}', compression: none, retry_on_failure: {max_interval: 100ms}${more}}, `,
    );

  it('of an exporter that is gone: what is in it is delivered all the same', async () => {
    const windback = await running();
    const { endpoint, open } = await destination();
    const yaml = queued(endpoint, '').replace('exporters: [file]', 'exporters: [otlp_http, file]');
    windback.write(yaml);
    await windback.start();
    const { sent } = await withClients(windback, cleanups);
    windback.write(SMALL);
    expect((await windback.reload()).body).toMatchObject({ stopped: ['otlp_http'] });
    await open();
    await vi.waitFor(async () => {
      expect(
        await windback.metric(
          'windback_exporter_sent_items_total{exporter="otlp_http",pipeline="traces",signal="traces"}',
        ),
      ).toBe(sent.length);
    }, 10_000);
    await vi.waitFor(async () => {
      expect(await windback.metricsText()).not.toContain('windback_exporter_queue_size{exporter="otlp_http"}');
    });
  });

  it('on disk: an exporter with other options goes on with it, and one that comes back too', async () => {
    const windback = await running();
    const to = await destination();
    const onDisk = (more = '') =>
      queued(to.endpoint, `, sending_queue: {storage: file_storage}${more}`)
        .replace('exporters: [file]', 'exporters: [otlp_http, file]')
        .replace('extensions: {', 'extensions: {file_storage: {directory: FOLDER/state}, ');
    windback.write(onDisk());
    await windback.start();
    const { send, sent } = await withClients(windback, cleanups);
    windback.write(onDisk(', timeout: 7s'));
    expect((await windback.reload()).body).toMatchObject({ stopped: ['otlp_http'], started: ['otlp_http'] });
    await send();
    // Gone, and back before it has been given up: there are never two of them on one queue.
    windback.write(onDisk().replace('[otlp_http, file]', '[file]'));
    expect((await windback.reload()).body).toMatchObject({ stopped: ['otlp_http'] });
    windback.write(onDisk());
    expect((await windback.reload()).body).toMatchObject({ started: ['otlp_http'] });
    await to.open();
    await vi.waitFor(() => expect(to.spans).toBe(sent.length), 10_000);
    windback.signal('SIGTERM');
    expect(await windback.closed).toBe(0);
    expect(to.spans).toBe(sent.length);
  });
});
