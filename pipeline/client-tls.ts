import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { PipelineError } from './errors.ts';

/** How a client checks its server and shows itself. Keys are the Collector's. */
export const clientTlsConfig = z
  .strictObject({
    insecure: z
      .boolean()
      .default(false)
      .describe('Whether to connect without TLS. An endpoint that begins with http:// or https:// decides by itself.'),
    ca_file: z.string().optional().describe("Certificates (PEM) to trust instead of the system's."),
    cert_file: z.string().optional().describe('The certificate (PEM) to show to the server; goes with key_file.'),
    key_file: z.string().optional().describe('The private key (PEM) of cert_file.'),
    server_name_override: z.string().optional().describe("The name to expect in the server's certificate."),
    insecure_skip_verify: z.boolean().default(false).describe('Whether to accept any certificate. For tests only.'),
  })
  .refine(
    (tls) => (tls.cert_file === undefined) === (tls.key_file === undefined),
    'want cert_file and key_file together',
  )
  .describe('How to connect securely.');

export type ClientTlsConfig = z.output<typeof clientTlsConfig>;

/** Options of `node:tls`. */
export interface ClientTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized: boolean;
}

/** Reads the files. Rejects with `file_unreadable`. */
export async function loadClientTls(config: ClientTlsConfig): Promise<ClientTls> {
  const [ca, cert, key] = await Promise.all(
    (['ca_file', 'cert_file', 'key_file'] as const).map(async (name) => {
      const path = config[name];
      if (path === undefined) return undefined;
      try {
        return await readFile(path);
      } catch (error) {
        throw new PipelineError('file_unreadable', `${path} (tls.${name}): ${(error as Error).message}`, {
          cause: error,
        });
      }
    }),
  );
  return {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(config.server_name_override !== undefined && { servername: config.server_name_override }),
    rejectUnauthorized: !config.insecure_skip_verify,
  };
}
