import { afterEach, beforeEach, expect, test } from 'vitest';
import { responseType } from '../../../proto/otlp/schema.ts';
import { decodeToJson } from '../../../proto/otlp/json-decode.ts';
import { EXPORT_METHODS, EXPORT_PATHS } from '../../../proto/otlp/export.ts';
import { jsonToProtobuf } from '../../../proto/otlp/json.ts';
import { counted } from '../../support/context.ts';
import { framed, RawGrpc } from '../../support/grpc-raw.ts';
import { requestJson } from '../../support/otlp-requests.ts';
import { type Started, started } from './started.ts';

const SIGNALS = ['traces', 'metrics', 'logs'] as const;
const REJECTED = { traces: 'rejectedSpans', metrics: 'rejectedDataPoints', logs: 'rejectedLogRecords' } as const;
const MESSAGE = '2 of 5 items are larger than max_item_size, 1024 bytes';

let at: Started;
let client: RawGrpc;
beforeEach(async () => {
  at = await started({}, { max_item_size: '1KiB' });
  client = new RawGrpc(at.grpc);
});
afterEach(async () => {
  client.close();
  await at.receiver.stop(AbortSignal.timeout(5000));
});

/** A request of five items, of which those named are too large. */
function withLarge(signal: (typeof SIGNALS)[number], ...large: number[]): string {
  let item = -1;
  return JSON.stringify(requestJson(signal, 5), (key, value: unknown) => {
    if (key !== 'attributes' || !Array.isArray(value) || (value[0] as { key: string }).key !== 'n') return value;
    item++;
    const text = { key: 'text', value: { stringValue: 'x'.repeat(large.includes(item) ? 2000 : 5) } };
    return [...value, text];
  });
}

const post = (signal: (typeof SIGNALS)[number], type: string, body: string | Uint8Array) =>
  fetch(`http://${at.http}${EXPORT_PATHS[signal]}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: typeof body === 'string' ? body : Buffer.from(body),
  });

test.each(SIGNALS)('%s that are too large are refused, and the client is told how many', async (signal) => {
  const json = withLarge(signal, 1, 4);
  const bytes = jsonToProtobuf(signal, json);
  const overGrpc = await client.call({ path: EXPORT_METHODS[signal], pieces: [framed(bytes)] });
  const overHttp = await post(signal, 'application/x-protobuf', bytes);
  const decode = (body: Uint8Array) =>
    responseType(signal).toObject(responseType(signal).decode(body), { longs: String });
  const expected = { partialSuccess: { [REJECTED[signal]]: '2', errorMessage: MESSAGE } };
  expect(overGrpc.code).toBe(0);
  expect(decode(overGrpc.body.subarray(5))).toEqual(expected);
  expect(overHttp.status).toBe(200);
  expect(decode(Buffer.from(await overHttp.arrayBuffer()))).toEqual(expected);
  expect(await (await post(signal, 'application/json', json)).json()).toEqual(expected);
  expect(at.sink.batches.map(({ items }) => items)).toEqual([3, 3, 3]);
  const labels = (transport: string) => ({ transport, signal });
  const refused = (transport: string) =>
    counted(at.context, 'windback_receiver_refused_items_total', { ...labels(transport), reason: 'item_too_large' });
  expect([await refused('grpc'), await refused('http')]).toEqual([2, 4]);
  expect(await counted(at.context, 'windback_receiver_accepted_items_total', labels('http'))).toBe(6);
});

test('the others come through as they were', async () => {
  const whole = JSON.stringify(decodeToJson('traces', jsonToProtobuf('traces', withLarge('traces'))));
  await post('traces', 'application/json', withLarge('traces', 0, 2));
  const [batch] = at.sink.telemetry('traces');
  const kept = decodeToJson('traces', batch?.bytes as Uint8Array);
  const spans = (json: unknown) => (json as Spans).resourceSpans[0]?.scopeSpans[0]?.spans;
  expect(spans(kept)).toEqual([1, 3, 4].map((i) => spans(JSON.parse(whole))?.[i]));
});

interface Spans {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly unknown[] }[] }[];
}

test('where all are too large the request is refused for good', async () => {
  const json = withLarge('logs', 0, 1, 2, 3, 4);
  const answer = await post('logs', 'application/json', json);
  expect([answer.status, await answer.json()]).toMatchObject([413, { code: 8 }]);
  const overGrpc = await client.call({ path: EXPORT_METHODS.logs, pieces: [framed(jsonToProtobuf('logs', json))] });
  expect([overGrpc.code, overGrpc.details?.retryDelayMs]).toEqual([8, undefined]);
  expect(at.sink.batches).toEqual([]);
});

test('where none is, partial_success is not set', async () => {
  const answer = await post('traces', 'application/json', withLarge('traces'));
  expect(await answer.json()).toEqual({});
});
