/** One system in one mode: what it does before, in and after an overload. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Asked } from '../load/asked.ts';
import { freePort } from '../load/free-port.ts';
import type { SinkAnswer } from '../load/sink-process.ts';
import { usageOf } from '../peers/process-usage.ts';
import { pinLoad } from '../peers/under-test.ts';
import { type Tally, together } from './answers.ts';
import { confine, type Confinement } from './confined.ts';
import type { Mode } from './modes.ts';
import { ITEMS, type Offer } from './sender-process.ts';
import { launchOf, type Name } from './systems.ts';

export interface Plan {
  readonly name: Name;
  readonly mode: Mode;
  readonly seconds: number;
  /** What the sink takes, spans a second. */
  readonly sinkRate: number;
  readonly times: number;
  readonly connections: number;
  readonly limitMib: number;
  readonly folder: string;
  readonly isPinned: boolean;
  readonly say: (line: string) => void;
}

/** A process at rest. */
export interface Rest {
  readonly rssBytes: number;
  readonly fds: number;
  readonly threads: number;
}

export interface Run {
  readonly name: Name;
  readonly mode: Mode;
  readonly seconds: number;
  /** What came out under a load that it could take, spans a second. */
  readonly sustainable: number;
  readonly isConfined: boolean;
  readonly overload: Tally;
  readonly peakRssBytes: number;
  readonly cpuSeconds: number;
  /** Spans that were taken over all of the run, and those that came out. */
  readonly takenItems: number;
  readonly receivedItems: number;
  readonly before: Rest;
  readonly after: Rest;
  /** After how many seconds it was as before; undefined where it was not. */
  readonly restSeconds?: number;
  readonly usualBefore: Tally;
  readonly usualAfter: Tally;
  readonly usualSeconds: number;
  /** How it ended, where it did not live to see the end. */
  readonly died?: string;
}

const SENDERS = 2;
const READY_MS_MAX = 30_000;
const STOP_MS_MAX = 20_000;
/** A usual load, of what can be sustained. */
const USUAL_SHARE = 0.5;
const USUAL_CONNECTIONS = 8;
/** The load of the stretch in which is measured what can be sustained, of what the sink takes. */
const SEARCHING = 1.5;
const SAMPLE_MS = 100;
/** How long the kernel may take to see that the last process of a group is gone. */
const END_SEEN_MS = 300;
/** How long it may take to be as before once the overload has ended, and for how long it is looked at in any case. */
const REST_SECONDS_MAX = 60;
const REST_SECONDS_MIN = 10;
/** What counts as before: memory breathes, and a log may have been opened anew. */
const RSS_MORE_SHARE = 0.25;
const FDS_MORE_MAX = 4;

export async function runOf(plan: Plan): Promise<Run> {
  const rig = await Rig.start(plan);
  try {
    return await measured(rig, plan);
  } finally {
    await rig.stop();
  }
}

async function measured(rig: Rig, plan: Plan): Promise<Run> {
  const { name, mode, seconds, sinkRate, times, connections } = plan;
  const usualSeconds = Math.min(4, seconds);
  const tallies: Tally[] = [];
  const offer = async (rate: number, forSeconds: number, over: number): Promise<Tally> => {
    const tally = await rig.offer(rate, forSeconds, over);
    tallies.push(tally);
    return tally;
  };
  const from = await rig.received();
  await offer(sinkRate * SEARCHING, usualSeconds, USUAL_CONNECTIONS);
  const sustainable = Math.min(sinkRate, rateOf(from, await rig.received(), usualSeconds));
  const usual = (): Promise<Tally> => offer(sustainable * USUAL_SHARE, usualSeconds, USUAL_CONNECTIONS);
  await rig.quiet();
  const usualBefore = await usual();
  await rig.quiet();
  const before = rig.rest();
  const cpuBefore = rig.cpuSeconds();
  const overload = await offer(sustainable * times, seconds, connections);
  const cpuSeconds = rig.cpuSeconds() - cpuBefore;
  const { after, restSeconds } = await rested(rig, before);
  const usualAfter = await usual();
  const received = await rig.quiet();
  const takenItems = tallies.reduce((sum, { taken }) => sum + taken, 0) * ITEMS;
  return {
    name,
    mode,
    seconds,
    sustainable,
    isConfined: rig.isConfined,
    overload,
    peakRssBytes: rig.peakRssBytes,
    cpuSeconds,
    takenItems,
    receivedItems: received.items,
    before,
    after,
    ...(restSeconds !== undefined && { restSeconds }),
    usualBefore,
    usualAfter,
    usualSeconds,
    ...(rig.death !== undefined && { died: rig.death }),
  };
}

