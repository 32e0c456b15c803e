/** The parts of a configuration that are the same whatever components exist. */
import { z } from 'zod';
import type { Signal } from '../batch.ts';
import { basicAuthConfig, bearerTokenAuthConfig } from '../auth/config.ts';
import { fileStorageConfig } from './file-storage.ts';
import { serverTlsConfig } from '../server-tls.ts';
import { duration, endpoint } from './scalars.ts';

export const SIGNALS = ['traces', 'metrics', 'logs', 'health', 'decisions'] as const satisfies readonly Signal[];

/** The sections that hold components, by the word for one of them. */
export const SECTIONS = {
  receivers: 'receiver',
  processors: 'processor',
  exporters: 'exporter',
  connectors: 'connector',
  extensions: 'extension',
} as const;

export type Section = keyof typeof SECTIONS;

/** `type` or `type/name`, as in the Collector. */
export const ID = /^(?<type>[A-Za-z][A-Za-z0-9_]{0,62})(?:\/(?<name>[^\s\p{C}]{1,1024}))?$/u;

export const healthCheckConfig = z.strictObject({
  enabled: z.boolean().default(true).describe('Whether /livez and /readyz are served.'),
  endpoint: endpoint.prefault('localhost:13133').describe('Where /livez and /readyz are served.'),
  tls: serverTlsConfig.optional(),
});

const ignoredConfig = z.looseObject({}).describe('Accepted, without effect.');

/** Extensions of the Collector that a configuration may name. Those that are `ignored` do nothing here. */
export const EXTENSIONS: Readonly<Record<string, { readonly config: z.ZodType; readonly isIgnored: boolean }>> = {
  health_check: { config: healthCheckConfig, isIgnored: false },
  file_storage: { config: fileStorageConfig, isIgnored: false },
  bearertokenauth: { config: bearerTokenAuthConfig, isIgnored: false },
  basicauth: { config: basicAuthConfig, isIgnored: false },
  pprof: { config: ignoredConfig, isIgnored: true },
  zpages: { config: ignoredConfig, isIgnored: true },
};

const prometheusReader = z.strictObject({
  pull: z.strictObject({
    exporter: z.strictObject({
      prometheus: z.looseObject({
        host: z.string().default('localhost').describe('The host to listen on.'),
        port: z.int().min(0).max(65_535).default(8888).describe('The port to listen on.'),
      }),
    }),
  }),
});

const telemetryConfig = z.strictObject({
  logs: z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error'])
        .default('info')
        .describe('The least severity that is written to stderr.'),
    })
    .prefault({})
    .describe("Windback's own log."),
  metrics: z
    .strictObject({
      level: z
        .enum(['none', 'basic', 'normal', 'detailed'])
        .default('normal')
        .describe('`none` serves no metrics and no API; the other levels are the same.'),
      endpoint: endpoint
        .prefault('localhost:8888')
        .describe('Where /metrics is served, in the Prometheus text format.'),
      address: endpoint.optional().describe('The same as `endpoint`, as older Collectors write it.'),
      readers: z
        .array(prometheusReader)
        .max(1)
        .optional()
        .describe('The same as `endpoint`, as newer Collectors write it.'),
      tls: serverTlsConfig.optional(),
    })
    .prefault({})
    .describe("Windback's own metrics."),
  admin: z
    .strictObject({
      token: z
        .string()
        .min(16, 'want at least 16 characters')
        .meta({ secret: true })
        .optional()
        .describe(
          'What a request that changes something must carry (Authorization: Bearer). Without it such requests are taken on loopback addresses only.',
        ),
    })
    .prefault({})
    .describe("The operator's API, served where the metrics are."),
});

const WORKERS_MAX = 64;

const ids = z.array(z.string());

const pipelineConfig = z.strictObject({
  receivers: ids.min(1).describe('Where its data comes from.'),
  processors: ids.default([]).describe('What the data passes through, in this order.'),
  exporters: ids.min(1).describe('Where its data goes, to each of them.'),
});

export const serviceConfig = z.strictObject({
  extensions: ids.default([]).describe('The extensions to start.'),
  telemetry: telemetryConfig.prefault({}).describe('What Windback tells about itself.'),
  shutdown_timeout: duration
    .prefault('15s')
    .describe('How long stopping may take. What is still queued in memory after that is lost, and counted.'),
  workers: z
    .union([z.int().min(1).max(WORKERS_MAX), z.enum(['auto'])])
    .default(1)
    .describe(
      'How many threads receive and fold telemetry; `auto`: one for each core. With 1 everything runs in one thread.',
    ),
  pipelines: z
    .record(z.string(), pipelineConfig)
    .prefault({})
    .describe('Pipelines by `signal` or `signal/name`; a signal is traces, metrics, logs, health or decisions.'),
});

const section = (description: string) => z.record(z.string(), z.unknown()).prefault({}).describe(description);

export const rootConfig = z.strictObject({
  receivers: section('Where data comes from, by id: `type` or `type/name`.'),
  processors: section('What happens to it on the way, by id.'),
  exporters: section('Where it goes, by id.'),
  connectors: section('The same as `processors`, for those that the Collector would call connectors.'),
  extensions: section('What runs beside the pipelines, by id.'),
  service: serviceConfig.prefault({}).describe('Which components are used, and how they are connected.'),
});
