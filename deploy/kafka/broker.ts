/**
 * A real Apache Kafka for development and tests: one node, KRaft, loopback only, data removed at the end.
 * `npm run kafka` runs this file; tests and the demo call `startBroker`.
 */
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { chooseEngine, type Engine, type Progress } from './engines.ts';
import { createTopic, fetchMetadata, type TopicOptions } from './protocol.ts';

const defaultPort = 9092;
const readyTimeoutMs = 60_000;

export interface BrokerOptions {
  /** The port to listen on; 0, the default, takes a free one. */
  readonly port?: number;
  /** Kafka settings that replace ours, such as `{'num.partitions': '4'}`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** More listeners, by the name of their security protocol (`SASL_SSL`), each with its port. Only with Java. */
  readonly listeners?: Readonly<Record<string, number>>;
  /** What formatting the storage is told besides, such as users of SCRAM. Only with Java. */
  readonly formatArgs?: readonly string[];
  /** Receives one line for each slow step. */
  readonly progress?: Progress;
}

/** A running broker. Its port and data stay the same until `stop`, which must be called. */
export interface Broker {
  /** What a client takes: `['localhost:9092']`. */
  readonly brokers: string[];
  readonly port: number;
  createTopic(name: string, options?: TopicOptions): Promise<void>;
  /** Shuts the broker down in order and keeps its data. */
  takeDown(): Promise<void>;
  /** Ends the broker at once, as a crash would, and keeps its data. */
  kill(): Promise<void>;
  /** Starts the broker again after `takeDown` or `kill`; resolves when it serves all its partitions. */
  bringUp(): Promise<void>;
  /** Lets the broker hang: connections stay open, nothing is answered until `thaw`. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  isRunning(): Promise<boolean>;
  /** The last lines of the broker's log. */
  logTail(): Promise<string>;
  /** Ends the broker and removes its data. May be called twice. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a broker and resolves when it serves requests. Rejects with an error that says what to do. */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const { port = 0, settings = {}, listeners = {}, formatArgs = [], progress = () => {} } = options;
  if (port !== 0 && !(await isFree(port))) {
    throw new Error(
      `port ${port} is in use: choose another one with --port, or, if a Kafka listens there, ` +
        `set KAFKA_BROKERS=localhost:${port} to use it`,
    );
  }
  const brokerPort = port === 0 ? await findFreePort() : port;
  const controllerPort = await findFreePort(brokerPort);
  const engine = await chooseEngine({ port: brokerPort, controllerPort, settings, listeners, formatArgs, progress });
  progress(`starting Kafka at localhost:${brokerPort} ...`);
  try {
    await engine.start();
    await untilReady(engine, brokerPort);
  } catch (error) {
    await end(engine, 'kill');
    throw error;
  }
  return toBroker(engine, brokerPort);
}

