import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Broker, findFreePort, startBroker } from '../../deploy/kafka/broker.ts';
import type { DecisionEvent } from '../../proto/windback/decision.ts';
import { Disk } from './disk.ts';
import type { Counted, Expected } from './ledger.ts';
import { countedIn } from './metrics.ts';
import type { Line } from './plan.ts';
import { Program } from './program.ts';
import { Proxy } from './proxy.ts';
import { Sender } from './sender.ts';
import { Sink } from './sink.ts';
import { TopicReader } from './topic.ts';

const CONFIG = join(import.meta.dirname, 'windback.yaml');
/** What reloads change; it lies beside the state. */
const CHANGES = 'changes.yaml';
const TOPIC = 'chaos-decisions';
const PARTITIONS = 3;
const ANSWER_MS = 5000;
const BROKER_ATTEMPTS = 3;

interface Parts {
  readonly folder: string;
  readonly disk: Disk;
  readonly broker: Broker;
  readonly proxies: Readonly<Record<Line, Proxy>>;
  readonly sink: Sink;
  readonly sender: Sender;
  readonly reader: TopicReader;
  readonly program: Program;
  readonly metricsPort: number;
  readonly guard: ChildProcess;
}

/** Windback and everything around it: senders, a destination, a broker, and networks in between. */
export class World {
  readonly disk: Disk;
  readonly broker: Broker;
  readonly proxies: Readonly<Record<Line, Proxy>>;
  readonly sink: Sink;
  readonly sender: Sender;
  readonly reader: TopicReader;
  readonly program: Program;
  /** Of all services so far: what was decided stays decided in later rounds. */
  readonly expected: Expected[] = [];
  /** Files of the queue whose end was torn. */
  readonly torn = new Set<string>();
  readonly #folder: string;
  readonly #metricsPort: number;
  readonly #guard: ChildProcess;
  #workers: number[] = [];
  #changes = 0;

  private constructor(parts: Parts) {
    this.disk = parts.disk;
    this.broker = parts.broker;
    this.proxies = parts.proxies;
    this.sink = parts.sink;
    this.sender = parts.sender;
    this.reader = parts.reader;
    this.program = parts.program;
    this.#folder = parts.folder;
    this.#metricsPort = parts.metricsPort;
    this.#guard = parts.guard;
  }

  static async create(): Promise<World> {
    const folder = mkdtempSync(join(tmpdir(), 'windback-chaos-'));
    const disk = new Disk(folder);
    const guard = startGuard(disk.isMounted ? disk.path : '', folder);
    const port = await freePorts();
    // The broker calls itself by the port of the proxy, so that every connection to it goes through there.
    const broker = await startBroker({
      settings: { 'advertised.listeners': `PLAINTEXT://localhost:${port.brokerProxy}` },
    });
    const sink = new Sink();
    await sink.listen(port.sink);
    await broker.createTopic(TOPIC, { partitions: PARTITIONS });
    const proxies = {
      grpc: new Proxy(port.grpcProxy, port.grpc),
      http: new Proxy(port.httpProxy, port.http),
      sink: new Proxy(port.sinkProxy, port.sink),
      broker: new Proxy(port.brokerProxy, broker.port),
    };
    for (const proxy of Object.values(proxies)) await proxy.open();
    const env = {
      GRPC_PORT: `${port.grpc}`,
      HTTP_PORT: `${port.http}`,
      SINK_PORT: `${port.sinkProxy}`,
      BROKER_PORT: `${port.brokerProxy}`,
      METRICS_PORT: `${port.metrics}`,
      HEALTH_PORT: `${port.health}`,
      TOPIC,
      STATE: join(disk.path, 'state'),
      CHAOS_CLOCK: join(folder, 'clock'),
    };
    writeFileSync(join(folder, CHANGES), changes(0));
    const program = new Program([CONFIG, join(folder, CHANGES)], env, join(folder, 'windback.log'), (pid) =>
      guard.stdin?.write(`${pid}\n`),
    );
    return new World({
      folder,
      disk,
      broker,
      proxies,
      sink,
      sender: new Sender(port.grpcProxy, port.httpProxy),
      reader: new TopicReader(broker.port, TOPIC, PARTITIONS),
      program,
      metricsPort: port.metrics,
      guard,
    });
  }

  /** The folder of the exporter's queue on disk. */
  get queueFolder(): string {
    return join(this.disk.path, 'state/queue/otlp');
  }

