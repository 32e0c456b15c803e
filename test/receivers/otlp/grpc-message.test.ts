import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sizeClass } from '../../../pipeline/buffer-pool.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { Budget } from '../../../receivers/otlp/budget.ts';
import { GrpcMessage } from '../../../receivers/otlp/grpc-message.ts';
import { framed } from '../../support/grpc-raw.ts';

const LIMIT = 2 * 1024 ** 2;

test('a message is the same however it is cut, and gives back what it took', () => {
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });
  const lengths = fc.oneof(fc.nat({ max: 2000 }), fc.nat({ max: LIMIT }));
  fc.assert(
    fc.property(lengths, cuts, (length, where) => {
      const message = Buffer.alloc(length, 'windback');
      const whole = framed(message);
      const budget = new Budget(2 * LIMIT);
      const reader = new GrpcMessage(budget, LIMIT);
      const ends = [...where.map((part) => Math.floor(part * whole.length)).sort((a, b) => a - b), whole.length];
      let from = 0;
      for (const end of ends) {
        reader.push(whole.subarray(from, end));
        from = end;
      }
      const { body } = reader.finish('identity');
      expect(Buffer.compare(body.bytes(), message)).toBe(0);
      expect(budget.usedBytes).toBe(length === 0 ? 0 : sizeClass(length));
      body.release();
      body.release();
      expect(budget.usedBytes).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test('any bytes are a message or are refused, and nothing is held in the end', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 12 }), { maxLength: 8 }), (pieces) => {
      const budget = new Budget(LIMIT);
      const reader = new GrpcMessage(budget, LIMIT);
      try {
        for (const piece of pieces) reader.push(Buffer.from(piece));
        reader.finish('gzip').body.release();
      } catch (error) {
        expect(error).toBeInstanceOf(PipelineError);
      }
      reader.release();
      expect(budget.usedBytes).toBe(0);
    }),
  );
});

test('to promise much and send little holds little', () => {
  const budget = new Budget(1024 ** 3);
  const reader = new GrpcMessage(budget, 64 * 1024 ** 2);
  reader.push(framed(Buffer.alloc(1000), 0, 64 * 1024 ** 2));
  expect(budget.usedBytes).toBeLessThanOrEqual(256 * 1024);
  reader.release();
});