/** Looks at it until it is as before, or there is no more time. */
async function rested(rig: Rig, before: Rest): Promise<{ after: Rest; restSeconds?: number }> {
  for (let seconds = 1; seconds <= REST_SECONDS_MAX && rig.death === undefined; seconds++) {
    await sleep(1000);
    const after = rig.rest();
    if (seconds >= REST_SECONDS_MIN && isAsBefore(before, after)) return { after, restSeconds: seconds };
  }
  return { after: rig.rest() };
}

function isAsBefore(before: Rest, after: Rest): boolean {
  return after.rssBytes <= before.rssBytes * (1 + RSS_MORE_SHARE) && after.fds <= before.fds + FDS_MORE_MAX;
}

function rateOf(from: SinkAnswer, to: SinkAnswer, seconds: number): number {
  return (to.items - from.items) / seconds;
}

/** Senders, the system under test in its confinement, and the sink. */
class Rig {
  readonly #plan: Plan;
  readonly #port: number;
  readonly #sink: Asked;
  readonly #senders: readonly Asked[];
  readonly #confinement: Confinement | undefined;
  readonly #child: ChildProcess;
  #sampling: NodeJS.Timeout;
  #lastRest: Rest = { rssBytes: 0, fds: 0, threads: 0 };
  #lastCpu = 0;
  #hasTold = false;
  peakRssBytes = 0;
  death: string | undefined;

