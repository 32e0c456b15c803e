import { beforeAll, describe, expect, inject, it } from 'vitest';
import { difference, fieldsOf, NO_DIFFERENCE } from './items.ts';
import { pythonClient } from './python/client.ts';
import { SIGNALS } from './signals.ts';
import { isLeftOut, pathOf } from './tool.ts';
import { type Visit, visit } from './visit.ts';

const CASES = [
  { transport: 'grpc', compression: 'none' },
  { transport: 'grpc', compression: 'gzip' },
  { transport: 'http', compression: 'none' },
  { transport: 'http', compression: 'gzip' },
  { transport: 'http', compression: 'deflate' },
] as const;

const VALUES = 'stringValue intValue doubleValue boolValue bytesValue arrayValue kvlistValue'.split(' ');

/** What the scenarios are expected to make use of. */
const FIELDS = {
  traces:
    'parentSpanId traceState status events links flags droppedAttributesCount droppedEventsCount droppedLinksCount',
  metrics: 'gauge sum histogram exponentialHistogram isMonotonic asInt asDouble exemplars filteredAttributes positive',
  logs: 'severityText body eventName observedTimeUnixNano traceId spanId flags droppedAttributesCount',
};

describe.skipIf(isLeftOut(inject('python')))('the Python SDK', () => {
  describe.each(CASES)('$transport, compression $compression', ({ transport, compression }) => {
    let result: Visit;
    beforeAll(async () => {
      result = await visit(transport, pythonClient(pathOf(inject('python')), transport, compression));
    });

    it.each(SIGNALS)('%s are written as they were sent', (signal) => {
      expect([...fieldsOf(result.sent[signal])]).toEqual(
        expect.arrayContaining([...VALUES, ...FIELDS[signal].split(' ')]),
      );
      expect(difference(result.sent[signal], result.written[signal])).toEqual(NO_DIFFERENCE);
    });

    it.each(['GET /basket/:id', 'basket.items', 'basket.checkout'])(
      '%s is readable on the way only if nothing compresses',
      (text) => {
        expect(result.sawPlain(text)).toBe(compression === 'none');
      },
    );
  });
});
