import { z } from 'zod';
import { clientTlsConfig } from '../../pipeline/client-tls.ts';
import { duration, secret } from '../../pipeline/config/scalars.ts';
import { queuedExporterFields } from '../../pipeline/queue-config.ts';

const url = z
  .string()
  .refine((text) => URL.canParse(text) && /^https?:\/\//.test(text), 'want a URL, such as http://backend:4318')
  // A URL is logged and shown; a password must not be.
  .refine((text) => !/^https?:\/\/[^/]*@/.test(text), 'want no user or password in the URL; put them into headers');

export const otlpHttpExporterConfig = z.strictObject({
  endpoint: url.describe('Where to send: a URL to which /v1/traces, /v1/metrics or /v1/logs is added.'),
  traces_endpoint: url.optional().describe('Where to send traces, as the whole URL.'),
  metrics_endpoint: url.optional().describe('Where to send metrics, as the whole URL.'),
  logs_endpoint: url.optional().describe('Where to send logs, as the whole URL.'),
  encoding: z.enum(['proto', 'json']).default('proto').describe('The form of the requests.'),
  tls: clientTlsConfig.prefault({}),
  headers: z.record(z.string(), secret).default({}).describe('Headers of every request. Never shown.'),
  compression: z.enum(['gzip', 'zstd', 'none']).default('gzip').describe('How requests are compressed.'),
  timeout: duration.prefault('30s').describe('How long one attempt may take.'),
  ...queuedExporterFields,
});

export type OtlpHttpExporterConfig = z.output<typeof otlpHttpExporterConfig>;
