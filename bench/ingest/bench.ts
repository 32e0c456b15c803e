/**
 * Spans per CPU-second of the server for OTLP gRPC -> deployment -> health, beside the same path with full decoding.
 * The load comes from this process; both servers get the same bytes, in turn, A B A B.
 */
import { join } from 'node:path';
import { number, scriptOptions, whole } from '../script.ts';
import { type ServerUnderTest, startServer } from '../load/child.ts';
import { sendAll } from '../load/grpc-load.ts';
import { traceRequest } from '../load/requests.ts';

const HELP = `Spans per CPU-second, received and folded without decoding, beside the same path with full decoding.

usage: npm run bench:ingest -- [options]

  --rounds N   rounds of each server, in turn (5)
  --seconds N  how long a measured stretch should take (3)
  --help       this

example: npm run bench:ingest -- --rounds 9 --seconds 2
`;
const { rounds: ROUNDS, seconds: SECONDS } = scriptOptions('bench:ingest', HELP, {
  rounds: whole(5),
  seconds: number(3),
});
const SIZES = [512, 8192];
const SERVERS = { windback: 'windback-server.ts', decoding: 'decoding-server.ts' } as const;
type Name = keyof typeof SERVERS;

interface Measured {
  readonly spansPerCpuSecond: number;
  readonly loadCpuShare: number;
}

for (const size of SIZES) await compare(size);

async function compare(size: number): Promise<void> {
  const servers = {
    windback: await start('windback'),
    decoding: await start('decoding'),
  };
  const measured: Record<Name, Measured[]> = { windback: [], decoding: [] };
  const totals = {
    windback: await calibrate(servers.windback, size),
    decoding: await calibrate(servers.decoding, size),
  };
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of ['windback', 'decoding'] as const) {
      measured[name].push(await measure(servers[name], size, totals[name]));
    }
  }
  const peaks = {
    windback: (await servers.windback.usage()).peakRssBytes,
    decoding: (await servers.decoding.usage()).peakRssBytes,
  };
  await Promise.all([servers.windback.stop(), servers.decoding.stop()]);
  print(size, measured, peaks);
}

function start(name: Name): Promise<ServerUnderTest> {
  return startServer(join(import.meta.dirname, SERVERS[name]), []);
}

/** Warms the server up and finds how many requests fill the measured stretch. */
async function calibrate(server: ServerUnderTest, size: number): Promise<number> {
  let total = 4;
  for (;;) {
    const before = performance.now();
    await sendAll(load(server.port, size, total));
    const took = (performance.now() - before) / 1000;
    if (took > 1) return Math.max(4, Math.round((total / took) * SECONDS));
    total *= 2;
  }
}

async function measure(server: ServerUnderTest, size: number, total: number): Promise<Measured> {
  const before = await server.usage();
  const loadBefore = process.cpuUsage();
  const startedMs = performance.now();
  await sendAll(load(server.port, size, total));
  const wallSeconds = (performance.now() - startedMs) / 1000;
  const loadCpu = process.cpuUsage(loadBefore);
  const after = await server.usage();
  const spans = after.items - before.items;
  if (spans !== total * size) throw new Error(`${total * size} spans were sent and ${spans} arrived`);
  return {
    spansPerCpuSecond: spans / (after.cpuSeconds - before.cpuSeconds),
    loadCpuShare: (loadCpu.user + loadCpu.system) / 1e6 / wallSeconds,
  };
}

function load(port: number, size: number, total: number) {
  const requests = Array.from({ length: 4 }, (_, i) => traceRequest(size, `1.${i % 2}`, `pod-${i}`, Date.now()));
  return { port, requests, connections: 4, streams: 2, total };
}

function print(size: number, measured: Record<Name, Measured[]>, peaks: Record<Name, number>): void {
  const bytes = Math.round(traceRequest(size, '1.0', 'pod-0', Date.now()).length / size);
  process.stdout.write(`\n${size} spans of ${bytes} bytes a request, ${ROUNDS} rounds\n`);
  for (const name of ['windback', 'decoding'] as const) {
    const rates = sorted(measured[name].map(({ spansPerCpuSecond }) => spansPerCpuSecond));
    const shares = sorted(measured[name].map(({ loadCpuShare }) => loadCpuShare));
    process.stdout.write(
      `  ${name.padEnd(10)} ${million(median(rates))} M spans per CPU-second (${million(rates[0])} to ${million(rates.at(-1))}), peak RSS ${Math.round(peaks[name] / 1024 ** 2)} MiB, load generator at ${Math.round(median(shares) * 100)} % of a core\n`,
    );
  }
  const ratios = sorted(
    measured.windback.map((one, i) => one.spansPerCpuSecond / (measured.decoding[i] as Measured).spansPerCpuSecond),
  );
  process.stdout.write(
    `  ratio      ${median(ratios).toFixed(1)} (pair by pair, ${ratios[0]?.toFixed(1)} to ${ratios.at(-1)?.toFixed(1)})\n`,
  );
}

function sorted(numbers: readonly number[]): number[] {
  return numbers.toSorted((a, b) => a - b);
}

function median(numbers: readonly number[]): number {
  return numbers[Math.floor(numbers.length / 2)] as number;
}

function million(rate: number | undefined): string {
  return ((rate ?? 0) / 1e6).toFixed(3);
}
