/** A service of several real threads, on real ports, for tests. */
import { createServer, type AddressInfo } from 'node:net';
import { loadComponents } from '../../../cmd/components.ts';
import { SystemClock } from '../../../pipeline/clock.ts';
import { loadConfig } from '../../../pipeline/config/load.ts';
import { Service, type Surroundings } from '../../../pipeline/service.ts';
import { spoolsOf } from '../../../pipeline/spool/spools.ts';
import { Meter } from '../../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../../pipeline/telemetry/metrics-table.ts';
import { BALANCE } from '../../../pipeline/workers/balance.ts';
import { ThreadedService } from '../../../pipeline/workers/threaded-service.ts';
import { recordingLogger } from '../../support/context.ts';
import { assertBalanced, assertSettled } from '../../support/ledger.ts';
import { OtlpSender } from '../../support/otlp-sender.ts';
import { EXTRA } from './extra.ts';

const components = await loadComponents();
/** All components there are, and those of `extra.ts`. */
export const TABLE = {
  receivers: [...components.receivers, ...EXTRA.receivers],
  processors: [...components.processors, ...EXTRA.processors],
  exporters: [...components.exporters, ...EXTRA.exporters],
};
const ENTRY = new URL('./entry.ts', import.meta.url);

export interface Threads {
  readonly service: ThreadedService;
  readonly meter: Meter;
  readonly lines: Record<string, unknown>[];
  readonly address: string;
  sender(): OtlpSender;
  /** The sum of all series of a metric whose labels are these. */
  sum(name: string, labels?: Record<string, string>): number;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const running: { stop(): Promise<unknown> }[] = [];

/** Stops everything that was started. */
export async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((one) => one.stop()));
}

/** Started, with rounds of balancing only where a test asks for them; `yaml` has PORT where it listens. */
export async function startThreads(yaml: string): Promise<Threads> {
  const port = await freePort();
  const sources = [`yaml:${yaml.replaceAll('PORT', String(port))}`];
  const loaded = loadConfig({ sources, sets: [], env: {}, readFile: () => '' }, TABLE);
  const { logger, lines } = recordingLogger();
  const meter = new Meter(METRICS);
  const spools = spoolsOf(loaded);
  const surroundings: Surroundings = {
    clock: new SystemClock(),
    random: Math.random,
    logger: logger as never,
    meter,
    ...(spools === undefined ? {} : { spools }),
  };
  const config = { sources, sets: [], env: {}, files: new Map<string, string>() };
  const balance = { ...BALANCE, roundMs: 3_600_000, busyMin: -1, windowRounds: 1 };
  const service = new ThreadedService(loaded, { entry: ENTRY, config, balance }, surroundings);
  await service.start();
  const address = `127.0.0.1:${port}`;
  const senders: OtlpSender[] = [];
  running.push({
    stop: async () => {
      for (const sender of senders) sender.close();
      assertBalanced(await service.ledger());
      await service.stop(5000);
      assertSettled(await service.ledger());
    },
  });
  return {
    service,
    meter,
    lines,
    address,
    sender: () => {
      const sender = new OtlpSender(address);
      senders.push(sender);
      return sender;
    },
    sum: (name, labels = {}) => sumOf(meter, name, labels),
  };
}

/** The same configuration in one thread, as the reference. */
export async function startAlone(yaml: string): Promise<{ address: string; meter: Meter; service: Service }> {
  const port = await freePort();
  const sources = [`yaml:${yaml.replaceAll('PORT', String(port))}`];
  const loaded = loadConfig({ sources, sets: [], env: {}, readFile: () => '' }, TABLE);
  const meter = new Meter(METRICS);
  const { logger } = recordingLogger();
  const service = new Service(loaded, {
    clock: new SystemClock(),
    random: Math.random,
    logger: logger as never,
    meter,
  });
  await service.start();
  running.push({
    stop: async () => {
      await service.stop();
      assertSettled(await service.ledger());
    },
  });
  return { address: `127.0.0.1:${port}`, meter, service };
}

export function sumOf(meter: Meter, name: string, labels: Record<string, string> = {}): number {
  return meter
    .read(name)
    .filter((reading) => Object.entries(labels).every(([key, value]) => reading.labels[key] === value))
    .reduce((sum, { value }) => sum + value, 0);
}
