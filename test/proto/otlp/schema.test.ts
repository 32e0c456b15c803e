import { describe, expect, it } from 'vitest';
import { messageType, requestType, responseType } from '../../../proto/otlp/schema.ts';

describe('schema', () => {
  it('gives the request and response type of each signal', () => {
    expect(requestType('traces').fullName).toBe('.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest');
    expect(requestType('metrics').fields.resourceMetrics?.id).toBe(1);
    expect(responseType('logs').fields.partialSuccess?.id).toBe(1);
    expect(requestType('traces')).toBe(requestType('traces'));
  });

  it('knows the newer fields of OTLP', () => {
    const idOf = (type: string, field: string) => messageType(`opentelemetry.proto.${type}`).fields[field]?.id;
    expect(idOf('logs.v1.LogRecord', 'eventName')).toBe(12);
    expect(idOf('trace.v1.Span', 'flags')).toBe(16);
    expect(idOf('trace.v1.Span.Link', 'flags')).toBe(6);
    expect(idOf('resource.v1.Resource', 'entityRefs')).toBe(3);
    expect(idOf('metrics.v1.Metric', 'metadata')).toBe(12);
    expect(idOf('metrics.v1.ExponentialHistogramDataPoint', 'zeroThreshold')).toBe(14);
  });

  it('encodes a google.rpc.Status with its details', () => {
    const retryInfo = messageType('google.rpc.RetryInfo');
    const status = messageType('google.rpc.Status');
    const details = [
      {
        type_url: 'type.googleapis.com/google.rpc.RetryInfo',
        value: retryInfo.encode({ retryDelay: { seconds: 1, nanos: 5 } }).finish(),
      },
    ];
    const bytes = status.encode({ code: 14, message: 'busy', details }).finish();
    const back = status.toObject(status.decode(bytes));
    expect(back).toMatchObject({ code: 14, message: 'busy' });
    expect(retryInfo.toObject(retryInfo.decode(back.details[0].value), { longs: Number })).toEqual({
      retryDelay: { seconds: 1, nanos: 5 },
    });
  });

  it('encodes a health delta', () => {
    const type = messageType('windback.health.v1.HealthDelta');
    const delta = {
      source: 'gateway-1',
      slot: 1_700_000_000,
      series: [{ service: 'cart', version: '1.4.2', kind: 1, all: 10, bad: 2, bin: [-3, 0, 7], binCount: [1, 4, 5] }],
      events: [{ service: 'cart', version: '1.4.2', status: 'started', weight: 0, atSeconds: 1_700_000_000.5 }],
    };
    expect(type.toObject(type.decode(type.encode(delta).finish()), { longs: Number })).toEqual(delta);
  });

  it('says which message is missing', () => {
    expect(() => messageType('no.Such')).toThrow(/no\.Such/);
  });
});
