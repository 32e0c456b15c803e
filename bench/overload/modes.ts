import type { Encoding } from '../load/body.ts';
import type { Protocol } from '../load/senders.ts';

/** How requests come in. */
export interface Mode {
  readonly protocol: Protocol;
  readonly encoding: Encoding;
}

export const MODES: readonly Mode[] = [
  { protocol: 'grpc', encoding: 'identity' },
  { protocol: 'grpc', encoding: 'gzip' },
  { protocol: 'http', encoding: 'identity' },
  { protocol: 'http', encoding: 'gzip' },
];

export function titleOf({ protocol, encoding }: Mode): string {
  return `${protocol === 'grpc' ? 'gRPC' : 'HTTP'}${encoding === 'identity' ? '' : `, ${encoding}`}`;
}
