import { createServer } from 'node:net';
import { DemoFailure } from './failure.ts';

/** Below the range from which systems give out client ports, so that no connection of the demo takes one meanwhile. */
const FIRST = 20_000;
const COUNT = 12_000;

/** Ports of localhost that nobody listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let attempt = 0; attempt < 200 && ports.size < count; attempt++) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (await isFree(port)) ports.add(port);
  }
  if (ports.size < count) throw new DemoFailure(`found no ${count} free ports between ${FIRST} and ${FIRST + COUNT}`);
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: 'localhost', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
