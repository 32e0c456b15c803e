import { z } from 'zod';
import type { Clock } from './clock.ts';
import { duration } from './config/scalars.ts';
import type { Logger } from './telemetry/logger.ts';
import { checkAuthorities, tryCertificates } from './certificates.ts';
import { WatchedFiles } from './watched-files.ts';

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
    reload_interval: duration
      .refine((ms) => ms > 0, 'want more than 0')
      .prefault('1m')
      .describe('How often the files are looked at. New ones hold for connections from then on.'),
  })
  .refine(
    (tls) => (tls.cert_file === undefined) === (tls.key_file === undefined),
    'want cert_file and key_file together',
  )
  .describe('How to connect securely.');

export type ClientTlsConfig = z.output<typeof clientTlsConfig>;

/** Options of `node:tls`. */
export interface ClientTlsOptions {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized: boolean;
}

const FILES = ['ca_file', 'cert_file', 'key_file'] as const;

/** The files of a client's TLS, as they were when they could last be used. */
export class ClientTls {
  readonly #config: ClientTlsConfig;
  readonly #files: WatchedFiles;
  #options: ClientTlsOptions;

  private constructor(config: ClientTlsConfig) {
    this.#config = config;
    this.#files = new WatchedFiles(Object.fromEntries(FILES.map((name) => [`tls.${name}`, config[name]])));
    this.#options = { rejectUnauthorized: true };
  }

  /** Rejects with `file_unreadable` or `bad_certificate`. */
  static async load(config: ClientTlsConfig): Promise<ClientTls> {
    const tls = new ClientTls(config);
    tls.#options = await tls.#read();
    return tls;
  }

  /** For the next connection. */
  get options(): ClientTlsOptions {
    return this.#options;
  }

  /** Reads the files again when they change; `onNew` is called then. Returns how to end that. */
  keepFresh(clock: Clock, logger: Logger, onNew: () => void = () => {}): () => void {
    const { reload_interval: periodMs } = this.#config;
    if (FILES.every((name) => this.#config[name] === undefined)) return () => {};
    const watching = { periodMs, clock, logger, subject: { key: 'tls' }, what: 'certificates' };
    return this.#files.keepFresh(watching, async () => {
      this.#options = await this.#read();
      onNew();
    });
  }

  async #read(): Promise<ClientTlsOptions> {
    const { server_name_override, insecure_skip_verify } = this.#config;
    const files = await this.#files.read();
    const [ca, cert, key] = FILES.map((name) => files.get(`tls.${name}`));
    const own = { ...(cert && { cert }), ...(key && { key }) };
    if (ca !== undefined) this.#try(['ca_file'], () => checkAuthorities(ca));
    if (cert !== undefined)
      this.#try(['cert_file', 'key_file'], () => process.getBuiltinModule('node:tls').createSecureContext(own));
    return {
      ...(ca && { ca }),
      ...own,
      ...(server_name_override !== undefined && { servername: server_name_override }),
      rejectUnauthorized: !insecure_skip_verify,
    };
  }

  #try(names: readonly (typeof FILES)[number][], use: () => unknown): void {
    const said = names.map((name) => `${this.#config[name]} (tls.${name})`).join(', ');
    tryCertificates(said, use);
  }
}
