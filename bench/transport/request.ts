import { jsonToProtobuf } from '../../proto/otlp/json.ts';

const SPAN_ATTRIBUTES = {
  'http.request.method': 'GET',
  'http.route': '/api/v1/products/:id',
  'url.path': '/api/v1/products/',
  'server.address': 'shop-frontend.default.svc.cluster.local',
  'user_agent.original': 'Mozilla/5.0 (X11; Linux x86_64)',
  'network.peer.address': '10.42.17.5',
  'k8s.pod.name': 'shop-frontend-7d9c5b6f4-x2x9q',
  'thread.name': 'worker-12',
};

/** An encoded trace request of `count` spans of some 480 bytes, ten resources of equal size. */
export function traceRequest(count: number): Uint8Array {
  const resources = 10;
  const resourceSpans = Array.from({ length: resources }, (_, r) => ({
    resource: {
      attributes: attributes({
        'service.name': 'shop-frontend',
        'service.version': `1.4.${r}`,
        'host.name': `node-${r}`,
      }),
    },
    scopeSpans: [{ scope: { name: '@opentelemetry/instrumentation-http' }, spans: spansOf(r, resources, count) }],
  }));
  return jsonToProtobuf('traces', JSON.stringify({ resourceSpans }));
}

function spansOf(r: number, resources: number, count: number): unknown[] {
  const spans: unknown[] = [];
  for (let i = r; i < count; i += resources) {
    const endNs = 1_700_000_000_000_000_000n + BigInt(i) * 1_000_000n;
    spans.push({
      traceId: (i * 7919).toString(16).padStart(32, 'a'),
      spanId: i.toString(16).padStart(16, 'b'),
      parentSpanId: i.toString(16).padStart(16, 'c'),
      name: 'GET /api/v1/products/:id',
      kind: 2,
      startTimeUnixNano: `${endNs - 12_345_678n}`,
      endTimeUnixNano: `${endNs}`,
      attributes: [...attributes(SPAN_ATTRIBUTES), { key: 'http.response.status_code', value: { intValue: '200' } }],
      status: {},
    });
  }
  return spans;
}

function attributes(values: Readonly<Record<string, string>>): unknown[] {
  return Object.entries(values).map(([key, stringValue]) => ({ key, value: { stringValue } }));
}
