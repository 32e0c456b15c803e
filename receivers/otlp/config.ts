import { z } from 'zod';
import { authConfig } from '../../pipeline/auth/config.ts';
import { duration, endpoint, size } from '../../pipeline/config/scalars.ts';
import { serverTlsConfig } from '../../pipeline/server-tls.ts';
import { EXPORT_PATHS } from '../../proto/otlp/export.ts';

const urlPath = z.string().regex(/^\//, 'want a path that begins with /');

/** What both protocols have. */
const listenerFields = {
  max_request_size: size
    .prefault('64MiB')
    .describe('The largest request, as sent and again when decompressed. Larger ones are refused for good.'),
  request_timeout: duration
    .prefault('30s')
    // The longest delay that a timer of Node can hold.
    .refine((ms) => ms > 0 && ms < 2 ** 31, 'want more than 0 and less than 24d')
    .describe('How long a request may take to arrive in full. A slower client is refused.'),
  max_connections: z.int().min(1).default(4096).describe('How many connections may be open. More are closed at once.'),
  tls: serverTlsConfig.optional(),
  auth: authConfig.optional(),
};

const grpcConfig = z.strictObject({
  endpoint: endpoint.prefault('localhost:4317').describe('Where to listen, as host:port.'),
  ...listenerFields,
  max_recv_msg_size_mib: z
    .int()
    .min(1)
    .optional()
    .describe("The Collector's key for max_request_size, in MiB; where it is given it holds."),
  max_concurrent_streams: z
    .int()
    .min(1)
    .default(256)
    .describe('How many requests may be under way on one connection. More of them wait at the client.'),
});

const corsConfig = z
  .strictObject({
    allowed_origins: z
      .array(z.string().min(1))
      .min(1)
      .describe('Origins of the pages that may send, such as https://shop.example; a * stands for any text.'),
    allowed_headers: z
      .array(z.string().min(1))
      .default([])
      .describe(
        'Request headers that pages may send beside Accept, Content-Type and Content-Encoding, such as authorization where there is auth; a * allows all.',
      ),
    max_age: duration.prefault('2h').describe('How long a browser may remember the answer.'),
  })
  .describe('Which web pages may send telemetry from a browser. Without it, none may.');

const httpConfig = z.strictObject({
  endpoint: endpoint.prefault('localhost:4318').describe('Where to listen, as host:port; HTTP/1.1 and HTTP/2 alike.'),
  ...listenerFields,
  traces_url_path: urlPath.default(EXPORT_PATHS.traces).describe('Where traces are posted.'),
  metrics_url_path: urlPath.default(EXPORT_PATHS.metrics).describe('Where metrics are posted.'),
  logs_url_path: urlPath.default(EXPORT_PATHS.logs).describe('Where logs are posted.'),
  cors: corsConfig.optional(),
});

/** As in the Collector, a protocol that is named with nothing below it has the defaults. */
const protocolsConfig = z
  .strictObject({
    grpc: grpcConfig
      .nullable()
      .transform((value) => value ?? grpcConfig.parse({}))
      .optional()
      .describe('OTLP over gRPC. Named with nothing below it: the defaults.'),
    http: httpConfig
      .nullable()
      .transform((value) => value ?? httpConfig.parse({}))
      .optional()
      .describe('OTLP over HTTP, protobuf and JSON. Named with nothing below it: the defaults.'),
  })
  .refine(({ grpc, http }) => grpc !== undefined || http !== undefined, 'want grpc, http or both')
  .describe('The protocols to serve; at least one.');

const tenantLimits = {
  max_in_flight: size
    .optional()
    .describe(
      'How many bytes of requests of one tenant may be in memory at once, within max_in_flight of the receiver.',
    ),
  max_bytes_per_second: size
    .refine((bytes) => bytes > 0, 'want more than 0B')
    .optional()
    .describe('How much one tenant may send per second, as it comes, on average; twice as much at once.'),
};

const tenantsConfig = z
  .strictObject({
    header: z
      .string()
      .min(1)
      .default('X-Scope-OrgID')
      .describe(
        'The request header, or gRPC metadata, that names the tenant. Requests without it share one set of limits.',
      ),
    ...tenantLimits,
    overrides: z
      .record(z.string(), z.strictObject(tenantLimits))
      .default({})
      .describe('Other limits for single tenants, by name.'),
  })
  .describe(
    'What each tenant may send. Beyond it clients are told to retry. In each thread where there are ingest workers.',
  );

export const otlpReceiverConfig = z.strictObject({
  protocols: protocolsConfig,
  max_in_flight: z
    .union([z.literal('auto'), size])
    .default('auto')
    .describe(
      "How many bytes of requests may be in memory at once, over all clients, as sent and decompressed, until the pipelines have taken them; many items in few bytes count as what is read of them. Beyond it clients are told to retry. auto is a sixteenth of the container's memory limit, or of the machine's memory, and at most 256MiB.",
    ),
  max_item_size: size
    .refine((bytes) => bytes > 0, 'want more than 0B')
    .prefault('4MiB')
    .describe(
      'The largest span, data point or log record. Larger ones are refused for good, and the client is told how many (partial success); the rest of their request is accepted.',
    ),
  tenants: tenantsConfig.optional(),
});

export type TenantsConfig = z.output<typeof tenantsConfig>;
export type TenantLimits = Pick<TenantsConfig, 'max_in_flight' | 'max_bytes_per_second'>;
export type OtlpReceiverConfig = z.output<typeof otlpReceiverConfig>;
export type GrpcConfig = z.output<typeof grpcConfig>;
export type HttpConfig = z.output<typeof httpConfig>;
export type CorsConfig = z.output<typeof corsConfig>;

/** What there is to warn of where other machines reach a listener. */
export function exposureOf({ auth, tls }: Pick<GrpcConfig, 'auth' | 'tls'>): string | undefined {
  if (auth === undefined && tls?.client_ca_file === undefined) return 'nothing asks them who they are';
  return tls === undefined
    ? 'the tokens or passwords that clients send are not encrypted: configure tls, or have a proxy for it'
    : undefined;
}
