/** The two ways to run a broker: from its published jars with Java, or as a container. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const pomFile = join(import.meta.dirname, 'pom.xml');
const cacheFolder = join(import.meta.dirname, '../../node_modules/.cache/windback-kafka');
const oldestJava = 17;
const gracefulStopMs = 15_000;
// Any valid id does: a base64 UUID of 22 characters.
const clusterId = 'd2luZGJhY2stZGV2LWthZg';

export type Progress = (line: string) => void;

/** One broker process whose data outlives it until `remove`. All waits are for the process, not for its readiness. */
export interface Engine {
  start(): Promise<void>;
  /** `stop` lets the broker flush and leave, `kill` is a crash; both return when it is gone. */
  end(how: 'stop' | 'kill'): Promise<void>;
  /** Frozen, the broker keeps its connections and answers nothing. */
  setFrozen(frozen: boolean): Promise<void>;
  isRunning(): Promise<boolean>;
  /** The last lines that the broker logged. */
  logTail(): Promise<string>;
  remove(): Promise<void>;
}

export interface EngineOptions {
  readonly port: number;
  readonly controllerPort: number;
  readonly settings: Readonly<Record<string, string>>;
  /** More listeners, by the name of their security protocol, each with its port. */
  readonly listeners: Readonly<Record<string, number>>;
  /** What `format` is told besides, such as users of SCRAM. */
  readonly formatArgs: readonly string[];
  readonly progress: Progress;
}

/** Prefers Java, falls back to Docker, and otherwise says what to install. */
export async function chooseEngine(options: EngineOptions): Promise<Engine> {
  const java = await findJava();
  const missing = java === undefined ? `Java ${oldestJava} or newer` : (await hasJarsOrMaven()) ? undefined : 'Maven';
  if (java !== undefined && missing === undefined) return createJavaEngine(java, options);
  if (await answers('docker', ['info'])) return createDockerEngine(options);
  throw new Error(
    `cannot run Kafka: ${missing} was not found, and no Docker engine answers. Do one of these:\n` +
      '  Debian, Ubuntu: sudo apt-get install openjdk-17-jre-headless maven\n' +
      '  macOS:          brew install openjdk@17 maven\n' +
      '  Docker:         start it and try again\n' +
      '  a Kafka of your own: set KAFKA_BROKERS=host:9092',
  );
}

