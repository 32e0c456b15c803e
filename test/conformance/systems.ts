/** Starts what the suite knows how to start, each with a configuration of its own beside this file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { COLLECTOR, COLLECTOR_VERSION, install } from '../../bench/peers/install.ts';
import { makeCertificates } from '../support/certificates.ts';
import type { Security } from './clients/security.ts';

export const SYSTEM_NAMES = ['windback', 'collector'] as const;
export type SystemName = (typeof SYSTEM_NAMES)[number];

/** Both take at most 1 MiB as they are configured here. */
export const TOO_LARGE_BYTES = 1.25 * 1024 * 1024;
/** Windback holds 4 MiB as it is configured here. */
const OVERLOAD_BYTES = 8 * 1024 * 1024;

const START_MS_MAX = 30_000;
const LOOPBACK = '127.0.0.1';

export interface Running {
  readonly title: string;
  readonly grpc: string;
  readonly http: string;
  /** What it takes to speak to it; undefined where it speaks without TLS. */
  readonly security: Security | undefined;
  readonly overloadBytes: number | undefined;
  stop(): Promise<void>;
}

interface System {
  readonly title: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly overloadBytes?: number;
}

const SYSTEMS: Readonly<Record<SystemName, System>> = {
  windback: {
    title: `Windback ${manifest.version}`,
    command: process.execPath,
    args: [join(import.meta.dirname, '../../cmd/launch.js'), 'run'],
    overloadBytes: OVERLOAD_BYTES,
  },
  collector: { title: `OpenTelemetry Collector ${COLLECTOR_VERSION}`, command: COLLECTOR, args: [] },
};

/** Starts it without TLS, sending what it takes to this port. Rejects, with what it said, where it does not come up. */
export async function start(name: SystemName, sinkPort: number, say: (line: string) => void): Promise<Running> {
  return started(name, sinkPort, say, []);
}

/** The same for Windback with TLS on both listeners, which lets in only who shows a certificate. */
export async function startSecure(sinkPort: number, say: (line: string) => void): Promise<Running> {
  const files = makeCertificates();
  const tls = `{cert_file: ${files.file('server.pem')}, key_file: ${files.file('server.key')}, client_ca_file: ${files.file('ca.pem')}}`;
  const secured = `yaml:{receivers: {otlp: {protocols: {grpc: {tls: ${tls}}, http: {tls: ${tls}}}}}}`;
  const running = await started('windback', sinkPort, say, ['--config', secured]).catch((error: unknown) => {
    files.remove();
    throw error;
  });
  return {
    ...running,
    title: `${running.title}, over TLS`,
    security: { ca: files.read('ca.pem'), cert: files.read('client.pem'), key: files.read('client.key') },
    async stop() {
      await running.stop();
      files.remove();
    },
  };
}

async function started(
  name: SystemName,
  sinkPort: number,
  say: (line: string) => void,
  more: readonly string[],
): Promise<Running> {
  const why = name === 'collector' ? await install(name, say) : undefined;
  if (why !== undefined) throw new Error(`the Collector cannot be built: ${why}`);
  const { title, command, args, overloadBytes } = SYSTEMS[name];
  const [grpcPort, httpPort] = [await freePort(), await freePort()];
  const child = spawn(command, [...args, '--config', join(import.meta.dirname, `${name}.yaml`), ...more], {
    env: {
      ...process.env,
      GRPC_PORT: String(grpcPort),
      HTTP_PORT: String(httpPort),
      SINK_PORT: String(sinkPort),
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-4000)));
  for (const port of [grpcPort, httpPort]) {
    if (!(await opens(port, child))) {
      child.kill('SIGKILL');
      throw new Error(`${title} does not come up: ${said}`);
    }
  }
  const [grpc, http] = [`${LOOPBACK}:${grpcPort}`, `${LOOPBACK}:${httpPort}`];
  return { title, grpc, http, security: undefined, overloadBytes, stop: () => stopped(child) };
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await exit;
  clearTimeout(late);
}

/** Whether something listens there before the child ends or the time is over. */
async function opens(port: number, child: ChildProcess): Promise<boolean> {
  for (const end = performance.now() + START_MS_MAX; performance.now() < end && child.exitCode === null; ) {
    const socket = connect(port, LOOPBACK);
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

/** Below those that the kernel gives to clients, so that none of them takes it in the meantime. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer().listen(port, LOOPBACK);
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    server.close();
    if (isFree) return port;
  }
}
