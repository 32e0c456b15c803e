/**
 * Two ingest workers beside one thread, in turn, A B A B: CPU time per span, how a few connections are shared out, and
 * throughput where the work is heavy. The load comes from this process, on the same machine.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { number, scriptOptions, someOf, whole } from '../script.ts';
import { traceRequest } from '../load/requests.ts';
import {
  type Client,
  type Effort,
  grpcClient,
  jsonClient,
  keepSending,
  leanGrpcClient,
  sendAtRate,
} from './clients.ts';
import { requestType } from '../../proto/otlp/schema.ts';
import { type Reading, Server, type Work } from './server.ts';
import { startSink } from './sink.ts';

const HELP = `Two ingest workers beside one thread, in turn: what a span costs, how connections are shared out, and throughput.

usage: npm run bench:workers -- [options]

  --only LIST  of cpu,balance,heavy (all)
  --rounds N   rounds of each, in turn (5)
  --seconds N  seconds of a round (4)
  --help       this

example: npm run bench:workers -- --only heavy --rounds 9
`;
const {
  only: ONLY,
  rounds: ROUNDS,
  seconds: SECONDS,
} = scriptOptions('bench:workers', HELP, {
  only: someOf(['cpu', 'balance', 'heavy']),
  rounds: whole(5),
  seconds: number(4),
});
const BALANCE_SECONDS = 14;
/** How busy two workers are kept together, cores: connections are not moved where it does not matter who has them. */
const BALANCE_CORES = 0.8;
/** Spans a second, which the clients here can send with what is left. */
const BALANCE_SPANS_MAX = 1_500_000;
/** The last seconds of a run, in which the shares count. */
const BALANCE_LAST = 5;
const LIGHT: Work = {
  processors: 'deployment: {}, health: {drop_duplicates: false}, verdict: {}',
  chain: 'deployment, health',
};
/** So much that the load generator, on the same two cores, takes little beside it. */
const HEAVY: Work = {
  processors: `redaction: {allow_all_keys: true, blocked_key_patterns: ['(?i)password', '(?i)token', '^url\\.path$'],
    blocked_values: ['4[0-9]{12}(?:[0-9]{3})?', '[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}']},
    deployment: {target: item}, health: {drop_duplicates: false}, verdict: {}`,
  chain: 'redaction, deployment, health',
};
const FORGET = 'debug: {}';

interface Load {
  readonly make: (server: Server, effort: Effort) => Client;
  readonly bodies: readonly Buffer[];
  readonly clients: number;
  readonly streams: number;
}

process.stdout.write(`${ROUNDS} rounds of ${SECONDS} s, Node ${process.version}\n`);
if (ONLY.includes('cpu'))
  await compare('CPU per span: gRPC, 512 spans a request, tag and judge', LIGHT, FORGET, leanLoad());
if (ONLY.includes('balance')) {
  const spans = await balancedSpans();
  for (const connections of [4, 64]) await balance(connections, spans);
}
const sink = await startSink();
if (ONLY.includes('heavy'))
  // A queue that fills would be worked off while the other one is measured; 32 connections are shared out at once. What
  // is compressed is compressed on threads of its own, so that one worker would be at work on two cores.
  await compare(
    'Throughput: JSON over HTTP, 512 spans a request, every span redacted and tagged, forwarded over gRPC',
    HEAVY,
    `otlp: {endpoint: "127.0.0.1:${sink}", tls: {insecure: true}, compression: none, sending_queue: {queue_size: 16, block_timeout: 60s}}`,
    {
      make: ({ http }, effort) => jsonClient(http, effort),
      bodies: requests(512).map(asJson),
      clients: 32,
      streams: 1,
    },
  );
process.exitCode = 0;

interface Measured {
  readonly cpuMicrosPerSpan: number;
  readonly spansPerSecond: number;
  readonly cores: number;
  readonly loadCores: number;
}

async function compare(title: string, work: Work, exporter: string, load: Load): Promise<void> {
  const servers = [await Server.start(1, work, exporter), await Server.start(2, work, exporter)];
  const measured: Measured[][] = servers.map(() => []);
  // The first round warms up, and lets connections find their places.
  for (let round = -1; round < ROUNDS; round++) {
    for (const [i, server] of servers.entries()) {
      const one = await measure(server, load);
      if (round >= 0) measured[i]?.push(one);
    }
  }
  const peaks = await Promise.all(servers.map(async (server) => (await server.read()).rssBytes));
  await Promise.all(servers.map((server) => server.stop()));
  process.stdout.write(`\n${title}\n`);
  for (const [i, runs] of measured.entries()) {
    const [cpu, rate] = [runs.map((run) => run.cpuMicrosPerSpan), runs.map((run) => run.spansPerSecond)];
    const cores = runs.map((run) => run.cores);
    const loads = runs.map((run) => run.loadCores);
    process.stdout.write(
      `  ${i + 1} worker${i === 0 ? ' ' : 's'}  ${shown(cpu, 3)} µs of CPU per span, ${shown(rate, 0)} spans/s on ${median(cores).toFixed(2)} cores (load generator ${median(loads).toFixed(2)}), ${Math.round((peaks[i] as number) / 1024 ** 2)} MiB\n`,
    );
  }
  const ratio = (of: (run: Measured) => number) =>
    (measured[1] as Measured[]).map((run, i) => of(run) / of(measured[0]?.[i] as Measured));
  process.stdout.write(
    `  two to one: CPU per span ${shown(
      ratio((run) => run.cpuMicrosPerSpan),
      2,
    )}, throughput ${shown(
      ratio((run) => run.spansPerSecond),
      2,
    )}\n`,
  );
}

