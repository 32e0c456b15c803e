/**
 * What the transport costs, under the same load, in turn (A B C A B C): over gRPC the receiver on an HTTP/2 of its own
 * beside a bare server on `node:http2` and one on grpc-js with raw buffers; over HTTP/1.1 the receiver beside a bare server
 * on `node:http`. Prints spans per CPU-second of the server process; only
 * the ratios mean anything on another machine. Figures: docs/decisions/0007-http2.md and 0008-http1.md.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { number, scriptOptions, whole } from '../script.ts';
import { callGrpc, postHttp1 } from './clients.ts';
import { GRPC_KINDS, HTTP_KINDS, isHttp1, type Kind } from './kinds.ts';
import { traceRequest } from './request.ts';

const WARM_UP_MS = 1500;

const HELP = `What receiving costs, over gRPC and HTTP/1.1, beside servers on grpc-js, node:http2 and node:http.

usage: npm run bench:transport -- [options]

  --rounds N   rounds of each server, in turn (5)
  --seconds N  seconds of a round (4)
  --help       this

example: npm run bench:transport -- --rounds 9 --seconds 2
`;
const { rounds, seconds } = scriptOptions('bench:transport', HELP, { rounds: whole(5), seconds: number(4) });

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

/** Spans per CPU-second of one server process under load, and its memory at the end, MiB. */
async function measure(kind: Kind, message: Uint8Array): Promise<Result> {
  const server = fork(new URL('server.ts', import.meta.url), [kind]);
  const [{ port }] = (await once(server, 'message')) as [{ port: number }];
  let over = false;
  const load = (isHttp1(kind) ? postHttp1 : callGrpc)(port, message, () => over);
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
  const before = await usage(server);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const after = await usage(server);
  over = true;
  await load;
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
  return `  ${kind.padEnd(14)} ${figures}, ${rss.toFixed(0)} MiB; ours to it: ${ratio}\n`;
}

for (const spans of [512, 8192]) {
  const message = traceRequest(spans);
  process.stdout.write(`${spans} spans a request, ${Math.round(message.length / spans)} bytes each\n`);
  for (const kinds of [GRPC_KINDS, HTTP_KINDS]) {
    const results = new Map<Kind, Result[]>(kinds.map((kind) => [kind, []]));
    for (let round = 0; round < rounds; round++) {
      for (const kind of kinds) results.get(kind)?.push(await measure(kind, message));
    }
    const ours = results.get(kinds[0]) as Result[];
    for (const [kind, its] of results) process.stdout.write(row(kind, its, ours));
  }
}
