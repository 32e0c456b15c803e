import { createHash } from 'node:crypto';
import type { LoadedConfig } from './loaded.ts';
import { printConfig } from './redact.ts';

/**
 * Tells configurations apart, by the first 16 hex digits of the SHA-256 of what `windback print-config` prints. Secrets
 * are not in it: from a hash that anybody may read, a weak one could be guessed.
 */
export function configHash(loaded: LoadedConfig): string {
  return createHash('sha256')
    .update(printConfig(loaded, { defaults: true }))
    .digest('hex')
    .slice(0, 16);
}
