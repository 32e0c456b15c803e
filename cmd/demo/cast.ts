/** Who plays in the demo, and when. */

/** One version of a service of the shop. */
export interface Release {
  readonly service: string;
  readonly version: string;
  readonly instances: number;
}

/** A new version that takes part of the requests of the one it replaces. */
export interface Rollout extends Release {
  readonly replaces: string;
  /** The share of the service's requests that its instances get, 0 to 1. */
  readonly weight: number;
}

const CATALOG: Release = { service: 'catalog', version: '2.0.3', instances: 4 };
const CHECKOUT: Release = { service: 'checkout', version: '1.4.1', instances: 4 };
export const FRONTEND: Release = { service: 'frontend', version: '3.0.1', instances: 1 };

/** What runs from the start. */
export const BASELINES = [FRONTEND, CATALOG, CHECKOUT] as const;

/** One in five instances is new. */
const CANARY = { instances: 1, weight: 0.2 };
export const GOOD: Rollout = { service: 'catalog', version: '2.1.0', replaces: CATALOG.version, ...CANARY };
export const BAD: Rollout = { service: 'checkout', version: '1.4.2', replaces: CHECKOUT.version, ...CANARY };

/** `service.namespace` and `deployment.environment.name` of the shop, as in examples/shop/telemetry.ts. */
const NAMESPACE = 'shop';
const ENVIRONMENT = 'demo';

/** The service key that Windback judges by. */
export function serviceKey(service: string): string {
  return `${NAMESPACE}/${service}/${ENVIRONMENT}`;
}

/** Requests per second of all customers together. */
export const REQUESTS_PER_SECOND = 60;
/** How long the old versions run alone. */
export const BASELINE_MS = 12_000;
/** How long the good version is watched after the bad one was rolled back. */
export const AFTERMATH_MS = 12_000;
/** The decision must have come this long after the rollout. It takes some 30 s. */
export const PATIENCE_MS = 70_000;

/** The name by which scores, counts and roles are kept. */
export function nameOf({ service, version }: Pick<Release, 'service' | 'version'>): string {
  return `${service} ${version}`;
}
