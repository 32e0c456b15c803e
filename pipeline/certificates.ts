import { PipelineError } from './errors.ts';

/** Uses certificates, `what` of the configuration. Throws `bad_certificate` where that fails. */
export function tryCertificates(what: string, use: () => unknown): void {
  try {
    use();
  } catch (error) {
    throw new PipelineError('bad_certificate', `${what}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Throws where a file of authorities holds anything but certificates. OpenSSL passes over what is none, and over a half
 * of one: then the other side would be refused for no reason.
 */
export function checkAuthorities(pem: Buffer): void {
  const { X509Certificate } = process.getBuiltinModule('node:crypto');
  const blocks = pem.toString('latin1').split(/(?=-----BEGIN )/);
  const certificates = blocks.filter((block) => block.startsWith('-----BEGIN '));
  if (certificates.length === 0) throw new Error('there is no certificate in it');
  for (const certificate of certificates) new X509Certificate(certificate);
}
