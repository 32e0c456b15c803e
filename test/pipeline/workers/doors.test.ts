/** The doors that a worker opens for a while, on a real port. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Doors } from '../../../pipeline/workers/doors.ts';

const CLIENTS = 20;
const HOST = '127.0.0.1';
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function listening(most: number): Promise<{ server: Server; port: number; taken: Socket[] }> {
  const taken: Socket[] = [];
  const server = createServer((socket) => void taken.push(socket.resume().on('error', () => {})));
  server.maxConnections = most;
  server.listen({ host: HOST, port: 0, reusePort: true });
  await once(server, 'listening');
  cleanups.push(() => {
    for (const socket of taken) socket.destroy();
    server.close();
  });
  return { server, port: (server.address() as AddressInfo).port, taken };
}

async function client(port: number): Promise<Socket> {
  const socket = connect(port, HOST).resume();
  socket.on('error', () => {});
  cleanups.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

test('through more doors come no more connections than the server takes, and others once some have gone', async () => {
  const most = 5;
  const { server, port, taken } = await listening(most);
  const doors = new Doors();
  cleanups.push(() => doors.close());
  doors.add(server, HOST, port);
  await doors.open(8);
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => client(port)));
  await expect.poll(() => clients.filter(({ closed }) => closed).length).toBe(CLIENTS - most);
  expect(taken).toHaveLength(most);

  for (const socket of taken) socket.destroy();
  await expect.poll(() => new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))).toBe(0);
  await client(port);
  await expect.poll(() => taken.length).toBe(most + 1);
});
