import { z } from 'zod';
import type {
  ComponentTable,
  ExporterFactory,
  ProcessorFactory,
  ReceiverFactory,
} from '../../../pipeline/component.ts';
import { loadConfig } from '../../../pipeline/config/load.ts';
import type { LoadedConfig } from '../../../pipeline/config/loaded.ts';
import { ConfigError, formatProblems } from '../../../pipeline/config/report.ts';
import { duration, endpoint, secret, size } from '../../../pipeline/config/scalars.ts';

const create = (): never => {
  throw new Error('these factories are only configured');
};
const telemetry = ['traces', 'metrics', 'logs'] as const;
const declared = { stability: 'beta', summary: 'For tests.', create } as const;

const otlpReceiver: ReceiverFactory = {
  ...declared,
  type: 'otlp',
  emits: telemetry,
  config: z.strictObject({
    protocols: z
      .strictObject({
        grpc: z.strictObject({ endpoint: endpoint.prefault('localhost:4317') }).optional(),
        http: z.strictObject({ endpoint: endpoint.prefault('localhost:4318') }).optional(),
      })
      .prefault({})
      .describe('Which protocols to listen on.'),
    max_request_size: size.prefault('4MiB').describe('The largest request.'),
  }),
};

const health: ProcessorFactory = {
  ...declared,
  type: 'health',
  accepts: telemetry,
  emits: [...telemetry, 'health'],
  mutates: false,
  config: z.strictObject({ interval: duration.prefault('1s') }),
};

const limiter: ProcessorFactory = {
  ...declared,
  type: 'memory_limiter',
  accepts: telemetry,
  emits: telemetry,
  mutates: false,
  config: z.strictObject({ limit_mib: z.int().min(1), check_interval: duration.prefault('1s') }),
};

const kafka: ExporterFactory = {
  ...declared,
  type: 'kafka',
  accepts: [...telemetry, 'health', 'decisions'],
  config: z.strictObject({
    brokers: z.array(z.string()).min(1).describe('The brokers to begin with.'),
    topic: z.string().default('decisions'),
    acks: z.enum(['all', 'leader']).default('all'),
    auth: z
      .discriminatedUnion('mechanism', [
        z.strictObject({ mechanism: z.literal('plain'), username: z.string(), password: secret }),
        z.strictObject({ mechanism: z.literal('token'), token: secret }),
      ])
      .optional(),
    headers: z.record(z.string(), secret).prefault({}),
    proxy: z.string().optional(),
  }),
};

const debug: ExporterFactory = { ...declared, type: 'debug', accepts: telemetry, config: z.strictObject({}) };

export const table: ComponentTable = {
  receivers: [otlpReceiver],
  processors: [limiter, health],
  exporters: [kafka, debug],
};

interface Given {
  readonly files?: Readonly<Record<string, string>>;
  readonly sources?: readonly string[];
  readonly sets?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Loads `yaml` as `config.yaml`, or the sources given. */
export function load(
  yaml: string,
  { files = {}, sources = ['config.yaml'], sets = [], env = {} }: Given = {},
): LoadedConfig {
  const readFile = (path: string): string => {
    const text = { 'config.yaml': yaml, ...files }[path];
    if (text === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
    return text;
  };
  return loadConfig({ sources, sets, env, readFile }, table);
}

/** The problems of a configuration, one line each. */
export function problems(yaml: string, given: Given = {}): string[] {
  try {
    load(yaml, given);
  } catch (error) {
    if (error instanceof ConfigError) return formatProblems(error.problems).split('\n');
    throw error;
  }
  return [];
}

/** A whole valid configuration, to which a test adds its part. */
export const GOOD = `receivers:
  otlp:
    protocols:
      grpc:
exporters:
  debug:
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [debug]}
`;
