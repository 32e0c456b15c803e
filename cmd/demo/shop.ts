import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Release, Rollout } from './cast.ts';
import type { Child, Children } from './children.ts';
import { DemoFailure } from './failure.ts';

const SHOP = join(import.meta.dirname, '../../examples/shop');
/** How long the instances of a release may take to listen. */
const START_TIMEOUT_MS = 20_000;
/** The frontend has read the registry anew by then. */
const REGISTRY_MS = 400;
/** And by then what was under way is answered. */
const DRAIN_MS = 1000;

/** A release that runs. */
export interface Running {
  readonly release: Release;
  readonly child: Child;
  readonly urls: readonly string[];
}

/** The shop of examples/shop: starts releases, and tells the frontend which instances there are. */
export class Shop {
  readonly #children: Children;
  readonly #registry: string;
  readonly #grpcPort: number;
  readonly #httpPort: number;
  readonly #serving = new Set<Running>();

  constructor(children: Children, folder: string, ports: { readonly grpc: number; readonly http: number }) {
    this.#children = children;
    this.#registry = join(folder, 'registry.json');
    this.#grpcPort = ports.grpc;
    this.#httpPort = ports.http;
    this.#writeRegistry();
  }

  /** Starts the instances of a release, in one process. Resolves when they listen; no request reaches them yet. */
  async start(release: Release): Promise<Running> {
    const { service, version, instances } = release;
    const urls: string[] = [];
    const listening = Promise.withResolvers<void>();
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://localhost:${this.#grpcPort}`,
      SERVICE_VERSION: version,
      INSTANCES: String(instances),
      SHOP_REGISTRY: this.#registry,
    };
    const child = this.#children.start(`${service}-${version}`, [join(SHOP, `${service}.ts`)], env, (line) => {
      urls.push((JSON.parse(line) as { url: string }).url);
      if (urls.length === instances) listening.resolve();
    });
    const tooLate = new AbortController();
    const late = sleep(START_TIMEOUT_MS, 'late' as const, { signal: tooLate.signal }).catch(() => undefined);
    // A child that ends early is reported as such by `Children`.
    if ((await Promise.race([listening.promise, child.ended, late])) === 'late') {
      throw new DemoFailure(`${service} ${version} does not listen after ${START_TIMEOUT_MS / 1000} s`);
    }
    tooLate.abort();
    return { release, child, urls };
  }

  /** Lets requests reach these releases. Resolves when they do. */
  async serve(running: readonly Running[]): Promise<void> {
    for (const one of running) this.#serving.add(one);
    this.#writeRegistry();
    await sleep(REGISTRY_MS);
  }

  /** Takes a release out, which is what rolling back means here. */
  async withdraw(running: Running): Promise<void> {
    this.#serving.delete(running);
    this.#writeRegistry();
    await sleep(DRAIN_MS);
    await this.#children.stop(running.child);
  }

  /** Tells Windback of a rollout, as a delivery pipeline does. */
  async announce({ service, version, replaces, weight }: Rollout): Promise<void> {
    const args = [service, version, '--previous', replaces, '--weight', String(weight)];
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://localhost:${this.#httpPort}` };
    await this.#children.run(`announce-${service}`, [join(SHOP, 'announce.ts'), ...args], env);
  }

  #writeRegistry(): void {
    const urls = (service: string) =>
      [...this.#serving].filter(({ release }) => release.service === service).flatMap((one) => one.urls);
    const registry = Object.fromEntries(['catalog', 'checkout'].map((service) => [service, urls(service)]));
    // Renamed into place: the frontend never reads half of it.
    writeFileSync(`${this.#registry}.new`, JSON.stringify(registry));
    renameSync(`${this.#registry}.new`, this.#registry);
  }
}
