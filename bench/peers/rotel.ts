import { join } from 'node:path';
import type { Case } from './cases.ts';
import { rotelBinary } from './install.ts';
import { type Launch, type Places, REQUEST_MIB_MAX, type System } from './system.ts';

export const rotel: System = {
  name: 'rotel',
  title: 'rotel',
  cannot({ work, encoding }) {
    if (work === 'judge') return 'it counts nothing by version';
    if (encoding === 'zstd') return 'it neither takes nor sends zstd';
    return undefined;
  },
  launch(one, places): Launch {
    return {
      command: rotelBinary() ?? 'rotel-agent',
      args: ['start', ...argsOf(one, places)],
      env: { RUST_LOG: 'warn' },
      files: {},
    };
  },
};

function argsOf({ work, protocol, encoding, isBatched }: Case, { grpcPort, httpPort, sink, folder }: Places): string[] {
  const options = {
    'pid-file': join(folder, 'rotel.pid'),
    'log-file': join(folder, 'rotel.log'),
    'otlp-grpc-endpoint': `127.0.0.1:${grpcPort}`,
    'otlp-http-endpoint': `127.0.0.1:${httpPort}`,
    'otlp-grpc-max-recv-msg-size-mib': REQUEST_MIB_MAX,
    exporter: 'otlp',
    'otlp-exporter-endpoint': `http://127.0.0.1:${protocol === 'grpc' ? sink.grpc : sink.http}`,
    'otlp-exporter-protocol': protocol,
    'otlp-exporter-compression': encoding === 'identity' ? 'none' : encoding,
    'otlp-exporter-request-timeout': '30s',
    // It cannot copy one attribute to another without Python: all resources get the same version.
    ...(work === 'tag' ? { 'otel-resource-attributes': 'deployment.version=1.4.0' } : {}),
  };
  const flags = isBatched ? [] : ['--disable-batching'];
  return [...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]), ...flags];
}
