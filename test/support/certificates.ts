import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const KEYS = {
  ec: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
  rsa: ['-newkey', 'rsa:2048'],
};

/** Certificates by openssl, as files `NAME.pem` and `NAME.key`: of authorities of our own, and of whom they certify. */
export class Certificates {
  readonly folder = mkdtempSync(join(tmpdir(), 'windback-tls-'));
  /** Where a file of this name is. */
  readonly file = (name: string): string => join(this.folder, name);

  /** With the authority `ca`. */
  constructor() {
    writeFileSync(this.file('names'), 'subjectAltName=DNS:localhost,DNS:backend.test,IP:127.0.0.1\n');
    this.authority('ca');
  }

  read(name: string): Buffer {
    return readFileSync(this.file(name));
  }

  authority(name: string): void {
    const extension = ['-addext', 'basicConstraints=critical,CA:TRUE'];
    const out = ['-out', `${name}.pem`, '-keyout', `${name}.key`];
    this.#openssl('req', '-x509', ...KEYS.ec, '-nodes', '-days', '2', '-subj', `/CN=${name}`, ...extension, ...out);
  }

  /** Of a server or a client, certified by the authority `by`. */
  issue(name: string, by = 'ca', kind: keyof typeof KEYS = 'ec'): void {
    const out = ['-out', `${name}.csr`, '-keyout', `${name}.key`];
    this.#openssl('req', ...KEYS[kind], '-nodes', '-subj', `/CN=${name}`, ...out);
    const signer = ['-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial', '-days', '2', '-extfile', 'names'];
    this.#openssl('x509', '-req', '-in', `${name}.csr`, ...signer, '-out', `${name}.pem`);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.folder, stdio: 'pipe' });
  }
}

/** Of an authority `ca`, and of a `server` and a `client` that it certifies. */
export function makeCertificates(): Certificates {
  const made = new Certificates();
  for (const name of ['server', 'client']) made.issue(name);
  return made;
}
