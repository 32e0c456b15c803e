import type { ConnectionOptions } from 'node:tls';

/** How a client speaks TLS: whom it trusts, what it shows. Where there is none, it speaks without TLS. */
export type Security = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized'>;
