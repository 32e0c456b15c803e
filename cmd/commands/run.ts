import packageJson from '../../package.json' with { type: 'json' };
import type { AdminEndpoint, LoadedConfig } from '../../pipeline/config/loaded.ts';
import type { Logger } from '../../pipeline/telemetry/logger.ts';
import type { ConfigTexts } from '../../pipeline/workers/messages.ts';
import type { Command, Io } from '../command.ts';
import { CONFIG_OPTIONS, loadFrom } from '../config-options.ts';
import { INGEST_WORKER } from '../ingest-entry.ts';
import { listeners } from '../listeners.ts';

/** How long after the shutdown timeout a component that does not stop is left behind, ms. */
const GRACE_MS = 2000;

/** One Ctrl-C may arrive twice, from the terminal and from npm; two signals closer than this are one. */
const SAME_KEY_MS = 500;

export const command: Command = {
  name: 'run',
  summary: 'Run the pipelines of a configuration until a signal stops them.',
  usage: '--config SOURCE [options]',
  options: CONFIG_OPTIONS,
  outlivesStdout: true,
  help: `
SIGINT or SIGTERM stops it: receivers close first, what was accepted is delivered within
service.shutdown_timeout (15s by default). A second signal ends it at once, with exit code 1.

Examples:
  windback run --config windback.yaml
  windback run --config base.yaml --config production.yaml
  windback run --config windback.yaml --set service.telemetry.logs.level=debug
  windback run --config env:WINDBACK_CONFIG
`,
  async run(args, io) {
    const files = new Map<string, string>();
    const loaded = await loadFrom(args, io, 'run', (path, text) => files.set(path, text));
    const engine = await createEngine(loaded, {
      sources: args.texts('config'),
      sets: args.texts('set'),
      env: { ...io.env },
      files,
    });
    const stopRequested = Promise.withResolvers<void>();
    let firstMs = 0;
    const unsubscribe = io.onSignal(() => {
      if (engine.isStopping) {
        if (performance.now() - firstMs > SAME_KEY_MS) io.exit(1);
        return;
      }
      firstMs = performance.now();
      engine.isStopping = true;
      io.stderr.write('windback: stopping; a second signal ends it at once\n');
      stopRequested.resolve();
    });
    try {
      await Promise.race([engine.start(), stopRequested.promise]);
      if (!engine.isStopping) announce(loaded, io);
      await stopRequested.promise;
      return (await engine.stop()) ? 0 : 1;
    } catch (thrown) {
      engine.isStopping = true;
      await engine.stop();
      throw thrown;
    } finally {
      unsubscribe();
    }
  },
};

interface Engine {
  isStopping: boolean;
  start(): Promise<void>;
  /** Whether everything stopped in time, and nothing that was accepted was lost. */
  stop(): Promise<boolean>;
}

/** The service and the operator's endpoints beside it. */
async function createEngine(loaded: LoadedConfig, config: ConfigTexts): Promise<Engine> {
  const [{ Service }, { SystemClock }, { createLogger }, { Meter }, { METRICS }, { Router }, ledgerPage, admin] =
    await Promise.all([
      import('../../pipeline/service.ts'),
      import('../../pipeline/clock.ts'),
      import('../../pipeline/telemetry/logger.ts'),
      import('../../pipeline/telemetry/meter.ts'),
      import('../../pipeline/telemetry/metrics-table.ts'),
      import('../../pipeline/routes.ts'),
      import('../../pipeline/ledger/page.ts'),
      import('../../pipeline/telemetry/admin.ts'),
    ]);
  const meter = new Meter(METRICS);
  const logger = createLogger(loaded.service.logLevel);
  const clock = new SystemClock((thrown) => logger.error({ err: thrown }, 'a periodic task failed; please report it'));
  const router = new Router();
  const storages = await openStored(loaded, logger);
  const spools = await spoolsFor(loaded, logger);
  const surroundings = { clock, random: Math.random, logger, meter, router, ...storages, ...spools };
  const service =
    loaded.service.workers === 1
      ? new Service(loaded, surroundings)
      : new (await import('../../pipeline/workers/threaded-service.ts')).ThreadedService(
          loaded,
          { entry: INGEST_WORKER, config },
          surroundings,
        );
  const view = { meter, state: () => service.state };
  ledgerPage.serveLedger(router, () => service.ledger());
  const api = { router, token: loaded.service.adminToken };
  const around = { clock, logger };
  const { metrics, healthCheck, shutdownTimeoutMs } = loaded.service;
  const servers = [
    healthCheck && new admin.AdminServer(healthCheck, 'extensions.health_check', admin.healthPages(view), around),
    metrics && new admin.AdminServer(metrics, 'service.telemetry.metrics', admin.metricsPages(view), around, api),
  ].filter((server) => server !== undefined);
  return {
    isStopping: false,
    async start() {
      for (const server of servers) await server.start();
      await service.start();
    },
    async stop() {
      const late = clock.sleep(shutdownTimeoutMs + GRACE_MS).then(() => false);
      const done = async () => {
        const isClean = await service.stop();
        ledgerPage.checkAtEnd(await service.ledger(), logger);
        await Promise.all(servers.map((server) => server.stop()));
        storages?.storages.close();
        return isClean;
      };
      return Promise.race([done(), late]);
    },
  };
}

/** The storage that the configuration asks for; nothing, where it asks for none. */
async function openStored({ service: { fileStorage } }: LoadedConfig, logger: Logger) {
  if (fileStorage === undefined) return undefined;
  const { openStorages } = await import('../../pipeline/sqlite-storage.ts');
  return { storages: await openStorages(fileStorage, logger) };
}

/** Where queues lie on disk, where the configuration has a place for them. */
async function spoolsFor(loaded: LoadedConfig, logger: Logger) {
  const { fileStorage } = loaded.service;
  if (fileStorage === undefined) return undefined;
  const { spoolsOf, warnOfOrphans } = await import('../../pipeline/spool/spools.ts');
  warnOfOrphans(fileStorage, loaded, logger);
  const spools = spoolsOf(loaded);
  return spools && { spools };
}

function announce(loaded: LoadedConfig, io: Io): void {
  const { metrics, healthCheck } = loaded.service;
  const places = [
    ...listeners(loaded),
    ...(metrics === undefined ? [] : [`metrics ${urlOf(metrics)}/metrics`]),
    ...(healthCheck === undefined ? [] : [`health ${urlOf(healthCheck)}/readyz`]),
  ];
  io.stderr.write(`windback ${packageJson.version} is ready: ${places.join(', ')}\n`);
}

function urlOf({ host, port, tls }: AdminEndpoint): string {
  return `${tls === undefined ? 'http' : 'https'}://${host}:${port}`;
}
