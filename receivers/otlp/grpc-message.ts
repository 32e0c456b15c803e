import type { Encoding } from '../../pipeline/compression.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { Body } from './body.ts';
import type { Budget } from './budget.ts';

const PREFIX_BYTES = 5;

/**
 * The one message of a unary request (gRPC over HTTP2, Length-Prefixed-Message), which may come in pieces of any size:
 * ```
 * compressed flag  1 byte, 0 or 1
 * message length   4 bytes, big endian
 * message
 * ```
 */
export class GrpcMessage {
  readonly #budget: Budget;
  readonly #limitBytes: number;
  readonly #prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  #prefixLength = 0;
  #length = 0;
  #body: Body | undefined;

  constructor(budget: Budget, limitBytes: number) {
    this.#budget = budget;
    this.#limitBytes = limitBytes;
  }

  /** The next bytes, which are only lent. Throws `malformed`, `too_large` or `memory_limit`. */
  push(bytes: Buffer, from = 0, end = bytes.length): void {
    const start = this.#body === undefined ? from + this.#readPrefix(bytes, from, end) : from;
    const rest = end - start;
    if (this.#body === undefined || rest === 0) return;
    if (this.#body.length + rest > this.#length) {
      throw new PipelineError('malformed', 'a unary request holds one message, and this one goes on after it');
    }
    this.#body.push(bytes, start, end);
  }

  /** The message, which is the caller's to release. Throws `malformed` where it is not all there, or not as declared. */
  finish(encoding: Encoding): { compressed: boolean; body: Body } {
    const body = this.#body;
    if (body === undefined) {
      throw new PipelineError('malformed', `the request ends after ${this.#prefixLength} bytes, before its message`);
    }
    if (body.length < this.#length) {
      throw new PipelineError('malformed', `the message is ${this.#length} bytes long, but only ${body.length} came`);
    }
    const compressed = this.#prefix[0] === 1;
    if (compressed && encoding === 'identity') {
      throw new PipelineError(
        'malformed',
        'the message says that it is compressed, but grpc-encoding does not say how',
      );
    }
    this.#body = undefined;
    return { compressed, body };
  }

  /** Legal at any time, and twice. */
  release(): void {
    this.#body?.release();
    this.#body = undefined;
  }

  /** How many bytes of `bytes[start, end)` belong to the prefix. */
  #readPrefix(bytes: Buffer, start: number, end: number): number {
    const count = Math.min(PREFIX_BYTES - this.#prefixLength, end - start);
    bytes.copy(this.#prefix, this.#prefixLength, start, start + count);
    this.#prefixLength += count;
    if (this.#prefixLength < PREFIX_BYTES) return count;
    const flag = this.#prefix[0] as number;
    if (flag > 1) throw new PipelineError('malformed', `the compressed flag of the message is ${flag}, not 0 or 1`);
    this.#length = this.#prefix.readUInt32BE(1);
    this.#body = new Body(this.#budget, this.#limitBytes, this.#length);
    return count;
  }
}
