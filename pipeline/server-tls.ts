import type { SecureContextOptions, Server as TlsServer, TlsOptions } from 'node:tls';
import { z } from 'zod';
import { checkAuthorities, tryCertificates } from './certificates.ts';
import type { Clock } from './clock.ts';
import { duration } from './config/scalars.ts';
import type { Logger } from './telemetry/logger.ts';
import { WatchedFiles } from './watched-files.ts';

/** How a listener shows itself and checks its clients. Keys are the Collector's. */
export const serverTlsConfig = z
  .strictObject({
    cert_file: z
      .string()
      .describe('The certificate (PEM) to show to clients, with those between it and its authority.'),
    key_file: z.string().describe('The private key (PEM) of cert_file.'),
    client_ca_file: z
      .string()
      .optional()
      .describe(
        'Certificates (PEM) of the authorities that clients must be certified by (mTLS). Without it, none need be.',
      ),
    min_version: z.enum(['1.2', '1.3']).default('1.2').describe('The oldest version of TLS to speak.'),
    reload_interval: duration
      .refine((ms) => ms > 0, 'want more than 0')
      .prefault('1m')
      .describe('How often the files are looked at. New ones hold for connections from then on.'),
  })
  .describe('TLS, and which clients are let in. Without it connections are not encrypted.');

export type ServerTlsConfig = z.output<typeof serverTlsConfig>;

/**
 * For TLS 1.2 no suite but those with forward secrecy and authenticated encryption (RFC 9325, 4.2); those of 1.3 are all
 * of that kind.
 */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  ...['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'CHACHA20-POLY1305'].flatMap((suite) => [
    `ECDHE-ECDSA-${suite}`,
    `ECDHE-RSA-${suite}`,
  ]),
].join(':');

/** The files of a listener's TLS, as they were when they last fitted together. */
export class ServerTls {
  readonly #config: ServerTlsConfig;
  readonly #key: string;
  readonly #files: WatchedFiles;
  #context: SecureContextOptions = {};

  private constructor(config: ServerTlsConfig, key: string) {
    const { cert_file, key_file, client_ca_file } = config;
    this.#config = config;
    this.#key = key;
    this.#files = new WatchedFiles({
      [`${key}.cert_file`]: cert_file,
      [`${key}.key_file`]: key_file,
      [`${key}.client_ca_file`]: client_ca_file,
    });
  }

  /** `key`: where the configuration has it, for errors. Rejects with `file_unreadable` or `bad_certificate`. */
  static async load(config: ServerTlsConfig, key: string): Promise<ServerTls> {
    const tls = new ServerTls(config, key);
    tls.#context = await tls.#read();
    return tls;
  }

  /** Options of `node:tls`, for a server that speaks `protocols` (ALPN). */
  options(protocols: readonly string[]): TlsOptions {
    const asksForCertificate = this.#config.client_ca_file !== undefined;
    return {
      ...this.#context,
      ALPNProtocols: [...protocols],
      requestCert: asksForCertificate,
      rejectUnauthorized: asksForCertificate,
    };
  }

  /** Lets `server` show new certificates when the files change. Returns how to end that. */
  keepFresh(server: TlsServer, clock: Clock, logger: Logger): () => void {
    this.#checkDates(logger);
    const watching = { periodMs: this.#config.reload_interval, clock, logger, subject: { key: this.#key } };
    return this.#files.keepFresh({ ...watching, what: 'certificates' }, async () => {
      this.#context = await this.#read();
      server.setSecureContext(this.#context);
      this.#checkDates(logger);
    });
  }

  /** Clients will refuse it; that it is shown all the same lets those go on that do not look. */
  #checkDates(logger: Logger): void {
    const { validFromDate, validToDate } = new (process.getBuiltinModule('node:crypto').X509Certificate)(
      this.#context.cert as Buffer,
    );
    const now = Date.now();
    const subject = { key: `${this.#key}.cert_file`, valid_from: validFromDate, valid_to: validToDate };
    if (now > validToDate.getTime()) logger.warn(subject, 'the certificate of this listener has expired');
    if (now < validFromDate.getTime()) logger.warn(subject, 'the certificate of this listener is not valid yet');
  }

  async #read(): Promise<SecureContextOptions> {
    const files = await this.#files.read();
    const [cert, key, ca] = ['cert_file', 'key_file', 'client_ca_file'].map((name) =>
      files.get(`${this.#key}.${name}`),
    );
    const { SSL_OP_NO_RENEGOTIATION } = process.getBuiltinModule('node:crypto').constants;
    const context: SecureContextOptions = {
      ...(cert && { cert }),
      ...(key && { key }),
      ...(ca && { ca }),
      ciphers: CIPHERS,
      // Nobody needs to shake hands again, and it costs us more than the client. What node:tls has against it
      // (`disableRenegotiation`) reports it and lets it happen.
      secureOptions: SSL_OP_NO_RENEGOTIATION,
      honorCipherOrder: true,
      minVersion: `TLSv${this.#config.min_version}`,
    };
    const { cert_file, key_file, client_ca_file } = this.#config;
    tryCertificates(`${cert_file}, ${key_file} (${this.#key})`, () =>
      process.getBuiltinModule('node:tls').createSecureContext(context),
    );
    if (ca !== undefined)
      tryCertificates(`${client_ca_file} (${this.#key}.client_ca_file)`, () => checkAuthorities(ca));
    return context;
  }
}
