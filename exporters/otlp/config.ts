import { z } from 'zod';
import { clientTlsConfig } from '../../pipeline/client-tls.ts';
import { requestHeaders } from '../../pipeline/config/request-headers.ts';
import { duration } from '../../pipeline/config/scalars.ts';
import { queuedExporterFields } from '../../pipeline/queue-config.ts';

const target = z
  .string()
  .regex(
    /^(https?:\/\/)?(\[[0-9a-fA-F:]+\]|[^:\s/[\]@]+):\d{1,5}\/?$/,
    'want host:port, such as backend:4317, or http://host:port',
  )
  .transform((text) => {
    const [, scheme, address] = /^(?:(https?):\/\/)?(.*?)\/?$/.exec(text) as RegExpExecArray;
    return { address: address as string, scheme: scheme as 'http' | 'https' | undefined };
  })
  .refine(({ address }) => Number(address.slice(address.lastIndexOf(':') + 1)) <= 65_535, 'want a port up to 65535');

/** What a call itself says is not theirs to say. */
const NAME = /^(?!grpc-|te$|content-type$|connection$)[0-9a-z_.-]+$/i;

export const otlpExporterConfig = z.strictObject({
  endpoint: target.describe('Where to send, as host:port. With http:// before it without TLS, with https:// over TLS.'),
  tls: clientTlsConfig.prefault({}),
  headers: requestHeaders(NAME, 'gRPC metadata').describe('Headers (gRPC metadata) of every request. Never shown.'),
  compression: z.enum(['gzip', 'zstd', 'none']).default('gzip').describe('How requests are compressed.'),
  timeout: duration
    .prefault('5s')
    .refine((ms) => ms > 0, 'want more than 0')
    .describe('How long one attempt may take.'),
  ...queuedExporterFields,
});

export type OtlpExporterConfig = z.output<typeof otlpExporterConfig>;
