import { lookup } from 'node:dns/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { Endpoint } from './config/scalars.ts';
import { PipelineError } from './errors.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Siblings, WorkerSiblings } from './workers/siblings.ts';

/** An endpoint on which other threads of this process listen too; the system hands each connection to one of them. */
interface SharedEndpoint extends Endpoint {
  readonly sharing: WorkerSiblings;
}

/** The endpoint as an instance with these siblings listens on it. */
export function shared(endpoint: Endpoint, siblings: Siblings | undefined): Endpoint {
  if (siblings?.place !== 'worker') return endpoint;
  const sharing: SharedEndpoint = { ...endpoint, sharing: siblings };
  return sharing;
}

/**
 * Makes `server` listen on `endpoint`, and logs where; `key` is the place in the configuration that says so, for the
 * error; `exposure`: what there is to warn of where other machines reach it, if anything. Resolves to the address as
 * bound, which tells the port where 0 was asked for. Rejects with `port_in_use`, `cannot_listen` or `cannot_share_port`.
 */
export async function listen(
  server: Server,
  endpoint: Endpoint,
  key: string,
  logger: Logger,
  exposure: string | undefined,
): Promise<string> {
  const wanted = format(endpoint.host, endpoint.port);
  try {
    // IPv4 first: where localhost is both, clients that try only 127.0.0.1 are many and those that try only ::1 are few.
    const { address } = await lookup(endpoint.host, { order: 'ipv4first' });
    if (isShared(endpoint)) await listenShared(server, address, endpoint, `${wanted} (${key})`);
    else await bind(server, { host: address, port: endpoint.port });
  } catch (error) {
    if (error instanceof PipelineError) throw error;
    throw listenError(error, `${wanted} (${key})`);
  }
  const bound = server.address() as AddressInfo;
  const address = format(bound.address, bound.port);
  logger.info({ address, key }, 'listening');
  if (!isLoopback(bound.address) && exposure !== undefined)
    logger.warn({ address, key }, `this address can be reached from other machines, and ${exposure}`);
  return address;
}

function isShared(endpoint: Endpoint): endpoint is SharedEndpoint {
  return 'sharing' in endpoint;
}

async function listenShared(
  server: Server,
  host: string,
  { port, sharing }: SharedEndpoint,
  at: string,
): Promise<void> {
  if (port === 0) throw new PipelineError('cannot_share_port', `${at}: each thread would get a port of its own`);
  // Another process that shares its ports, too, would not be noticed otherwise: it would take a part of the connections.
  if (sharing.isFirst) await bindAlone(host, port);
  try {
    await bind(server, { host, port, reusePort: true });
    sharing.doors.add(server, host, port);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTSUP' && code !== 'EINVAL') throw error;
    throw new PipelineError('cannot_share_port', `${at}: ${message}`, { cause: error });
  }
}

/** Rejects as `listen` would where the address is taken, and opens nothing. */
export async function probe({ host, port }: Endpoint, key: string): Promise<void> {
  try {
    const { address } = await lookup(host, { order: 'ipv4first' });
    await bindAlone(address, port);
  } catch (error) {
    throw listenError(error, `${format(host, port)} (${key})`);
  }
}

function listenError(error: unknown, at: string): PipelineError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return new PipelineError('port_in_use', at, { cause: error });
  return new PipelineError('cannot_listen', `${at}: ${message}`, { cause: error });
}

/** Rejects as listening alone would. */
async function bindAlone(host: string, port: number): Promise<void> {
  const alone = createServer((socket) => socket.destroy());
  await bind(alone, { host, port });
  await new Promise((resolve) => alone.close(resolve));
}

function bind(server: Server, where: { host: string; port: number; reusePort?: boolean }): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

/** `host:port`, with brackets around an IPv6 address. */
function format(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether an address, as a socket tells it, is reached from this machine only. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');
}