async function createJavaEngine(java: string, options: EngineOptions): Promise<Engine> {
  const jars = await resolveJars(options.progress);
  const folder = await mkdtemp(join(tmpdir(), 'windback-kafka-'));
  const logFile = join(folder, 'kafka.log');
  const settingsFile = join(folder, 'server.properties');
  const loggingFile = join(folder, 'log4j2.properties');
  const consoleFile = join(folder, 'console.log');
  const jvm = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', `-Dlog4j2.configurationFile=${loggingFile}`];
  const command = [...jvm, '-cp', join(jars, '*')];
  const guard = startGuard('kill -9 $last 2>/dev/null; sleep 0.3; rm -rf "$1"', folder);
  let child: ChildProcess | undefined;
  let gone: Promise<void> = Promise.resolve();

  const remove = async () => {
    guard.stdin?.end();
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  try {
    await writeFile(settingsFile, toProperties(nodeSettings(options, '127.0.0.1', join(folder, 'data'))));
    await writeFile(loggingFile, toProperties(loggingSettings(logFile)));
    await run(java, [
      ...command,
      'kafka.tools.StorageTool',
      'format',
      '-c',
      settingsFile,
      '-t',
      clusterId,
      ...options.formatArgs,
    ]);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    async start() {
      const output = openSync(consoleFile, 'a');
      // A group of its own: Ctrl-C in a terminal reaches us, and we stop the broker in order.
      child = spawn(java, [...command, 'kafka.Kafka', settingsFile], {
        detached: true,
        stdio: ['ignore', output, output],
      });
      const started = child;
      gone = new Promise((resolve) => started.once('close', () => resolve()));
      await new Promise((resolve, reject) => started.once('spawn', resolve).once('error', reject));
      guard.stdin?.write(`${started.pid}\n`);
    },
    async end(how) {
      const timer = setTimeout(() => child?.kill('SIGKILL'), how === 'kill' ? 0 : gracefulStopMs);
      child?.kill(how === 'kill' ? 'SIGKILL' : 'SIGTERM');
      await gone;
      clearTimeout(timer);
      child = undefined;
      guard.stdin?.write('\n');
    },
    async setFrozen(frozen) {
      child?.kill(frozen ? 'SIGSTOP' : 'SIGCONT');
      if (frozen && child?.pid !== undefined) await untilHalted(child.pid);
    },
    async isRunning() {
      return child !== undefined && child.exitCode === null && child.signalCode === null;
    },
    async logTail() {
      const files = [consoleFile, logFile].filter((file) => existsSync(file));
      return lastLines((await Promise.all(files.map((file) => readFile(file, 'utf8')))).join(''));
    },
    remove,
  };
}

/** A thread that runs halts when it looks for signals: until then it may answer. Only Linux tells of each. */
async function untilHalted(pid: number): Promise<void> {
  const threads = `/proc/${pid}/task`;
  if (!existsSync(threads)) return;
  const isHalted = async (thread: string): Promise<boolean> => {
    const stat = await readFile(`${threads}/${thread}/stat`, 'utf8').catch(() => ') T');
    // Or it has ended.
    return /^[TXZ]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  };
  for (;;) {
    const halted = await Promise.all((await readdir(threads).catch(() => [])).map(isHalted));
    if (halted.every(Boolean)) return;
    await sleep(1);
  }
}

/** Waits beside us and cleans up when this process ends in whatever way; what is written to it ends up in `$last`. */
function startGuard(cleanUp: string, argument: string): ChildProcess {
  const script = `last=; while read -r line; do last=$line; done; ${cleanUp}`;
  const guard = spawn('sh', ['-c', script, 'guard', argument], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  guard.stdin?.on('error', () => {}); // The guard is gone: there is nothing left to tell it.
  guard.unref();
  (guard.stdin as unknown as { unref(): void }).unref();
  return guard;
}

/** Returns the folder with the jars that pom.xml names. Maven runs only when pom.xml has changed. */
async function resolveJars(progress: Progress): Promise<string> {
  const folder = jarsFolder();
  if (existsSync(folder)) return folder;
  progress('resolving jars of Apache Kafka with Maven (about 45 MB, only once) ...');
  await mkdir(cacheFolder, { recursive: true });
  const fresh = await mkdtemp(join(cacheFolder, 'resolving-'));
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${fresh}`];
  try {
    await run('mvn', ['-q', '-B', '-f', pomFile, ...goal], { maxBuffer: 1 << 24 });
    // A rename is atomic: of two processes that resolve at once, the second finds the folder and uses it.
    await rename(fresh, folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
  } catch (error) {
    const output = (error as { stdout?: string }).stdout ?? '';
    throw new Error(
      `Maven could not resolve the jars of Kafka (network, proxy, ~/.m2/settings.xml?)\n${output}`.trim(),
      {
        cause: error,
      },
    );
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  return folder;
}

function jarsFolder(): string {
  return join(cacheFolder, createHash('sha256').update(readFileSync(pomFile)).digest('hex').slice(0, 16));
}

async function hasJarsOrMaven(): Promise<boolean> {
  return existsSync(jarsFolder()) || (await answers('mvn', ['-v']));
}

async function findJava(): Promise<string | undefined> {
  const home = process.env['JAVA_HOME'];
  for (const java of home ? [join(home, 'bin/java'), 'java'] : ['java']) {
    const version = await run(java, ['-version']).then(
      (o) => /version "(\d+)/.exec(o.stderr)?.[1],
      () => undefined,
    );
    if (Number(version) >= oldestJava) return java;
  }
  return undefined;
}

function answers(command: string, args: readonly string[]): Promise<boolean> {
  return run(command, args, { timeout: 15_000 }).then(
    () => true,
    () => false,
  );
}

async function createDockerEngine(options: EngineOptions): Promise<Engine> {
  const version = /<artifactId>kafka_[\d.]+<\/artifactId>\s*<version>([^<]+)</.exec(readFileSync(pomFile, 'utf8'))?.[1];
  const image = `apache/kafka:${version}`;
  const name = `windback-kafka-${options.port}-${process.pid}`;
  const settings = nodeSettings(options, '0.0.0.0', '/tmp/kafka-data');
  const environment = Object.entries({ ...settings, 'heap.opts': '-Xmx512m' }).flatMap(([key, value]) => [
    '-e',
    `KAFKA_${key.replaceAll('.', '_').toUpperCase()}=${value}`,
  ]);
  const ports = ['-p', `127.0.0.1:${options.port}:${options.port}`];
  const guard = startGuard('docker rm -f "$1"', name);
  options.progress(`creating a container of ${image} (the image is pulled if it is not here yet) ...`);
  await run('docker', ['create', '--name', name, ...ports, ...environment, image]);
  const docker = async (...args: string[]) => void (await run('docker', [...args, name]));
  return {
    start: () => docker('start'),
    end: (how) => docker(how),
    setFrozen: (frozen) => docker(frozen ? 'pause' : 'unpause'),
    async isRunning() {
      const { stdout } = await run('docker', ['inspect', '-f', '{{.State.Running}}', name]);
      return stdout.trim() === 'true';
    },
    async logTail() {
      const { stdout, stderr } = await run('docker', ['logs', '--tail', '20', name]);
      return lastLines(stdout + stderr);
    },
    async remove() {
      guard.stdin?.end();
      await docker('rm', '-f');
    },
  };
}

/** One node that is broker and controller, with everything replicated once and nothing delayed. */
function nodeSettings(options: EngineOptions, bind: string, dataFolder: string): Record<string, string> {
  const { port, controllerPort } = options;
  const more = Object.entries(options.listeners);
  const moreAt = (host: string): string => more.map(([name, at]) => `,${name}://${host}:${at}`).join('');
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': `PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT${more.map(([name]) => `,${name}:${name}`).join('')}`,
    listeners: `PLAINTEXT://${bind}:${port},CONTROLLER://127.0.0.1:${controllerPort}${moreAt(bind)}`,
    'advertised.listeners': `PLAINTEXT://localhost:${port}${moreAt('localhost')}`,
    'log.dirs': dataFolder,
    'num.partitions': '1',
    'default.replication.factor': '1',
    'min.insync.replicas': '1',
    'offsets.topic.num.partitions': '1',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    // A group starts at once, and a test may use short sessions.
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    // After a crash the controller gives the node its place back when the session of its former life has ended.
    'broker.heartbeat.interval.ms': '500',
    'broker.session.timeout.ms': '3000',
    'log.cleaner.dedupe.buffer.size': String(4 << 20),
    'num.network.threads': '2',
    'num.io.threads': '2',
    ...options.settings,
  };
}

function loggingSettings(logFile: string): Record<string, string> {
  return {
    'rootLogger.level': 'info',
    'rootLogger.appenderRef.file.ref': 'file',
    'appender.file.type': 'File',
    'appender.file.name': 'file',
    'appender.file.fileName': logFile,
    'appender.file.layout.type': 'PatternLayout',
    'appender.file.layout.pattern': '%d %p %m (%c)%n',
  };
}

function toProperties(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value.replaceAll('\\', '\\\\')}\n`)
    .join('');
}

function lastLines(log: string): string {
  return log.trimEnd().split('\n').slice(-20).join('\n');
}
