/** What `windback run` runs: the service, and the operator's endpoints beside it. */
import type { LoadedConfig } from '../pipeline/config/loaded.ts';
import type { Reloads, Source } from '../pipeline/reload.ts';
import type { Router } from '../pipeline/routes.ts';
import type { Surroundings } from '../pipeline/service.ts';
import type { AdminView } from '../pipeline/telemetry/admin.ts';
import type { Logger } from '../pipeline/telemetry/logger.ts';
import { INGEST_WORKER } from './ingest-entry.ts';

/** How long after the shutdown timeout a component that does not stop is left behind, ms. */
const GRACE_MS = 2000;

export interface Engine {
  isStopping: boolean;
  start(): Promise<void>;
  /** Goes over to what the sources say now. Never rejects: what becomes of it is logged. */
  reload(): Promise<void>;
  /** Whether everything stopped in time, and nothing that was accepted was lost. */
  stop(): Promise<boolean>;
}

/** The service and the operator's endpoints beside it. `read` gives the configuration as its sources say it now. */
export async function createEngine(source: Source, read: () => Promise<Source>): Promise<Engine> {
  const { loaded } = source;
  const [{ SystemClock }, { createLogger }, { Meter }, { METRICS }, { Router }, { Reloads }, ledgerPage] =
    await Promise.all([
      import('../pipeline/clock.ts'),
      import('../pipeline/telemetry/logger.ts'),
      import('../pipeline/telemetry/meter.ts'),
      import('../pipeline/telemetry/metrics-table.ts'),
      import('../pipeline/routes.ts'),
      import('../pipeline/reload.ts'),
      import('../pipeline/ledger/page.ts'),
    ]);
  const meter = new Meter(METRICS);
  const logger = createLogger(loaded.service.logLevel);
  const clock = new SystemClock((thrown) => logger.error({ err: thrown }, 'a periodic task failed; please report it'));
  const router = new Router();
  const storages = await openStored(loaded, logger);
  const spools = await spoolsFor(loaded, logger);
  const surroundings = { clock, random: Math.random, logger, meter, router, ...storages, ...spools };
  const { service, apply } = await createService(source, surroundings);
  const started = Promise.withResolvers<void>();
  const reloads = new Reloads(loaded, { read, apply, started: started.promise, clock, logger, meter });
  router.of('service').add('POST', '/api/reload', async () => ({ json: await reloads.request() }));
  ledgerPage.serveLedger(router, () => service.ledger());
  const servers = await createServers(reloads, { meter, router, state: () => service.state }, { clock, logger });
  return {
    isStopping: false,
    async start() {
      for (const server of servers) await server.start();
      await service.start();
      started.resolve();
    },
    async reload() {
      await reloads.request().catch(() => {});
    },
    async stop() {
      const { shutdownTimeoutMs } = reloads.current.service;
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

async function createService({ loaded, texts }: Source, surroundings: Surroundings) {
  if (loaded.service.workers === 1) {
    const { Service } = await import('../pipeline/service.ts');
    const service = new Service(loaded, surroundings);
    return { service, apply: (next: Source) => service.reload(next.loaded) };
  }
  const { ThreadedService } = await import('../pipeline/workers/threaded-service.ts');
  const service = new ThreadedService(loaded, { entry: INGEST_WORKER, config: texts }, surroundings);
  return { service, apply: (next: Source) => service.reload(next.loaded, next.texts) };
}

/** Where the operator asks: for health, and for metrics and the API. */
async function createServers(
  reloads: Reloads,
  view: AdminView & { readonly router: Router },
  around: Pick<Surroundings, 'clock' | 'logger'>,
) {
  const admin = await import('../pipeline/telemetry/admin.ts');
  const { metrics, healthCheck } = reloads.current.service;
  const api = {
    router: view.router,
    get token() {
      return reloads.current.service.adminToken;
    },
  };
  return [
    healthCheck && new admin.AdminServer(healthCheck, 'extensions.health_check', admin.healthPages(view), around),
    metrics && new admin.AdminServer(metrics, 'service.telemetry.metrics', admin.metricsPages(view), around, api),
  ].filter((server) => server !== undefined);
}

/** The storage that the configuration asks for; nothing, where it asks for none. */
async function openStored({ service: { fileStorage } }: LoadedConfig, logger: Logger) {
  if (fileStorage === undefined) return undefined;
  const { openStorages } = await import('../pipeline/sqlite-storage.ts');
  return { storages: await openStorages(fileStorage, logger) };
}

/** Where queues lie on disk, where the configuration has a place for them. */
async function spoolsFor(loaded: LoadedConfig, logger: Logger) {
  const { fileStorage } = loaded.service;
  if (fileStorage === undefined) return undefined;
  const { spoolsOf, warnOfOrphans } = await import('../pipeline/spool/spools.ts');
  warnOfOrphans(fileStorage, loaded, logger);
  const spools = spoolsOf(loaded);
  return spools && { spools };
}
