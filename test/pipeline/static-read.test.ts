import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { readStatically } from '../../pipeline/static-read.ts';

const soon = { timeout: 5000, interval: 10 };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

interface Echo {
  readonly server: Server;
  readonly port: number;
  /** Reads, by the memory they were in. */
  readonly memories: Set<ArrayBufferLike>;
  readonly ends: string[];
}

/** Sends back what it reads, and ends when the client has. `spoil` is done to a socket before it is read. */
async function echo(spoil: (socket: Socket) => void = () => {}): Promise<Echo> {
  const memories = new Set<ArrayBufferLike>();
  const ends: string[] = [];
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (accepted) => {
    spoil(accepted);
    const { socket } = readStatically(server, accepted, (bytes, start, end) => {
      memories.add(bytes.buffer);
      socket.write(Buffer.from(bytes.subarray(start, end)));
    });
    socket.on('error', () => {});
    socket.on('end', () => setTimeout(() => socket.end('bye'), 20));
    socket.on('close', () => ends.push('close'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => void server.close());
  return { server, port: (server.address() as AddressInfo).port, memories, ends };
}

function withoutUserBuffer(socket: Socket): void {
  const { _handle: handle } = socket as unknown as { _handle: object };
  Object.defineProperty(handle, 'useUserBuffer', { value: undefined });
}

function talk(port: number, body: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const got: Buffer[] = [];
    socket.on('data', (piece: Buffer) => got.push(piece));
    socket.on('error', reject);
    socket.on('end', () => resolve(Buffer.concat(got)));
    socket.end(body);
  });
}

describe.each([
  ['into one memory for all', () => {}, 1],
  ['as usual, where Node does not let us', withoutUserBuffer, Number.POSITIVE_INFINITY],
])('reading %s', (_, spoil, memoriesMax) => {
  test('what is read is right, the end is seen, and the answer behind it arrives', async () => {
    const { port, memories, ends } = await echo(spoil);
    const bodies = Array.from({ length: 5 }, (__, i) => Buffer.alloc(300_000, `body ${i}`));
    const answers = await Promise.all(bodies.map((body) => talk(port, body)));
    answers.forEach((answer, i) =>
      expect(Buffer.compare(answer, Buffer.concat([bodies[i] as Buffer, Buffer.from('bye')]))).toBe(0),
    );
    expect(memories.size).toBeLessThanOrEqual(memoriesMax);
    await vi.waitFor(() => expect(ends).toHaveLength(5), soon);
  });

  test('the server counts its connections, and waits for them when it closes', async () => {
    const { server, port } = await echo(spoil);
    const client = connect(port, '127.0.0.1');
    cleanups.push(() => client.destroy());
    client.on('error', () => {});
    const count = () => new Promise((resolve) => server.getConnections((__, n) => resolve(n)));
    await vi.waitFor(async () => expect(await count()).toBe(1), soon);
    let isClosed = false;
    server.close(() => (isClosed = true));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isClosed).toBe(false);
    client.resetAndDestroy();
    await vi.waitFor(() => expect(isClosed).toBe(true), soon);
  });
});
