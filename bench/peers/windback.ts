import { join } from 'node:path';
import { stringify } from 'yaml';
import { otlpExporterConfig } from '../../exporters/otlp/config.ts';
import type { Case } from './cases.ts';
import { CONSUMERS, type Launch, type Places, QUEUE_BYTES, REQUEST_MIB_MAX, type System } from './system.ts';

const LAUNCHER = join(import.meta.dirname, '../../cmd/launch.js');

export const windback: System = {
  name: 'windback',
  title: 'Windback',
  cannot({ work, protocol, encoding }) {
    const endpoint = '127.0.0.1:4317';
    const isAble = otlpExporterConfig.safeParse({ endpoint, compression: encoding }).success;
    if (work === 'judge' || protocol === 'http' || encoding !== 'zstd' || isAble) return undefined;
    return 'its otlp exporter does not compress with zstd';
  },
  launch(one, places): Launch {
    const path = join(places.folder, 'windback.yaml');
    return {
      command: process.execPath,
      args: [LAUNCHER, 'run', '--config', path],
      files: { [path]: stringify(configOf(one, places)) },
    };
  },
};

/** As a user writes it: defaults, but for the size of the queue, the number of workers and what it tells about itself. */
function configOf(one: Case, places: Places) {
  const { pipelines, ...components } = one.work === 'judge' ? judging(one, places) : forwarding(one, places);
  return {
    receivers: { otlp: { protocols: { [one.protocol]: receiving(one, places) } } },
    extensions: { health_check: { enabled: false } },
    ...components,
    service: {
      telemetry: { logs: { level: 'warn' }, metrics: { level: 'none' } },
      workers: places.isPinned ? 1 : 'auto',
      pipelines,
    },
  };
}

function receiving({ protocol }: Case, { grpcPort, httpPort }: Places) {
  return {
    endpoint: `127.0.0.1:${protocol === 'grpc' ? grpcPort : httpPort}`,
    max_request_size: `${REQUEST_MIB_MAX}MiB`,
  };
}

function forwarding({ work, signal, protocol, encoding, isBatched }: Case, { sink }: Places) {
  const processors = [...(work === 'tag' ? ['deployment'] : []), ...(isBatched ? ['batch'] : [])];
  const shared = {
    compression: encoding === 'identity' ? 'none' : encoding,
    sending_queue: { sizer: 'bytes', queue_size: QUEUE_BYTES, num_consumers: CONSUMERS, block_timeout: '60s' },
    timeout: '30s',
  };
  const [id, exporter] =
    protocol === 'grpc'
      ? ['otlp', { endpoint: `127.0.0.1:${sink.grpc}`, tls: { insecure: true }, ...shared }]
      : ['otlp_http', { endpoint: `http://127.0.0.1:${sink.http}`, ...shared }];
  return {
    processors: Object.fromEntries(processors.map((name) => [name, {}])),
    exporters: { [id as string]: exporter },
    pipelines: { [signal]: { receivers: ['otlp'], processors, exporters: [id as string] } },
  };
}

/** Telemetry that is judged goes to `debug`, which at this log level writes nothing; decisions go to a file. */
function judging({ signal }: Case, { folder }: Places) {
  return {
    processors: { deployment: {}, health: {}, verdict: {} },
    exporters: { debug: {}, file: { path: join(folder, 'decisions.jsonl') } },
    pipelines: {
      [signal]: { receivers: ['otlp'], processors: ['deployment', 'health'], exporters: ['debug'] },
      decisions: { receivers: ['health'], processors: ['verdict'], exporters: ['file'] },
    },
  };
}
