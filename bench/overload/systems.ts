/** How the systems are set up: the same limits, the same queue, the same way through. */
import { join } from 'node:path';
import { stringify } from 'yaml';
import { COLLECTOR } from '../peers/install.ts';
import type { Launch } from '../peers/system.ts';
import type { Mode } from './modes.ts';

export type Name = 'windback' | 'collector';
export const TITLES: Readonly<Record<Name, string>> = { windback: 'Windback', collector: 'Collector' };

export interface Setting {
  readonly mode: Mode;
  readonly port: number;
  readonly sinkPort: number;
  readonly folder: string;
  readonly limitMib: number;
  /** Whether the kernel holds the limit, so that a process can see it. */
  readonly isConfined: boolean;
}

const LAUNCHER = join(import.meta.dirname, '../../cmd/launch.js');
/** What the Collector's documentation recommends for both, of the container's limit. */
const LIMIT_SHARE = 0.8;
const SPIKE_SHARE = 0.25;
/** Of the container's limit, what the queue may hold: what Windback takes unless told otherwise. */
const QUEUE_SHARE = 1 / 8;

export function launchOf(name: Name, setting: Setting): Launch {
  return name === 'windback' ? windback(setting) : collector(setting);
}

function limiterOf({ limitMib }: Setting) {
  return {
    check_interval: '1s',
    limit_mib: Math.floor(limitMib * LIMIT_SHARE),
    spike_limit_mib: Math.floor(limitMib * SPIKE_SHARE),
  };
}

function windback(setting: Setting): Launch {
  const { mode, port, sinkPort, folder, limitMib, isConfined } = setting;
  const path = join(folder, 'windback.yaml');
  const queueMib = limitMib * QUEUE_SHARE;
  const config = {
    receivers: {
      otlp: {
        protocols: { [mode.protocol]: { endpoint: `127.0.0.1:${port}` } },
        // Without a control group there is no limit that the default could be a part of.
        ...(isConfined ? {} : { max_in_flight: `${queueMib}MiB` }),
      },
    },
    processors: { memory_limiter: limiterOf(setting), deployment: {}, health: {}, verdict: {} },
    exporters: {
      otlp: {
        endpoint: `127.0.0.1:${sinkPort}`,
        tls: { insecure: true },
        compression: mode.encoding === 'identity' ? 'none' : mode.encoding,
        sending_queue: { sizer: 'bytes', queue_size: `${queueMib}MiB` },
      },
      file: { path: join(folder, 'decisions.jsonl') },
    },
    extensions: { health_check: { enabled: false } },
    service: {
      telemetry: { logs: { level: 'warn' }, metrics: { level: 'none' } },
      pipelines: {
        traces: { receivers: ['otlp'], processors: ['memory_limiter', 'deployment', 'health'], exporters: ['otlp'] },
        decisions: { receivers: ['health'], processors: ['verdict'], exporters: ['file'] },
      },
    },
  };
  return { command: process.execPath, args: [LAUNCHER, 'run', '--config', path], files: { [path]: stringify(config) } };
}

function collector(setting: Setting): Launch {
  const { mode, port, sinkPort, folder, limitMib } = setting;
  const path = join(folder, 'collector.yaml');
  const config = {
    receivers: { otlp: { protocols: { [mode.protocol]: { endpoint: `127.0.0.1:${port}` } } } },
    processors: {
      memory_limiter: limiterOf(setting),
      transform: {
        trace_statements: ['set(resource.attributes["deployment.version"], resource.attributes["service.version"])'],
      },
    },
    exporters: {
      otlp_grpc: {
        endpoint: `127.0.0.1:${sinkPort}`,
        tls: { insecure: true },
        compression: mode.encoding === 'identity' ? 'none' : mode.encoding,
        sending_queue: { sizer: 'bytes', queue_size: limitMib * QUEUE_SHARE * 1024 ** 2 },
      },
    },
    service: {
      telemetry: { metrics: { level: 'none' }, logs: { level: 'error' } },
      pipelines: {
        traces: { receivers: ['otlp'], processors: ['memory_limiter', 'transform'], exporters: ['otlp_grpc'] },
      },
    },
  };
  const env = { GOMEMLIMIT: `${Math.floor(limitMib * LIMIT_SHARE)}MiB` };
  return { command: COLLECTOR, args: ['--config', path], env, files: { [path]: stringify(config) } };
}
