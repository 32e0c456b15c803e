import { endpointsIn } from '../pipeline/config/endpoints.ts';
import type { LoadedConfig } from '../pipeline/config/loaded.ts';

/** Where the receivers in use listen, each as `otlp grpc localhost:4317`. */
export function listeners(loaded: LoadedConfig): string[] {
  const used = new Set(loaded.pipelines.flatMap(({ receivers }) => receivers.map(({ id }) => id)));
  return [...loaded.receivers.values()]
    .filter(({ id }) => used.has(id))
    .flatMap(({ id, config }) =>
      endpointsIn(config).map(({ path, endpoint: { host, port } }) => {
        const which = path.slice(0, -1).filter((key) => key !== 'protocols');
        return [id, ...which, `${host}:${port}`].join(' ');
      }),
    );
}
