import { z } from 'zod';
import { clientTlsConfig } from '../../pipeline/client-tls.ts';
import { requestHeaders } from '../../pipeline/config/request-headers.ts';
import { duration } from '../../pipeline/config/scalars.ts';
import { queuedExporterFields } from '../../pipeline/queue-config.ts';

/** A token of RFC 9110; what a request says of its body and its connection is not theirs to say. */
const NAME =
  /^(?!(content-(type|length|encoding)|connection|transfer-encoding|te|upgrade|expect|keep-alive)$)[0-9a-z!#$%&'*+.^_`|~-]+$/i;

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
  headers: requestHeaders(NAME, 'HTTP headers that are not about the body or the connection').describe(
    'Headers of every request. Never shown.',
  ),
  compression: z.enum(['gzip', 'zstd', 'none']).default('gzip').describe('How requests are compressed.'),
  timeout: duration
    .prefault('30s')
    // The longest delay that a timer of Node can hold.
    .refine((ms) => ms > 0 && ms < 2 ** 31, 'want more than 0 and less than 24d')
    .describe('How long one attempt may take.'),
  ...queuedExporterFields,
});

export type OtlpHttpExporterConfig = z.output<typeof otlpHttpExporterConfig>;
