/** gRPC status names by code, as `rpc.response.status_code` and `rpc.status_code` spell them. */
export const GRPC_NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

const CODES = new Map(GRPC_NAMES.flatMap((name, code) => [[name, code] as const, [String(code), code] as const]));

/** The codes that are the server's fault (semantic conventions for gRPC, server spans). */
const SERVER_ERRORS = new Set([2, 4, 12, 13, 14, 15]);

/** A status as text, a name or a number, in the bytes at `offset`. Undefined for what is neither (other rpc systems). */
export function grpcStatusOf(bytes: Uint8Array, offset: number, length: number): number | undefined {
  if (length === 0 || length > 24) return undefined;
  return CODES.get(
    Buffer.from(bytes.buffer, bytes.byteOffset + offset, length)
      .toString('latin1')
      .toUpperCase(),
  );
}

/** Whether a gRPC status counts as an error of the server. */
export function isServerError(code: number): boolean {
  return SERVER_ERRORS.has(code);
}
