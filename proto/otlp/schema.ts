import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import type { TelemetrySignal } from './columns.ts';

/** The .proto files that a process may need, relative to `proto/`. What they import is loaded with them. */
const FILES = [
  'opentelemetry/proto/collector/trace/v1/trace_service.proto',
  'opentelemetry/proto/collector/metrics/v1/metrics_service.proto',
  'opentelemetry/proto/collector/logs/v1/logs_service.proto',
  'google/rpc/status.proto',
  'google/rpc/error_details.proto',
  'windback/health.proto',
] as const;

const SERVICE: Readonly<Record<TelemetrySignal, string>> = { traces: 'trace', metrics: 'metrics', logs: 'logs' };

let loaded: protobuf.Root | undefined;

/**
 * The message type of a full name without a leading dot, such as `google.rpc.Status`. The files are read and parsed
 * at the first call of the process. Throws where there is no such message.
 */
export function messageType(name: string): protobuf.Type {
  loaded ??= load();
  return loaded.lookupType(name);
}

/** `Export{Trace,Metrics,Logs}ServiceRequest`. */
export function requestType(signal: TelemetrySignal): protobuf.Type {
  return messageType(`${collectorPackage(signal)}.Export${serviceName(signal)}ServiceRequest`);
}

/** `Export{Trace,Metrics,Logs}ServiceResponse`. */
export function responseType(signal: TelemetrySignal): protobuf.Type {
  return messageType(`${collectorPackage(signal)}.Export${serviceName(signal)}ServiceResponse`);
}

function collectorPackage(signal: TelemetrySignal): string {
  return `opentelemetry.proto.collector.${SERVICE[signal]}.v1`;
}

function serviceName(signal: TelemetrySignal): string {
  const name = SERVICE[signal];
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function load(): protobuf.Root {
  const root = new protobuf.Root();
  // Imports are written relative to `proto/`, not to the importing file.
  root.resolvePath = (_importer, target) =>
    target.startsWith('google/protobuf/') ? target : fileURLToPath(new URL(`../${target}`, import.meta.url));
  root.loadSync([...FILES]);
  root.resolveAll();
  return root;
}
