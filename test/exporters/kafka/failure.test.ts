import kafkajs from 'kafkajs';
import { expect, test } from 'vitest';
import { failureOf } from '../../../exporters/kafka/failure.ts';

const { KafkaJSConnectionError, KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded, KafkaJSRequestTimeoutError } =
  kafkajs;

function answered(type: string): Error {
  return Object.assign(new Error('said the broker'), { type, retriable: false });
}

/** As kafkajs does, which says of everything that it cannot be retried. */
function wrapped(cause: Error): Error {
  const exceeded = new KafkaJSNumberOfRetriesExceeded(cause, { retryCount: 2, retryTime: 200 });
  return Object.assign(new KafkaJSNonRetriableError(exceeded), { cause: exceeded });
}

const connection = new KafkaJSConnectionError('Connection error: ', { broker: 'b:9092', code: 'ECONNREFUSED' });
const late = new KafkaJSRequestTimeoutError('Request Produce timed out', {} as never);

test.each([
  [answered('MESSAGE_TOO_LARGE'), 'rejected_size', false, 'MESSAGE_TOO_LARGE: said the broker'],
  [answered('RECORD_LIST_TOO_LARGE'), 'rejected_size', false, 'RECORD_LIST_TOO_LARGE: said the broker'],
  [answered('TOPIC_AUTHORIZATION_FAILED'), 'unauthorized', false, 'TOPIC_AUTHORIZATION_FAILED: said the broker'],
  [answered('OUT_OF_ORDER_SEQUENCE_NUMBER'), 'unreachable', true, 'OUT_OF_ORDER_SEQUENCE_NUMBER: said the broker'],
  [answered('UNKNOWN_PRODUCER_ID'), 'unreachable', true, 'UNKNOWN_PRODUCER_ID: said the broker'],
  [answered('NOT_ENOUGH_REPLICAS'), 'unreachable', false, 'NOT_ENOUGH_REPLICAS: said the broker'],
  [answered('A_CODE_OF_THE_FUTURE'), 'unreachable', false, 'A_CODE_OF_THE_FUTURE: said the broker'],
  [answered('REQUEST_TIMED_OUT'), 'timeout', false, 'REQUEST_TIMED_OUT: said the broker'],
  [late, 'timeout', false, 'Request Produce timed out'],
  [new KafkaJSConnectionError('Connection timeout'), 'timeout', false, 'Connection timeout'],
  [connection, 'unreachable', false, 'Connection error: ECONNREFUSED'],
  [new TypeError('a defect'), 'unreachable', false, 'a defect'],
])('%s is %s', (cause, code, isStateLost, said) => {
  for (const thrown of [cause, wrapped(cause)]) {
    const failure = failureOf(thrown, 'topic t at b:9092');
    expect(failure.error.code).toBe(code);
    expect(failure.isStateLost).toBe(isStateLost);
    expect(failure.error.detail).toBe(`topic t at b:9092: ${said}`);
  }
});

test('what is no error, or its own cause, is retried', () => {
  const circle = new Error('round');
  circle.cause = circle;
  expect(failureOf(circle, 't').error.detail).toBe('t: round');
  expect(failureOf('text', 't').error.code).toBe('unreachable');
});