async function measure(server: Server, { make, bodies, clients: count, streams }: Load): Promise<Measured> {
  const effort = { requests: 0, retries: 0, connections: 0 };
  const clients = Array.from({ length: count }, () => make(server, effort));
  // So that connections are where they stay.
  await keepSending(clients, bodies, streams, 2);
  const before = await server.read();
  const cpu = process.cpuUsage();
  const started = performance.now();
  await keepSending(clients, bodies, streams, SECONDS);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const after = await server.read();
  for (const client of clients) client.close();
  const spans = after.items - before.items;
  const cpuSeconds = after.cpuSeconds - before.cpuSeconds;
  return {
    cpuMicrosPerSpan: (cpuSeconds / spans) * 1e6,
    spansPerSecond: spans / seconds,
    cores: cpuSeconds / seconds,
    loadCores: (user + system) / 1e6 / seconds,
  };
}

function leanLoad(): Load {
  return {
    make: ({ grpc }, effort) => leanGrpcClient(grpc, effort),
    bodies: requests(512).map(framed),
    clients: 8,
    streams: 2,
  };
}

/** Spans a second that keep two workers as busy as they should be, by what a span costs one thread here and now. */
async function balancedSpans(): Promise<number> {
  const server = await Server.start(1, LIGHT, FORGET);
  const { cpuMicrosPerSpan } = await measure(server, leanLoad());
  await server.stop();
  return Math.min((BALANCE_CORES / cpuMicrosPerSpan) * 1e6, BALANCE_SPANS_MAX);
}

async function balance(connections: number, spans: number): Promise<void> {
  const server = await Server.start(2, LIGHT, FORGET);
  const effort = { requests: 0, retries: 0, connections: 0 };
  const clients = Array.from({ length: connections }, () => grpcClient(server.grpc, effort));
  const perSecond = spans / 512 / connections;
  const sending = sendAtRate(clients, requests(512).map(framed), perSecond, BALANCE_SECONDS);
  const readings: Reading[] = [await server.read()];
  for (let second = 1; second < BALANCE_SECONDS; second++) {
    await sleep(1000);
    readings.push(await server.read());
  }
  await sending;
  for (const client of clients) client.close();
  const last = readings.at(-1) as Reading;
  await server.stop();
  const spreads = readings.slice(1).map((reading, i) => spreadOf(readings[i] as Reading, reading));
  const settled = spreadOf(readings.at(-1 - BALANCE_LAST) as Reading, last);
  process.stdout.write(
    `\nBalance: ${connections} connections, 2 workers, ${(spans / 1e6).toFixed(2)} million spans/s\n  spread second by second, in %: ${spreads.map(percent).join(' ')}\n  over the last ${BALANCE_LAST} s: ${percent(settled)} %; ${last.shed} connections shed, ${effort.connections - connections} reconnections, ${effort.retries} requests sent again of ${effort.requests}\n`,
  );
}

/** How far the one with the most is from the one with the least, as a share of the mean. */
function spreadOf(before: Reading, after: Reading): number {
  const items = after.workers.map((now, i) => now - (before.workers[i] ?? 0));
  const mean = items.reduce((sum, one) => sum + one, 0) / items.length;
  return mean === 0 ? 0 : (Math.max(...items) - Math.min(...items)) / mean;
}

function requests(spans: number): Uint8Array[] {
  return Array.from({ length: 8 }, (_, i) => traceRequest(spans, `1.${i % 2}`, `pod-${i}`, Date.now()));
}

function framed(body: Uint8Array): Buffer {
  const frame = Buffer.alloc(body.length + 5);
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, 5);
  return frame;
}

/** OTLP/JSON has ids in hexadecimal. */
function asJson(body: Uint8Array): Buffer {
  const type = requestType('traces');
  const message = type.toObject(type.decode(body), { longs: String, bytes: Array });
  const hex = new Set(['traceId', 'spanId', 'parentSpanId']);
  const text = JSON.stringify(message, (key, value) =>
    hex.has(key) ? Buffer.from(value as number[]).toString('hex') : value,
  );
  return Buffer.from(text);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] as number;
}

function shown(numbers: readonly number[], digits: number): string {
  const sorted = numbers.toSorted((a, b) => a - b);
  const [low, high] = [sorted[0] as number, sorted.at(-1) as number];
  return `${median(numbers).toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}

function percent(share: number): string {
  return (share * 100).toFixed(0);
}
