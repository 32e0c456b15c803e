/**
 * The same path the usual way: grpc-js, every request decoded to objects with protobufjs, each resource tagged and each
 * span folded from its object. What is folded is the same; only the way there differs.
 */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type Long from 'long';
import { requestType } from '../../proto/otlp/schema.ts';
import { binOf } from '../../proto/windback/latency-bins.ts';
import { serve } from '../load/child.ts';

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: Long | number };
}
interface SpanObject {
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: Long;
  readonly endTimeUnixNano: Long;
  readonly attributes: readonly Attribute[];
  readonly status?: { readonly code: number };
}
interface RequestObject {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly SpanObject[] }[];
  }[];
}
interface Series {
  all: number;
  bad: number;
  readonly bins: Map<number, number>;
}

const type = requestType('traces');
let series = new Map<string, Series>();
let items = 0;
setInterval(() => {
  series = new Map();
}, 1000);

const method = {
  path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  requestStream: false,
  responseStream: false,
  requestSerialize: (value: Buffer) => value,
  requestDeserialize: (bytes: Buffer) => type.decode(bytes) as unknown as RequestObject,
  responseSerialize: (value: Buffer) => value,
  responseDeserialize: (bytes: Buffer) => bytes,
};

const server = new Server({ 'grpc.max_receive_message_length': 64 * 1024 * 1024 });
server.addService(
  { Export: method },
  {
    Export: (call: { request: RequestObject }, done: (error: null, answer: Buffer) => void) => {
      fold(call.request);
      done(null, Buffer.alloc(0));
    },
  },
);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  serve(port, () => items);
});

function fold(request: RequestObject): void {
  for (const { resource, scopeSpans } of request.resourceSpans) {
    const of = (key: string) => resource.attributes.find((one) => one.key === key)?.value.stringValue ?? '';
    const version = of('service.version');
    resource.attributes.push({ key: 'deployment.version', value: { stringValue: version } });
    const cohort = `${of('service.namespace')}/${of('service.name')}|${version}|${of('service.instance.id')}`;
    for (const { spans } of scopeSpans) for (const span of spans) foldSpan(cohort, span);
  }
}

function foldSpan(cohort: string, span: SpanObject): void {
  items++;
  if (span.kind !== 2 && span.kind !== 5) return;
  let route = span.name;
  let verb = '';
  let status = 0;
  for (const { key, value } of span.attributes) {
    if (key === 'http.route') route = value.stringValue ?? route;
    else if (key === 'http.request.method') verb = value.stringValue ?? '';
    else if (key === 'http.response.status_code') status = Number(value.intValue ?? 0);
  }
  const slot = Math.floor(Number(span.endTimeUnixNano) / 1e9);
  const duration = span.endTimeUnixNano.subtract(span.startTimeUnixNano).toNumber();
  const key = `${slot}|${cohort}|${verb} ${route}`;
  let one = series.get(key);
  if (one === undefined) {
    one = { all: 0, bad: 0, bins: new Map() };
    series.set(key, one);
  }
  one.all++;
  if (span.status?.code === 2 || status >= 500) one.bad++;
  const bin = binOf(duration);
  one.bins.set(bin, (one.bins.get(bin) ?? 0) + 1);
}