function toBroker(engine: Engine, port: number): Broker {
  const address = `localhost:${port}`;
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= end(engine, 'stop'));
  return {
    brokers: [address],
    port,
    createTopic: (name, topicOptions) => createTopic(address, name, topicOptions),
    takeDown: () => engine.end('stop'),
    kill: () => engine.end('kill'),
    async bringUp() {
      if (await engine.isRunning()) return;
      await engine.start();
      await untilReady(engine, port);
    },
    freeze: () => engine.setFrozen(true),
    thaw: () => engine.setFrozen(false),
    isRunning: () => engine.isRunning(),
    logTail: () => engine.logTail(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function end(engine: Engine, how: 'stop' | 'kill'): Promise<void> {
  if (await engine.isRunning()) {
    await engine.setFrozen(false);
    await engine.end(how);
  }
  await engine.remove();
}

async function untilReady(engine: Engine, port: number): Promise<void> {
  const deadline = Date.now() + readyTimeoutMs;
  let problem = '';
  while (Date.now() < deadline) {
    if (!(await engine.isRunning())) throw new Error(`Kafka ended while starting:\n${await engine.logTail()}`);
    try {
      const metadata = await fetchMetadata(`localhost:${port}`);
      if (metadata.brokers.length > 0 && metadata.partitions.every((partition) => partition.hasLeader)) return;
      problem = 'not all partitions have a leader';
    } catch (error) {
      problem = (error as Error).message;
    }
    await sleep(50);
  }
  throw new Error(`Kafka is not ready after ${readyTimeoutMs / 1000} s (${problem}):\n${await engine.logTail()}`);
}

/** The brokers that KAFKA_BROKERS names, separated by commas; undefined when it is not set. */
export function brokersFromEnvironment(): string[] | undefined {
  const brokers = (process.env['KAFKA_BROKERS'] ?? '').split(',').map((broker) => broker.trim());
  const named = brokers.filter((broker) => broker !== '');
  return named.length > 0 ? named : undefined;
}

/** Resolves with the first of these brokers that answers; rejects when none does. */
export async function findAnswering(brokers: readonly string[]): Promise<string> {
  const problems: string[] = [];
  for (const broker of brokers) {
    try {
      await fetchMetadata(broker, 5000);
      return broker;
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  throw new Error(`KAFKA_BROKERS=${brokers.join(',')} is set, but no broker answers there: ${problems.join('; ')}`);
}

/**
 * Ports are taken below the range from which systems give out client ports: a client that keeps trying to reach a
 * stopped broker on a port of that range can be given this very port, connect to itself and keep the broker from it.
 */
export async function findFreePort(except?: number): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (port !== except && (await isFree(port))) return port;
  }
  throw new Error('found no free port between 20000 and 32000');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

const help = `Starts an Apache Kafka for development: one node, loopback only, data removed at the end.

Usage: npm run kafka -- [options]

Options:
  --port <number>  port to listen on (default ${defaultPort})
  --help           show this text

Examples:
  npm run kafka                                  Kafka at localhost:${defaultPort}
  npm run kafka -- --port 9192                   Kafka at localhost:9192
  KAFKA_BROKERS=kafka-1:9092 npm run kafka       checks that this Kafka answers and starts none

Needs Java 17 and, for the first start, Maven; without them a Docker engine.
`;

async function main(): Promise<void> {
  const say: Progress = (line) => void process.stderr.write(`${line}\n`);
  const port = readPort(say);
  if (port === undefined) return;
  const existing = brokersFromEnvironment();
  if (existing !== undefined) {
    const answering = await findAnswering(existing);
    say(`KAFKA_BROKERS is set: the Kafka at ${answering} answers and is used; no other one was started`);
    return;
  }
  const broker = await startBroker({ port, progress: say });
  const stopped = new Promise<void>((resolve) => {
    // Once: a second signal ends this process at once, and the guard of the broker cleans up.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  process.stdout.write(`kafka is ready at localhost:${broker.port} (Ctrl-C stops it and removes its data)\n`);
  while (!(await Promise.race([stopped.then(() => true), sleep(500, false)]))) {
    if (await broker.isRunning()) continue;
    const log = await broker.logTail();
    await broker.stop();
    throw new Error(`Kafka ended by itself:\n${log}`);
  }
  say('stopping Kafka ...');
  await broker.stop();
}

/** Returns the port, or undefined when there is nothing left to do. */
function readPort(say: Progress): number | undefined {
  try {
    const { values } = parseArgs({ options: { port: { type: 'string' }, help: { type: 'boolean', short: 'h' } } });
    if (values.help) {
      process.stdout.write(help);
      return undefined;
    }
    const port = values.port === undefined ? defaultPort : Number(values.port);
    if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
    say(`--port ${values.port}: expected a number between 1 and 65535`);
  } catch (error) {
    say((error as Error).message);
  }
  say('see --help');
  process.exitCode = 2;
  return undefined;
}

if (import.meta.main) {
  await main().catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
}
