import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeStatus, encodeStatus, statusToJson } from '../../../proto/google/status.ts';
import { WireError } from '../../../proto/wire/reader.ts';

const DETAILS = [{ field: '', description: 'at byte 3' }];

describe('google.rpc.Status', () => {
  test('what is written is read', () => {
    const delays = fc.option(fc.nat({ max: 3_600_000 }), { nil: undefined });
    fc.assert(
      fc.property(fc.nat({ max: 16 }), fc.string({ unit: 'grapheme' }), delays, (code, message, retryDelayMs) => {
        const status = retryDelayMs === undefined ? { code, message } : { code, message, retryDelayMs };
        expect(decodeStatus(encodeStatus(status))).toEqual(status);
        expect(decodeStatus(encodeStatus({ ...status, violations: DETAILS }))).toEqual(status);
      }),
    );
  });

  test('any bytes are read, or refused as malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodeStatus(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
    );
  });

  test('in JSON', () => {
    expect(JSON.parse(statusToJson({ code: 14, message: 'later', retryDelayMs: 2500 }))).toEqual({
      code: 14,
      message: 'later',
      details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '2.5s' }],
    });
    expect(JSON.parse(statusToJson({ code: 3, message: 'no', violations: DETAILS }))).toEqual({
      code: 3,
      message: 'no',
      details: [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: DETAILS }],
    });
  });
});
