import { pino } from 'pino';
import { beforeAll, expect, test } from 'vitest';
import { mendRequestQueue } from '../../../exporters/kafka/request-queue.ts';

let RequestQueue: new (options: object) => any;

beforeAll(async () => {
  await mendRequestQueue();
  await mendRequestQueue();
  // @ts-expect-error kafkajs publishes no types of what is inside it
  ({ default: RequestQueue } = await import('kafkajs/src/network/requestQueue/index.js'));
});

function queue(): any {
  const logger = pino({ level: 'silent' });
  return new RequestQueue({ maxInFlightRequests: 1, requestTimeout: 1000, clientId: '', broker: '', logger });
}

function request(correlationId: number, sent: number[]): object {
  const entry = { correlationId, resolve: () => {}, reject: () => {} };
  return { entry, expectResponse: true, sendRequest: () => void sent.push(correlationId) };
}

test('an idle connection sets no timer', () => {
  const idle = queue();
  idle.checkPendingRequests();
  expect(idle.throttleCheckTimeoutId).toBeNull();
});

test('a waiting request goes out when the one before is answered, and leaves no timer', async () => {
  const busy = queue();
  const sent: number[] = [];
  busy.push(request(1, sent));
  busy.push(request(2, sent));
  expect(sent).toEqual([1]);
  expect(busy.throttleCheckTimeoutId).not.toBeNull();
  busy.fulfillRequest({ correlationId: 1, payload: null, size: 0 });
  expect(sent).toEqual([1, 2]);
  await expect.poll(() => busy.throttleCheckTimeoutId).toBeNull();
});

test('a request that the broker wants later goes out then', async () => {
  const throttled = queue();
  const sent: number[] = [];
  throttled.maybeThrottle(50);
  throttled.push(request(1, sent));
  expect(sent).toEqual([]);
  await expect.poll(() => sent).toEqual([1]);
  await expect.poll(() => throttled.throttleCheckTimeoutId).toBeNull();
});
