import { expect, test } from 'vitest';
import { RequestAttributesReader } from '../../../processors/health/request-attributes.ts';
import { writeStringAttribute } from '../../../proto/otlp/resource.ts';
import { Writer } from '../../../proto/wire/writer.ts';

const POINT_ATTRIBUTES = 9;

function point(attributes: Readonly<Record<string, string>>): Uint8Array {
  const writer = new Writer();
  for (const [key, value] of Object.entries(attributes)) writeStringAttribute(writer, POINT_ATTRIBUTES, key, value);
  return writer.finish();
}

function read(reader: RequestAttributesReader, bytes: Uint8Array) {
  return reader.read(bytes, 0, bytes.length, POINT_ATTRIBUTES);
}

test('the operation is method and route', () => {
  const { operation, methodLength } = read(
    new RequestAttributesReader(),
    point({ 'http.request.method': 'GET', 'http.route': '/pay' }),
  );
  expect([Buffer.from(operation).toString(), methodLength]).toEqual(['GET/pay', 3]);
});

test('the same attributes are read once, and what is kept of them keeps nothing else', () => {
  const reader = new RequestAttributesReader();
  const first = read(reader, point({ 'http.request.method': 'GET', 'http.route': '/pay' }));
  expect(read(reader, point({ 'http.request.method': 'GET', 'http.route': '/pay' }))).toBe(first);
  expect(first.operation.buffer.byteLength).toBe(first.operation.length);
});
