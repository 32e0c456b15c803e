import { lookup } from 'node:dns/promises';
import type { AddressInfo, Server } from 'node:net';
import type { Endpoint } from './config/scalars.ts';
import { PipelineError } from './errors.ts';
import type { Logger } from './telemetry/logger.ts';

/**
 * Makes `server` listen on `endpoint`, and logs where; `key` is the place in the configuration that says so, for the
 * error. Resolves to the address as bound, which tells the port where 0 was asked for. Rejects with `port_in_use` or
 * `cannot_listen`.
 */
export async function listen(server: Server, endpoint: Endpoint, key: string, logger: Logger): Promise<string> {
  const wanted = format(endpoint.host, endpoint.port);
  try {
    // IPv4 first: where localhost is both, clients that try only 127.0.0.1 are many and those that try only ::1 are few.
    const { address } = await lookup(endpoint.host, { order: 'ipv4first' });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: address, port: endpoint.port }, () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EADDRINUSE') throw new PipelineError('port_in_use', `${wanted} (${key})`, { cause: error });
    throw new PipelineError('cannot_listen', `${wanted} (${key}): ${(error as Error).message}`, { cause: error });
  }
  const bound = server.address() as AddressInfo;
  const address = format(bound.address, bound.port);
  logger.info({ address, key }, 'listening');
  if (!isLoopback(bound.address)) {
    logger.warn(
      { address, key },
      'this address can be reached from other machines, and nothing asks them who they are',
    );
  }
  return address;
}

/** `host:port`, with brackets around an IPv6 address. */
function format(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether an address, as a socket tells it, is reached from this machine only. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');
}
