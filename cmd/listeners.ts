import type { LoadedConfig } from '../pipeline/config/loaded.ts';

/** Where the receivers in use listen, each as `otlp grpc localhost:4317`. */
export function listeners(loaded: LoadedConfig): string[] {
  const used = new Set(loaded.pipelines.flatMap(({ receivers }) => receivers.map(({ id }) => id)));
  return [...loaded.receivers.values()]
    .filter(({ id }) => used.has(id))
    .flatMap(({ id, config }) => endpoints(config, []).map(({ path, text }) => [id, ...path, text].join(' ')));
}

interface Listening {
  readonly path: readonly string[];
  readonly text: string;
}

/** Every parsed `endpoint` in a receiver's configuration, with the keys that tell it from the others. */
function endpoints(value: unknown, path: readonly string[]): Listening[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, child]: [string, unknown]) => {
    if (key === 'endpoint' && isEndpoint(child)) return [{ path, text: `${child.host}:${child.port}` }];
    return endpoints(child, key === 'protocols' ? path : [...path, key]);
  });
}

function isEndpoint(value: unknown): value is { host: string; port: number } {
  return typeof value === 'object' && value !== null && 'host' in value && 'port' in value;
}
