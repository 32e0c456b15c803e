/**
 * What the gRPC transport costs: the receiver's server on `node:http2` beside one on grpc-js with raw buffers, under the
 * same load, in turn (A B A B). `node bench/transport/run.ts [rounds] [seconds]`. Prints spans per CPU-second of the
 * server process; only the ratio means anything on another machine. Figures: docs/decisions/0003-grpc-server.md.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { EXPORT_METHODS } from '../../proto/otlp/export.ts';
import { traceRequest } from './request.ts';

const CONNECTIONS = 4;
const CALLS_PER_CONNECTION = 4;
const WARM_UP_MS = 1500;

const rounds = Number(process.argv[2] ?? 5);
const seconds = Number(process.argv[3] ?? 4);

interface Usage {
  readonly cpuSeconds: number;
  readonly items: number;
  readonly rssBytes: number;
}

type Kind = 'ours' | 'grpc-js';

async function usage(server: ChildProcess): Promise<Usage> {
  server.send('usage');
  const [message] = await once(server, 'message');
  return message as Usage;
}

/** One call after another until told to stop. The answer's status is checked: a refusal is not throughput. */
async function callRepeatedly(session: ClientHttp2Session, framed: Buffer, isOver: () => boolean): Promise<void> {
  const headers = {
    ':method': 'POST',
    ':path': EXPORT_METHODS.traces,
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  while (!isOver()) {
    await new Promise<void>((resolve, reject) => {
      const stream = session.request(headers);
      stream.on('trailers', (trailers) => {
        if (trailers['grpc-status'] !== '0') reject(new Error(`refused: ${trailers['grpc-message']}`));
      });
      stream.on('error', reject);
      stream.on('close', resolve);
      stream.resume();
      stream.end(framed);
    });
  }
}

/** Spans per CPU-second of one server process under load, and its memory at the end, MiB. */
async function measure(kind: Kind, framed: Buffer): Promise<{ rate: number; rssMib: number }> {
  const server = fork(new URL('server.ts', import.meta.url), [kind]);
  const [{ port }] = (await once(server, 'message')) as [{ port: number }];
  // Node's client refuses answers while it has more than 10 MB to send.
  const sessions = Array.from({ length: CONNECTIONS }, () =>
    connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 1000 }),
  );
  let over = false;
  const calls = sessions.flatMap((session) =>
    Array.from({ length: CALLS_PER_CONNECTION }, () => callRepeatedly(session, framed, () => over)),
  );
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
  const before = await usage(server);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const after = await usage(server);
  over = true;
  await Promise.all(calls);
  for (const session of sessions) session.close();
  server.kill();
  const rate = (after.items - before.items) / (after.cpuSeconds - before.cpuSeconds);
  return { rate, rssMib: after.rssBytes / 1024 ** 2 };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

function row(kind: Kind, results: readonly { rate: number; rssMib: number }[]): string {
  const rates = results.map(({ rate }) => rate / 1e6);
  const spread = (Math.max(...rates) - Math.min(...rates)) / median(rates);
  const rss = median(results.map(({ rssMib }) => rssMib));
  return `  ${kind.padEnd(8)} ${median(rates).toFixed(2)} M spans per CPU-second (spread ${(spread * 100).toFixed(0)} %), ${rss.toFixed(0)} MiB`;
}

for (const spans of [512, 8192]) {
  const message = traceRequest(spans);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  const framed = Buffer.concat([prefix, message]);
  const results: Record<Kind, { rate: number; rssMib: number }[]> = { ours: [], 'grpc-js': [] };
  for (let round = 0; round < rounds; round++) {
    for (const kind of ['ours', 'grpc-js'] as const) results[kind].push(await measure(kind, framed));
  }
  const ratio = median(results.ours.map(({ rate }) => rate)) / median(results['grpc-js'].map(({ rate }) => rate));
  process.stdout.write(
    `${spans} spans a request, ${Math.round(message.length / spans)} bytes each\n${row('ours', results.ours)}\n` +
      `${row('grpc-js', results['grpc-js'])}\n  ratio    ${ratio.toFixed(2)}\n`,
  );
}
