/** `npm run bench:soak`: one Windback under a steady load for a long time. `--help` tells what it can do. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { keep, tell } from '../findings.ts';
import { number, flag, saved, scriptOptions, text } from '../script.ts';
import { Asked } from '../load/asked.ts';
import { freePort } from '../load/free-port.ts';
import { measuredWhere } from '../load/machine.ts';
import type { SinkAnswer } from '../load/sink-process.ts';
import { usageOf } from '../peers/process-usage.ts';
import { decisionsLine, findingsOf, findingsTable, type Sample, type Soak, tableOf } from './report.ts';
import type { SenderQuestion, SenderState } from './sender-process.ts';
import { SoakedWindback } from './windback.ts';

const HELP = `Runs one Windback under a steady load: it tags, judges and forwards, with a queue on disk, while versions roll over
and every third of them is bad. Shows whether memory, handles and files stay as they are. Linux only.

usage: npm run bench:soak -- [options]

  --minutes N      how long (60)
  --rate N         spans a second (10000)
  --json FILE      writes all figures
  --from FILE      measures nothing, but takes what --json wrote
  --write          writes the tables into docs/performance.md
  --help           this

examples:
  npm run bench:soak
  npm run bench:soak -- --minutes 10 --rate 20000

The exit code is 1 where something does not hold. What Windback itself says is printed where it fails.
`;

const SAMPLE_MS = 10_000;
/** A run has at least so many samples. */
const SAMPLES_MIN = 60;
/** How long what is left in the queue may take to come out. */
const DRAIN_MS_MAX = 30_000;
/** New versions of each service over a run. */
const GENERATIONS = 12;
const CANARY_SHARE = 0.4;
/** Now and then the sink stands still for a while, so that the queue has something to hold. */
const STALL_EVERY_SAMPLES = 60;
const STALL_MS = 3000;

const { minutes, rate, json, from, write } = scriptOptions('bench:soak', HELP, {
  minutes: number(60),
  rate: number(10_000),
  json: text(),
  from: saved<Soak>('samples'),
  write: flag,
});

const soak = from ?? (await measured(minutes, rate));
keep(soak, json);
tell({ table: 'soak', text: textOf(soak), findings: findingsOf(soak), isWriting: write });

function textOf(soak: Soak): string {
  const how = `${soak.minutes} minutes at ${soak.rate} spans a second; decided meanwhile: ${decisionsLine(soak)}.`;
  return `${soak.where}.\n${how}\n\n${tableOf(soak)}\n\n${findingsTable(findingsOf(soak))}`;
}

async function measured(minutes: number, rate: number): Promise<Soak> {
  const folder = mkdtempSync(join(tmpdir(), 'windback-soak-'));
  const load = join(import.meta.dirname, '../load');
  const sink = new Asked(join(load, 'sink-process.ts'));
  const sender = new Asked(join(import.meta.dirname, 'sender-process.ts'));
  const { grpc: sinkPort } = await sink.ask<{ grpc: number }>('start');
  const [grpcPort, httpPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
  const windback = new SoakedWindback({ grpcPort, httpPort, metricsPort, sinkPort, folder });
  // Those that send and take end with this process by themselves.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.kill(windback.pid, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true });
      process.kill(process.pid, signal);
    });
  }
  try {
    await windback.ready();
    const everyMs = (minutes * 60_000) / GENERATIONS;
    const pace = { everyMs, canaryMs: everyMs * CANARY_SHARE };
    const start = { grpcPort, httpPort, rate, pace };
    await sender.ask({ start } satisfies SenderQuestion);
    const samples = await sampled(windback, sender, sink.pid, minutes * 60_000);
    const sent = await sender.ask<SenderState>('stop' satisfies SenderQuestion);
    const receivedItems = await drained(sink, sent.acceptedItems);
    const exitCode = await windback.stop();
    const { acceptedItems, refused, refusal } = sent;
    return {
      where: measuredWhere(),
      minutes,
      rate,
      samples,
      acceptedItems,
      receivedItems,
      refused,
      ...(refusal !== undefined && { refusal }),
      decisions: decisionsIn(join(folder, 'decisions.jsonl')),
      exitCode,
    };
  } catch (thrown) {
    process.stderr.write(`${windback.said}\n`);
    throw thrown;
  } finally {
    await Promise.all([sender.stop(), sink.stop(), windback.stop()]);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function sampled(windback: SoakedWindback, sender: Asked, sinkPid: number, forMs: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  const startedMs = performance.now();
  const stepMs = Math.min(SAMPLE_MS, forMs / SAMPLES_MIN);
  await windback.inside();
  for (let dueMs = startedMs + stepMs; dueMs <= startedMs + forMs + 1; dueMs += stepMs) {
    await sleep(Math.max(0, dueMs - performance.now()));
    const state = await sender.ask<SenderState>('state' satisfies SenderQuestion);
    const { acceptedItems, refused, p99Ms } = state;
    // Whoever looks at its metrics makes it write them out.
    await windback.metric('windback_process_memory_rss_bytes');
    const sample = {
      ...(await windback.inside()),
      ...outsideOf(windback.pid),
      seconds: (performance.now() - startedMs) / 1000,
      acceptedItems,
      refused,
      answerP99Ms: p99Ms,
    };
    samples.push(sample);
    say(sample);
    if (samples.length % STALL_EVERY_SAMPLES === STALL_EVERY_SAMPLES / 2) await stall(sinkPid);
  }
  return samples;
}

async function stall(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await sleep(STALL_MS);
  process.kill(pid, 'SIGCONT');
}

function outsideOf(pid: number): { rssBytes: number; fds: number; cpuSeconds: number } {
  const [, kib = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  const { cpuSeconds } = usageOf(pid);
  return { rssBytes: Number(kib) * 1024, fds: readdirSync(`/proc/${pid}/fd`).length, cpuSeconds };
}

/** What has come out when nothing more does. */
async function drained(sink: Asked, expected: number): Promise<number> {
  const until = performance.now() + DRAIN_MS_MAX;
  for (;;) {
    const { items, trouble } = await sink.ask<SinkAnswer>('received');
    if (trouble !== undefined) throw new Error(`the sink could not read a request: ${trouble}`);
    if (items >= expected || performance.now() > until) return items;
    await sleep(200);
  }
}

/** How many of each kind were written. */
function decisionsIn(path: string): Record<string, number> {
  const counts: Record<string, number> = {};
  if (!existsSync(path)) return counts;
  for (const line of readFileSync(path, 'utf8').split('\n').filter(Boolean)) {
    const { data } = JSON.parse(line) as { data: { decision: string } };
    counts[data.decision] = (counts[data.decision] ?? 0) + 1;
  }
  return counts;
}

function say({ seconds, rssBytes, heapUsedBytes, handles, fds, loopP99Ms, refused }: Sample): void {
  const mib = (bytes: number): string => (bytes / 1024 ** 2).toFixed(1);
  process.stderr.write(
    `${seconds.toFixed(0).padStart(5)} s  RSS ${mib(rssBytes)} MiB, heap ${mib(heapUsedBytes)} MiB, ${handles} handles, ${fds} files, loop ${loopP99Ms.toFixed(0)} ms, ${refused} refused\n`,
  );
}
