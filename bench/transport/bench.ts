/**
 * What the gRPC transport costs: the receiver on an HTTP/2 of its own, beside a bare server on `node:http2` and one on
 * grpc-js with raw buffers, under the same load, in turn (A B C A B C). `npm run bench:transport -- [rounds] [seconds]`.
 * Prints spans per CPU-second of the server process; only the ratios mean anything on another machine. Figures:
 * docs/decisions/0007-http2.md.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { EXPORT_METHODS } from '../../proto/otlp/export.ts';
import { type Kind, KINDS } from './kinds.ts';
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
async function measure(kind: Kind, framed: Buffer): Promise<Result> {
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

interface Result {
  readonly rate: number;
  readonly rssMib: number;
}

function rateOf(results: readonly Result[]): number {
  return median(results.map(({ rate }) => rate));
}

function row(kind: Kind, results: readonly Result[], ours: readonly Result[]): string {
  const rates = results.map(({ rate }) => rate / 1e6);
  const spread = (Math.max(...rates) - Math.min(...rates)) / median(rates);
  const rss = median(results.map(({ rssMib }) => rssMib));
  const figures = `${median(rates).toFixed(2)} M spans per CPU-second (spread ${(spread * 100).toFixed(0)} %)`;
  const ratio = (rateOf(ours) / rateOf(results)).toFixed(2);
  return `  ${kind.padEnd(10)} ${figures}, ${rss.toFixed(0)} MiB; ours to it: ${ratio}\n`;
}

for (const spans of [512, 8192]) {
  const message = traceRequest(spans);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  const framed = Buffer.concat([prefix, message]);
  const results: Record<Kind, Result[]> = { ours: [], 'node:http2': [], 'grpc-js': [] };
  for (let round = 0; round < rounds; round++) {
    for (const kind of KINDS) results[kind].push(await measure(kind, framed));
  }
  process.stdout.write(`${spans} spans a request, ${Math.round(message.length / spans)} bytes each\n`);
  for (const kind of KINDS) process.stdout.write(row(kind, results[kind], results.ours));
}
