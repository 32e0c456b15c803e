import packageJson from '../../package.json' with { type: 'json' };
import type { AdminEndpoint, LoadedConfig } from '../../pipeline/config/loaded.ts';
import type { Source } from '../../pipeline/reload.ts';
import type { ConfigTexts } from '../../pipeline/workers/messages.ts';
import type { Args, Command, Io } from '../command.ts';
import { CONFIG_OPTIONS, loadFrom, readSources } from '../config-options.ts';
import { createEngine } from '../engine.ts';
import { listeners } from '../listeners.ts';

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
SIGHUP, or windback reload, reads the configuration again and goes over to it without dropping a
connection; one that is not valid changes nothing, and the log says why.

Examples:
  windback run --config windback.yaml
  windback run --config base.yaml --config production.yaml
  windback run --config windback.yaml --set service.telemetry.logs.level=debug
  windback run --config env:WINDBACK_CONFIG
`,
  async run(args, io) {
    const source = await firstSource(args, io);
    const engine = await createEngine(source, () => sourceNow(source.texts));
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
    const endReloading = io.onHangUp(() => {
      if (!engine.isStopping) void engine.reload();
    });
    try {
      await Promise.race([engine.start(), stopRequested.promise]);
      if (!engine.isStopping) announce(source.loaded, io);
      await stopRequested.promise;
      // What did not stop in time may never do so.
      return (await engine.stop()) ? 0 : io.exit(1);
    } catch (thrown) {
      engine.isStopping = true;
      await engine.stop();
      throw thrown;
    } finally {
      unsubscribe();
      endReloading();
    }
  },
};

async function firstSource(args: Args, io: Io): Promise<Source> {
  const files = new Map<string, string>();
  const loaded = await loadFrom(args, io, 'run', (path, text) => files.set(path, text));
  return { loaded, texts: { sources: args.texts('config'), sets: args.texts('set'), env: { ...io.env }, files } };
}

/** What the same sources say now. */
async function sourceNow({ sources, sets, env }: ConfigTexts): Promise<Source> {
  const files = new Map<string, string>();
  const loaded = await readSources({ sources, sets, env }, (path, text) => files.set(path, text));
  return { loaded, texts: { sources, sets, env, files } };
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
