import { z } from 'zod';
import { clientTlsConfig } from '../../pipeline/client-tls.ts';
import { duration, secret } from '../../pipeline/config/scalars.ts';
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
  });

/** Names and values as gRPC metadata may have them; what a call itself says is not theirs to say. */
const NAME = /^(?!grpc-|te$|content-type$|connection$)[0-9a-z_.-]+$/i;
const VALUE = /^[\x20-\x7e]*$/;

export const otlpExporterConfig = z.strictObject({
  endpoint: target.describe('Where to send, as host:port. With http:// before it without TLS, with https:// over TLS.'),
  tls: clientTlsConfig.prefault({}),
  headers: z
    .record(z.string(), secret)
    .refine((headers) => Object.keys(headers).every((name) => NAME.test(name)), 'want names of gRPC metadata')
    .refine((headers) => Object.values(headers).every((value) => VALUE.test(value)), 'want values of printable ASCII')
    .default({})
    .describe('Headers (gRPC metadata) of every request. Never shown.'),
  compression: z.enum(['gzip', 'zstd', 'none']).default('gzip').describe('How requests are compressed.'),
  timeout: duration.prefault('5s').describe('How long one attempt may take.'),
  ...queuedExporterFields,
});

export type OtlpExporterConfig = z.output<typeof otlpExporterConfig>;