  private constructor(plan: Plan, port: number, sink: Asked, sinkPort: number) {
    this.#plan = plan;
    this.#port = port;
    this.#sink = sink;
    this.#senders = Array.from({ length: SENDERS }, () => new Asked(join(import.meta.dirname, 'sender-process.ts')));
    for (const { pid } of [sink, ...this.#senders]) pinLoad(pid, plan.isPinned);
    this.#confinement = confine(plan.limitMib * 1024 ** 2);
    this.#child = this.#launch(sinkPort);
    const startMs = performance.now();
    this.#child.once('exit', (code, signal) => {
      const after = `${((performance.now() - startMs) / 1000).toFixed(0)} s`;
      const isKilled = (this.#confinement?.killed() ?? 0) > 0;
      this.death = `${isKilled ? 'killed for its memory' : `exit ${code ?? signal}`} after ${after}`;
    });
    this.#sampling = setInterval(() => this.#sample(), SAMPLE_MS);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, this.#cut);
  }

  static async start(plan: Plan): Promise<Rig> {
    mkdirSync(plan.folder, { recursive: true });
    const sink = new Asked(join(import.meta.dirname, '../load/sink-process.ts'));
    const { grpc } = await sink.ask<{ grpc: number }>('start');
    await sink.ask({ itemsPerSecond: plan.sinkRate });
    const rig = new Rig(plan, await freePort(), sink, grpc);
    await rig.#ready();
    return rig;
  }

  get isConfined(): boolean {
    return this.#confinement !== undefined;
  }

  /** Offers spans at a rate from all senders at once. */
  async offer(itemRate: number, seconds: number, connections: number): Promise<Tally> {
    const { mode } = this.#plan;
    const offer: Offer = {
      ...mode,
      port: this.#port,
      connections: Math.ceil(connections / SENDERS),
      rate: itemRate / ITEMS / SENDERS,
      seconds,
    };
    return together(await Promise.all(this.#senders.map((sender) => sender.ask<Tally>(offer))));
  }

  async received(): Promise<SinkAnswer> {
    const received = await this.#sink.ask<SinkAnswer>('received');
    // A system that gives up a request in the middle of it: what is missing then shows in what came out.
    if (received.trouble !== undefined && !this.#hasTold) this.#plan.say(`the sink: ${received.trouble}`);
    this.#hasTold ||= received.trouble !== undefined;
    return received;
  }

  /** What has come out when nothing has for a second. */
  async quiet(): Promise<SinkAnswer> {
    for (let last = -1; ; ) {
      const received = await this.received();
      if (received.items === last) return received;
      last = received.items;
      await sleep(1000);
    }
  }

  /** What it holds now; the last that was seen where it is gone. */
  rest(): Rest {
    this.#sample();
    return this.#lastRest;
  }

  cpuSeconds(): number {
    this.#sample();
    return this.#lastCpu;
  }

  async stop(): Promise<void> {
    clearInterval(this.#sampling);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, this.#cut);
    await Promise.all([this.#sink.stop(), ...this.#senders.map((sender) => sender.stop())]);
    if (this.death === undefined) {
      const exit = new Promise<void>((resolve) => {
        this.#child.once('exit', () => resolve());
      });
      this.#child.kill('SIGTERM');
      const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX);
      await exit;
      clearTimeout(late);
    }
    // The kernel takes a moment to see that the last process is gone.
    await sleep(END_SEEN_MS);
    this.#confinement?.remove();
  }

  /** Senders and sink end with this process by themselves. */
  readonly #cut = (signal: NodeJS.Signals): void => {
    this.#child.kill('SIGKILL');
    // The group stays where the kernel has not seen the end of it yet; it is empty, and holds nobody.
    setTimeout(() => {
      this.#confinement?.remove();
      process.kill(process.pid, signal);
    }, END_SEEN_MS);
  };

  #launch(sinkPort: number): ChildProcess {
    const { name, mode, folder, limitMib, isPinned } = this.#plan;
    const isConfined = this.#confinement !== undefined;
    const setting = { mode, port: this.#port, sinkPort, folder, limitMib, isConfined };
    const { command, args, env, files } = launchOf(name, setting);
    for (const [path, text] of Object.entries(files)) writeFileSync(path, text);
    const pinned: [string, readonly string[]] = isPinned ? ['taskset', ['-c', '0', command, ...args]] : [command, args];
    const [program, given] = this.#confinement?.within(...pinned) ?? pinned;
    const output = openSync(join(folder, `${name}.output`), 'w');
    const stdio = ['ignore', output, output] as const;
    const child = spawn(program, given, { stdio: [...stdio], env: { ...process.env, ...env } });
    closeSync(output);
    return child;
  }

  async #ready(): Promise<void> {
    const until = performance.now() + READY_MS_MAX;
    while (!(await accepts(this.#port))) {
      if (this.death !== undefined || performance.now() > until) {
        const { name, folder } = this.#plan;
        const said = readFileSync(join(folder, `${name}.output`), 'utf8')
          .trim()
          .split('\n')
          .slice(-8)
          .join('\n');
        await this.stop();
        throw new Error(`${name} does not listen (${this.death ?? 'it runs'}):\n${said}`);
      }
      await sleep(50);
    }
  }

  #sample(): void {
    if (this.death !== undefined) return;
    const pid = this.#child.pid as number;
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const figure = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
      this.peakRssBytes = Math.max(this.peakRssBytes, figure('VmHWM') * 1024);
      const fds = readdirSync(`/proc/${pid}/fd`).length;
      this.#lastRest = { rssBytes: figure('VmRSS') * 1024, fds, threads: figure('Threads') };
      this.#lastCpu = usageOf(pid).cpuSeconds;
    } catch {
      // It has just ended, which is told elsewhere.
    }
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
