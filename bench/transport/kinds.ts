/** Servers that are compared, by protocol; of each the others are measured against the first. */
export const GRPC_KINDS = ['ours', 'node:http2', 'grpc-js'] as const;
export const HTTP_KINDS = ['ours, HTTP/1.1', 'node:http'] as const;
export type Kind = (typeof GRPC_KINDS)[number] | (typeof HTTP_KINDS)[number];

export function isHttp1(kind: Kind): boolean {
  return (HTTP_KINDS as readonly Kind[]).includes(kind);
}
