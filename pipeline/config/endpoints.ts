import type { Endpoint } from './scalars.ts';

export interface FoundEndpoint {
  /** The keys that lead to it. */
  readonly path: readonly string[];
  readonly endpoint: Endpoint;
}

/** Every `endpoint` in the parsed configuration of a receiver: where it listens. */
export function endpointsIn(value: unknown, path: readonly string[] = []): FoundEndpoint[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, child]: [string, unknown]) => {
    if (key === 'endpoint' && isEndpoint(child)) return [{ path: [...path, key], endpoint: child }];
    return endpointsIn(child, [...path, key]);
  });
}

function isEndpoint(value: unknown): value is Endpoint {
  return typeof value === 'object' && value !== null && 'host' in value && 'port' in value;
}
