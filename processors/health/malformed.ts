import { WireError } from '../../proto/wire/reader.ts';
import type { Tally } from './policy.ts';

/**
 * What `read` gives; undefined where the bytes are malformed, which is counted. The scan has checked a request down to
 * its items: what lies deeper is read item by item, so that a bad one spoils no other.
 */
export function orMalformed<T>(read: () => T, tally: Tally): T | undefined {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof WireError)) throw thrown;
    tally.malformed++;
    return undefined;
  }
}
