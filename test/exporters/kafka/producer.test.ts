/** What the real broker cannot be made to do at will: a client that does not notice that its connections are cut. */
import { expect, test } from 'vitest';
import type { Producer } from 'kafkajs';
import type { Link } from '../../../exporters/kafka/client.ts';
import { OrderedProducer } from '../../../exporters/kafka/producer.ts';
import { Sockets } from '../../../exporters/kafka/sockets.ts';

const LONG_MS = 3_600_000;
const SETTINGS = { timeoutMs: LONG_MS, compression: 0, brokers: 'nowhere' };
const never = (): Promise<never> => new Promise(() => {});
const parcel = () => ({ topic: 'decisions', messages: [{ key: null, value: Buffer.from('{}') }], bytes: 2 });

function deaf(connect: () => Promise<void>): Link {
  const producer = { connect, send: never, disconnect: never } as unknown as Producer;
  return { producer, sockets: new Sockets(undefined), isConnected: false };
}

test.each([
  ['connects', never],
  ['sends', async () => {}],
])('closing does not wait for a client that %s and notices nothing', async (_, connect) => {
  const producer = new OrderedProducer(() => deaf(connect), SETTINGS);
  const [first, second] = [producer.send(parcel()), producer.send(parcel())];
  const outcomes = Promise.allSettled([first, second]);
  // Without the deadline this would take an hour.
  await producer.close(AbortSignal.timeout(50));
  const stopping = { status: 'rejected', reason: expect.objectContaining({ code: 'stopping' }) };
  expect(await outcomes).toEqual([stopping, stopping]);
});

test('closing what is not used does not wait either', async () => {
  const producer = new OrderedProducer(() => deaf(async () => {}), SETTINGS);
  await producer.connect();
  await producer.close(AbortSignal.timeout(LONG_MS));
  await expect(producer.send(parcel())).rejects.toMatchObject({ code: 'stopping' });
});
