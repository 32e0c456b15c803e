/** Servers that are compared; the others are measured against the first. */
export const KINDS = ['ours', 'node:http2', 'grpc-js'] as const;
export type Kind = (typeof KINDS)[number];
