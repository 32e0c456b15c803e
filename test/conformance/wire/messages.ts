/** OTLP messages from their .proto files: what an official encoder would send, and what a sink reads. */
import { join } from 'node:path';
import protobuf from 'protobufjs';

export const SIGNALS = ['traces', 'metrics', 'logs'] as const;
export type Signal = (typeof SIGNALS)[number];

const PROTO = join(import.meta.dirname, '../../../proto');
const COLLECTOR = 'opentelemetry.proto.collector';
const SERVICES = { traces: 'Trace', metrics: 'Metrics', logs: 'Logs' } as const;

export const HTTP_PATHS = { traces: '/v1/traces', metrics: '/v1/metrics', logs: '/v1/logs' } as const;
export const GRPC_PATHS = {
  traces: `/${COLLECTOR}.trace.v1.TraceService/Export`,
  metrics: `/${COLLECTOR}.metrics.v1.MetricsService/Export`,
  logs: `/${COLLECTOR}.logs.v1.LogsService/Export`,
} as const;

const root = new protobuf.Root();
root.resolvePath = (_, target) => join(PROTO, target);
root.loadSync([
  ...['trace', 'metrics', 'logs'].map((name) => `${COLLECTOR.replaceAll('.', '/')}/${name}/v1/${name}_service.proto`),
  'google/rpc/status.proto',
  'google/rpc/error_details.proto',
]);

export function typeNamed(name: string): protobuf.Type {
  return root.lookupType(name);
}

export function requestType(signal: Signal): protobuf.Type {
  return typeNamed(`${COLLECTOR}.${signal === 'traces' ? 'trace' : signal}.v1.Export${SERVICES[signal]}ServiceRequest`);
}

/** The protobuf form of a request in its JSON form (OTLP, JSON Protobuf Encoding): ids are hex, other bytes base64. */
export function protobufOf(signal: Signal, json: object): Buffer {
  const type = requestType(signal);
  return Buffer.from(type.encode(type.fromObject(withIdBytes(json) as object)).finish());
}

/** What a request says, as an object: without what is as good as not there; 64-bit integers as text, bytes as hex. */
export function readRequest(signal: Signal, message: Uint8Array): unknown {
  const type = requestType(signal);
  const plain = type.toObject(type.decode(message), { longs: String, bytes: Buffer });
  return withoutDefaults(JSON.parse(JSON.stringify(plain, withReadable)));
}

/** Fields that say something by being there, whatever their value: those of a oneof, and optional ones. */
const TELLING = /Value$|^as(?:Int|Double)$|^(?:sum|min|max)$/;

function withoutDefaults(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDefaults);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, withoutDefaults(inner)] as const);
  return Object.fromEntries(entries.filter(([key, inner]) => TELLING.test(key) || !isDefault(inner)));
}

function isDefault(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === 0 || value === '0' || value === '' || value === false || value === null;
}

const ID = /^(?:traceId|spanId|parentSpanId)$/;

function withIdBytes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withIdBytes);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      ID.test(key) && typeof inner === 'string' ? Buffer.from(inner, 'hex') : withIdBytes(inner),
    ]),
  );
}

/** What JSON cannot say: bytes (which arrive as `Buffer.toJSON` leaves them) and numbers that are none. */
function withReadable(_: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  const isBuffer = typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer';
  return isBuffer ? Buffer.from((value as unknown as { data: number[] }).data).toString('hex') : value;
}