  /** How many workers the next processes have, one after the other. */
  setWorkers(workers: readonly number[]): void {
    this.#workers = [...workers];
  }

  start(): { readonly ready: Promise<void> } {
    return this.program.start(this.#workers.shift() ?? 1);
  }

  /** Writes another configuration, which is read at the next reload, or start. */
  changeConfig(): void {
    writeFileSync(join(this.#folder, CHANGES), changes(++this.#changes));
  }

  setClock(stepMs: number): void {
    writeFileSync(join(this.#folder, 'clock'), String(stepMs));
  }

  /** Ends everything that a fault may have left. */
  async calm(): Promise<void> {
    this.setClock(0);
    this.disk.free();
    this.sink.mode = 'takes';
    for (const proxy of Object.values(this.proxies)) {
      proxy.delay(0);
      proxy.setStuck(false);
      await proxy.open();
    }
    await this.broker.thaw();
    await this.bringUpBroker();
  }

  /** A broker that is not ready in time, on a machine that has none for it, is no fault of anybody's: it is started again. */
  async bringUpBroker(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.broker.bringUp();
      } catch (error) {
        if (attempt === BROKER_ATTEMPTS) throw error;
        await this.broker.kill();
      }
    }
  }

  /** Ends Windback, and lets it forget everything. Only when all is quiet. */
  async forget(): Promise<void> {
    await this.program.stop();
    this.torn.clear();
    rmSync(join(this.disk.path, 'state'), { recursive: true, force: true });
  }

  async counted(): Promise<Counted[]> {
    return countedIn(await this.#ask('/metrics'));
  }

  /** The page of its ledger. */
  books(): Promise<string> {
    return this.#ask('/debug/ledger');
  }

  async told(): Promise<DecisionEvent[]> {
    return (JSON.parse(await this.#ask('/api/decisions?limit=1000')) as { decisions: DecisionEvent[] }).decisions;
  }

  /** Lets go of everything; with `keptTo` the state of Windback, its log and the topic are written there. */
  async close(keptTo?: string): Promise<void> {
    await this.calm().catch(() => {});
    this.sender.close();
    await this.program.close();
    if (keptTo !== undefined) this.#keep(keptTo);
    this.reader.close();
    this.sink.close();
    for (const proxy of Object.values(this.proxies)) await proxy.close();
    await this.broker.stop();
    this.disk.close();
    rmSync(this.#folder, { recursive: true, force: true });
    this.#guard.stdin?.end();
  }

  #keep(folder: string): void {
    mkdirSync(folder, { recursive: true });
    cpSync(this.#folder, folder, { recursive: true });
    writeFileSync(join(folder, 'topic.json'), JSON.stringify(this.reader.records, undefined, 1));
  }

  async #ask(path: string): Promise<string> {
    const url = `http://127.0.0.1:${this.#metricsPort}${path}`;
    return (await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) })).text();
  }
}

/** Both exporters, or one of them, and the judge: as often as they are changed, they are made anew. */
function changes(count: number): string {
  const otlp = `  otlp: {sending_queue: {num_consumers: ${2 + (count % 4)}}}\n`;
  const kafka = `  kafka: {client_id: windback-${count >> 1}}\n`;
  const verdict = `  verdict: {state: {save_interval: ${8 + (count % 3)}s}}\n`;
  return `exporters:\n${otlp}${kafka}processors:\n${verdict}`;
}

/** Waits beside us and cleans up when we end in whatever way: the process that it was told last, the disk, the folder. */
function startGuard(mounted: string, folder: string): ChildProcess {
  const script =
    'last=; while read -r line; do last=$line; done; [ -d "$2" ] || exit 0; ' +
    'kill -9 $last 2>/dev/null; [ -n "$1" ] && umount -l "$1"; rm -rf "$2"';
  const guard = spawn('sh', ['-c', script, 'guard', mounted, folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.stdin?.on('error', () => {});
  guard.unref();
  (guard.stdin as unknown as { unref(): void }).unref();
  return guard;
}

const PORTS = [
  'grpcProxy',
  'grpc',
  'httpProxy',
  'http',
  'sinkProxy',
  'sink',
  'brokerProxy',
  'metrics',
  'health',
] as const;

async function freePorts(): Promise<Record<(typeof PORTS)[number], number>> {
  const ports = new Set<number>();
  while (ports.size < PORTS.length) ports.add(await findFreePort());
  const free = [...ports];
  return Object.fromEntries(PORTS.map((name, i) => [name, free[i]])) as Record<(typeof PORTS)[number], number>;
}
