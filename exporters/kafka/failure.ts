import { type ErrorCode, PipelineError } from '../../pipeline/errors.ts';

/** What a failed attempt means. */
export interface Failure {
  readonly error: PipelineError;
  /** Whether the producer's sequence numbers are of no use any more, so that the next attempt needs a new one. */
  readonly isStateLost: boolean;
}

/** Types of errors (https://kafka.apache.org/protocol#protocol_error_codes) after which the same records fail again. */
const PERMANENT = new Set(['INVALID_TOPIC_EXCEPTION', 'INVALID_RECORD']);

/** The same, but less of it may be taken. */
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

/** We are not let in. An operator mends that, and what waits then goes out: a decision must not be lost over a grant. */
const UNAUTHORIZED = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
]);

/** The broker knows the producer no longer, or otherwise than we do. */
const STATE_LOST = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'PRODUCER_FENCED',
]);

/** Thrown where nothing was sent, since the partition of the records is not there any more. */
export class PartitionGone extends Error {
  /** As a broker would say it. */
  readonly type = 'UNKNOWN_TOPIC_OR_PARTITION';

  constructor() {
    super('the partition is not there any more');
  }
}

interface KafkaError extends Error {
  /** On errors that a broker answered: the name of the code. */
  readonly type?: string;
  /** On errors of a connection: the system's code. */
  readonly code?: string | number;
}

/**
 * Reads the error along its chain of causes: kafkajs wraps what happened, network errors too, into one that says it
 * cannot be retried. What is not known to be permanent is worth another attempt. `where` begins the detail.
 */
export function failureOf(thrown: unknown, where: string): Failure {
  const chain = chainOf(thrown);
  const types = chain.flatMap(({ type }) => (type === undefined ? [] : [type]));
  const isTimeout = chain.some(({ name, message, type }) => {
    const told = name === 'KafkaJSRequestTimeoutError' || type === 'REQUEST_TIMED_OUT';
    return told || message === 'Connection timeout';
  });
  // The exchange of SASL fails without a code of the protocol.
  const isStranger = chain.some(({ name }) => name === 'KafkaJSSASLAuthenticationError');
  const code = isStranger ? 'unauthorized' : codeOf(types, isTimeout);
  return {
    error: new PipelineError(code, `${where}: ${describe(chain)}`, { cause: thrown }),
    isStateLost: thrown instanceof PartitionGone || types.some((type) => STATE_LOST.has(type)),
  };
}

function codeOf(types: readonly string[], isTimeout: boolean): ErrorCode {
  if (types.some((type) => TOO_LARGE.has(type))) return 'rejected_size';
  if (types.some((type) => PERMANENT.has(type))) return 'rejected';
  if (types.some((type) => UNAUTHORIZED.has(type))) return 'unauthorized';
  return isTimeout ? 'timeout' : 'unreachable';
}

function chainOf(thrown: unknown): KafkaError[] {
  const chain: KafkaError[] = [];
  for (let error = thrown; error instanceof Error && !chain.includes(error); error = error.cause) chain.push(error);
  return chain.length > 0 ? chain : [new Error(String(thrown))];
}

/** What the broker said, else the first cause of all. */
function describe(chain: readonly KafkaError[]): string {
  const told = chain.find(({ type }) => type !== undefined) ?? chain.at(-1);
  if (told === undefined) return 'unknown';
  if (told.type !== undefined) return `${told.type}: ${told.message}`;
  // An attempt at several addresses, such as localhost's two, fails with a code and no message of its own.
  const message = told.message.replace(/: $/, '');
  return typeof told.code === 'string' && !message.includes(told.code) ? `${message}: ${told.code}` : message;
}
