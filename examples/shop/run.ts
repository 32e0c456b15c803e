/**
 * Runs the instances of one version of a service in this process until SIGTERM: INSTANCES of them, each with a port,
 * an id and telemetry of its own. For each one a line of JSON on stdout says where it listens.
 */
import { randomUUID } from 'node:crypto';
import { type Route, serve } from './http-server.ts';
import { type Instance, startTelemetry, type Telemetry } from './telemetry.ts';

/** The line on stdout. */
export interface Listening {
  readonly service: string;
  readonly version: string;
  readonly url: string;
}

export type Routes = (instance: Instance, telemetry: Telemetry) => readonly Route[];

/** Resolves when all instances have stopped. */
export async function run(service: string, routes: Routes): Promise<void> {
  const version = process.env.SERVICE_VERSION ?? '0.0.0';
  const count = Number(process.env.INSTANCES ?? 1);
  const running = await Promise.all(Array.from({ length: count }, () => start(service, version, routes)));
  await new Promise((resolve) => process.once('SIGTERM', resolve).once('SIGINT', resolve));
  await Promise.all(running.map((stop) => stop()));
}

async function start(service: string, version: string, routes: Routes): Promise<() => Promise<void>> {
  const instance: Instance = { service, version, id: `${service}-${randomUUID().slice(0, 8)}` };
  const telemetry = startTelemetry(instance);
  const server = await serve(instance, telemetry, routes(instance, telemetry));
  const line: Listening = { service, version, url: server.url };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  return async () => {
    await server.close();
    await telemetry.shutdown();
  };
}

/** Some work: takes `typicalMs` and a bit, sometimes three times as much, as real requests do. */
export function work(typicalMs: number): Promise<void> {
  const spread = Math.exp(0.35 * normal());
  return new Promise((resolve) => setTimeout(resolve, Math.min(3, spread) * typicalMs));
}

/** A standard normal number (Box and Muller 1958). */
function normal(): number {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}
