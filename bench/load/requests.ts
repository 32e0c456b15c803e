/** Pre-encoded OTLP requests for benchmarks: server spans of some 480 bytes, as an HTTP service sends them. */
import { randomBytes } from 'node:crypto';
import { Writer } from '../../proto/wire/writer.ts';

const ROUTES = ['/cart', '/cart/{id}', '/checkout', '/products', '/products/{id}', '/search', '/health', '/login'];

/** An ExportTraceServiceRequest of `count` spans from one resource, ending around `nowMs`. */
export function traceRequest(count: number, version: string, instance: string, nowMs: number): Uint8Array {
  const writer = new Writer(count * 520);
  message(writer, 1, () => {
    message(writer, 1, () => {
      attribute(writer, 1, 'service.name', 'shop');
      attribute(writer, 1, 'service.namespace', 'bench');
      attribute(writer, 1, 'service.version', version);
      attribute(writer, 1, 'service.instance.id', instance);
      attribute(writer, 1, 'deployment.environment.name', 'load');
      attribute(writer, 1, 'k8s.pod.name', `shop-${instance}`);
      attribute(writer, 1, 'telemetry.sdk.name', 'opentelemetry');
    });
    message(writer, 2, () => {
      message(writer, 1, () => writer.stringField(1, 'bench'));
      for (let i = 0; i < count; i++) message(writer, 2, () => span(writer, i, nowMs));
    });
  });
  return writer.finish();
}

function span(writer: Writer, i: number, nowMs: number): void {
  const route = ROUTES[i % ROUTES.length] as string;
  const isError = i % 199 === 0;
  const end = BigInt(Math.round(nowMs - (i % 900))) * 1_000_000n;
  writer.bytesField(1, randomBytes(16));
  writer.bytesField(2, randomBytes(8));
  writer.bytesField(4, randomBytes(8));
  writer.stringField(5, `GET ${route}`);
  writer.varintField(6, 2);
  fixed64(writer, 7, end - BigInt(1_000_000 + (i % 97) * 350_000));
  fixed64(writer, 8, end);
  attribute(writer, 9, 'http.request.method', 'GET');
  attribute(writer, 9, 'url.path', `/products/${i}`);
  attribute(writer, 9, 'url.scheme', 'https');
  attribute(writer, 9, 'server.address', 'shop.example.com');
  attribute(writer, 9, 'client.address', '203.0.113.77');
  attribute(writer, 9, 'user_agent.original', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36');
  attribute(writer, 9, 'network.protocol.version', '1.1');
  attribute(writer, 9, 'thread.name', 'http-nio-8080-exec-17');
  attribute(writer, 9, 'code.function.name', 'shop.api.Handler.serve');
  attribute(writer, 9, 'http.route', route);
  message(writer, 9, () => {
    writer.stringField(1, 'http.response.status_code');
    message(writer, 2, () => writer.varintField(3, isError ? 500 : 200));
  });
  if (isError) message(writer, 15, () => writer.varintField(3, 2));
}

function attribute(writer: Writer, field: number, key: string, value: string): void {
  message(writer, field, () => {
    writer.stringField(1, key);
    message(writer, 2, () => writer.stringField(1, value));
  });
}

function message(writer: Writer, field: number, body: () => void): void {
  const mark = writer.open(field, 100);
  body();
  writer.close(mark);
}

function fixed64(writer: Writer, field: number, value: bigint): void {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  writer.tag(field, 1);
  writer.raw(bytes);
}
