import { describe, expect, test } from 'vitest';
import type { ErrorRow } from '../../pipeline/error-row.ts';
import { asPipelineError, ERRORS, PipelineError } from '../../pipeline/errors.ts';
import { GRPC } from '../../pipeline/grpc-codes.ts';

/** What a client may send again (OTLP specification, Failures): gRPC codes and HTTP statuses. */
const GRPC_RETRYABLE = new Set<number>([GRPC.cancelled, GRPC.deadline_exceeded, GRPC.unavailable]);
const HTTP_RETRYABLE = new Set([429, 502, 503, 504]);
/** Nobody is there to read the answer. */
const UNHEARD = new Set(['cancelled']);

describe.each(Object.entries(ERRORS) as [string, ErrorRow][])('%s', (code, row) => {
  test('tells clients of both protocols the same about a retry', () => {
    expect(GRPC_RETRYABLE.has(row.grpc)).toBe(row.retryable);
    if (!UNHEARD.has(code)) expect(HTTP_RETRYABLE.has(row.http)).toBe(row.retryable);
  });

  test('is written like the others', () => {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    for (const text of [row.what, row.todo]) expect(text).toMatch(/^\S.*[^.\s]$/);
    expect(row.what).toMatch(/^[a-z]/);
  });
});

test('an error says what happened, with its occurrence, and keeps its cause', () => {
  const cause = new Error('EACCES');
  const error = new PipelineError('file_unreadable', '/etc/x', { cause });
  expect([error.name, error.message, error.cause, error.row.exit]).toEqual([
    'PipelineError',
    'the file cannot be read: /etc/x',
    cause,
    1,
  ]);
});

describe('whatever was thrown', () => {
  test('a PipelineError passes', () => {
    const error = new PipelineError('busy', '', { retryAfterMs: 5 });
    expect(asPipelineError(error)).toBe(error);
  });

  test.each([
    [new TypeError('x'), 'x'],
    ['x', 'x'],
    [undefined, 'undefined'],
    [null, 'null'],
  ])('%s is a defect', (thrown, detail) => {
    expect(asPipelineError(thrown)).toMatchObject({ code: 'internal', detail });
  });
});
