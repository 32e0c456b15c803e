import { beforeAll, describe, expect, it } from 'vitest';
import { jsClient } from './js/client.ts';
import { difference, fieldsOf, NO_DIFFERENCE } from './items.ts';
import { SIGNALS } from './signals.ts';
import { type Visit, visit } from './visit.ts';

const CASES = (['gRPC', 'HTTP/protobuf', 'HTTP/JSON'] as const).flatMap((protocol) =>
  (['none', 'gzip'] as const).map((compression) => ({ protocol, compression })),
);

const VALUES = 'stringValue intValue doubleValue boolValue bytesValue arrayValue kvlistValue'.split(' ');

/** What the scenarios are expected to make use of. */
const FIELDS = {
  traces:
    'parentSpanId traceState status events links flags droppedAttributesCount droppedEventsCount droppedLinksCount',
  metrics: 'gauge sum histogram exponentialHistogram isMonotonic asInt asDouble explicitBounds positive zeroCount min',
  logs: 'severityText body eventName observedTimeUnixNano traceId spanId flags droppedAttributesCount',
};

describe.each(CASES)('the JavaScript SDK, $protocol, compression $compression', ({ protocol, compression }) => {
  let result: Visit;
  beforeAll(async () => {
    result = await visit(protocol === 'gRPC' ? 'grpc' : 'http', jsClient(protocol, compression));
  });

  it.each(SIGNALS)('%s are written as they were sent', (signal) => {
    expect([...fieldsOf(result.sent[signal])]).toEqual(
      expect.arrayContaining([...VALUES, ...FIELDS[signal].split(' ')]),
    );
    expect(difference(result.sent[signal], result.written[signal])).toEqual(NO_DIFFERENCE);
  });

  it.each(['GET /cart/:id', 'cart.items', 'cart.checkout'])(
    '%s is readable on the way only if nothing compresses',
    (text) => {
      expect(result.sawPlain(text)).toBe(compression === 'none');
    },
  );
});
