import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Case } from './cases.ts';
import { COLLECTOR } from './install.ts';
import { CONSUMERS, type Launch, type Places, QUEUE_BYTES, REQUEST_MIB_MAX, type System } from './system.ts';

export const collector: System = {
  name: 'collector',
  title: 'OpenTelemetry Collector',
  cannot: () => undefined,
  launch(one, places): Launch {
    const path = join(places.folder, 'collector.yaml');
    return { command: COLLECTOR, args: ['--config', path], files: { [path]: stringify(configOf(one, places)) } };
  },
};

/** Its own metrics and its log below `warn` are off; the queue blocks when it is full, where its default refuses. */
function configOf(one: Case, places: Places) {
  const { work, signal, isBatched } = one;
  const processors = [...(work === 'pass' ? [] : ['transform']), ...(isBatched ? ['batch'] : [])];
  const parts = work === 'judge' ? judging() : forwarding(one, places);
  const pipeline = { receivers: ['otlp'], processors, exporters: [parts.exporter] };
  return {
    receivers: { otlp: { protocols: receiving(one, places) } },
    processors: Object.fromEntries(processors.map((name) => [name, name === 'batch' ? {} : TRANSFORM])),
    ...parts.components,
    service: {
      telemetry: { metrics: { level: 'none' }, logs: { level: 'warn' } },
      pipelines: { [signal]: pipeline, ...parts.pipelines },
    },
  };
}

function receiving({ protocol }: Case, { grpcPort, httpPort }: Places) {
  return protocol === 'grpc'
    ? { grpc: { endpoint: `127.0.0.1:${grpcPort}`, max_recv_msg_size_mib: REQUEST_MIB_MAX } }
    : { http: { endpoint: `127.0.0.1:${httpPort}`, max_request_body_size: REQUEST_MIB_MAX * 1024 ** 2 } };
}

const STATEMENTS = ['set(resource.attributes["deployment.version"], resource.attributes["service.version"])'];
const TRANSFORM = { trace_statements: STATEMENTS, metric_statements: STATEMENTS, log_statements: STATEMENTS };

function forwarding({ protocol, encoding }: Case, { sink }: Places) {
  const shared = {
    compression: encoding === 'identity' ? 'none' : encoding,
    sending_queue: { sizer: 'bytes', queue_size: QUEUE_BYTES, num_consumers: CONSUMERS, block_on_overflow: true },
    timeout: '30s',
  };
  const [exporter, config] =
    protocol === 'grpc'
      ? ['otlp_grpc', { endpoint: `127.0.0.1:${sink.grpc}`, tls: { insecure: true }, ...shared }]
      : ['otlp_http', { endpoint: `http://127.0.0.1:${sink.http}`, ...shared }];
  return { exporter, components: { exporters: { [exporter as string]: config } }, pipelines: {} };
}

function judging() {
  const spanmetrics = {
    dimensions: [{ name: 'http.route' }],
    resource_metrics_key_attributes: ['service.name', 'service.version'],
    metrics_flush_interval: '1s',
  };
  return {
    exporter: 'span_metrics',
    components: { connectors: { span_metrics: spanmetrics }, exporters: { nop: {} } },
    pipelines: { metrics: { receivers: ['span_metrics'], exporters: ['nop'] } },
  };
}
