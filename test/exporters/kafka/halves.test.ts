/** A broker that takes less at once than `max_message_bytes`: what each producer, with its own numbers, is asked to send. */
import type { Message, Producer } from 'kafkajs';
import { afterEach, expect, test, vi } from 'vitest';
import * as client from '../../../exporters/kafka/client.ts';
import { Sockets } from '../../../exporters/kafka/sockets.ts';
import { decisionOf, decisions, startExporter } from './started.ts';

vi.mock('../../../exporters/kafka/client.ts');
afterEach(() => void vi.restoreAllMocks());

type Answer = 'stored' | 'MESSAGE_TOO_LARGE' | 'INVALID_RECORD' | 'NOT_ENOUGH_REPLICAS';

/** Every send as `producer: ids`, answered by what `answer` makes of the ids. */
function scripted(answer: (ids: string[]) => Answer): string[] {
  const sends: string[] = [];
  let links = 0;
  const makeLink = (): client.Link => {
    const link = links++;
    const send = async ({ messages }: { messages: Message[] }): Promise<unknown[]> => {
      const ids = messages.map(({ headers }) => String(headers?.['ce_id']));
      const type = answer(ids);
      sends.push(`${link}: ${ids.join()}`);
      if (type !== 'stored') throw Object.assign(new Error('no'), { type });
      return [{}];
    };
    const producer = { connect: async () => {}, disconnect: async () => {}, send } as unknown as Producer;
    return { producer, sockets: new Sockets(undefined), isConnected: false };
  };
  vi.mocked(client.loadKafkajs).mockResolvedValue(makeLink);
  return sends;
}

const batch = (ids: string) => decisions(...ids.split(',').map((id) => decisionOf('cart', id)));

test('a parcel that is too large goes out in halves, each with a producer that sent nothing too large', async () => {
  const sends = scripted((ids) => (ids.length > 2 ? 'MESSAGE_TOO_LARGE' : 'stored'));
  const { exporter } = await startExporter({});
  await exporter.consume(batch('a,b,c,d,e'));
  expect(sends).toEqual(['0: a,b,c,d,e', '1: a,b,c', '2: a,b', '2: c', '2: d,e']);
});

test('a single decision that is too large is refused for good, and the others go through', async () => {
  const sends = scripted((ids) => (ids.includes('b') ? 'MESSAGE_TOO_LARGE' : 'stored'));
  const { exporter } = await startExporter({});
  await expect(exporter.consume(batch('a,b,c,d'))).rejects.toMatchObject({ code: 'rejected_size', items: 1 });
  expect(sends).toEqual(['0: a,b,c,d', '1: a,b', '2: a', '2: b', '3: c,d']);
});

test('what is refused for another reason than its size is not halved', async () => {
  const sends = scripted(() => 'INVALID_RECORD');
  const { exporter } = await startExporter({});
  await expect(exporter.consume(batch('a,b'))).rejects.toMatchObject({ code: 'rejected', items: 2 });
  expect(sends).toEqual(['0: a,b']);
});

test('a half that fails for now is repeated as it is, by the same producer, and nothing before it', async () => {
  let isOut = true;
  const sends = scripted((ids) => {
    if (ids.length > 2) return 'MESSAGE_TOO_LARGE';
    return isOut && ids[0] === 'c' ? 'NOT_ENOUGH_REPLICAS' : 'stored';
  });
  const { exporter } = await startExporter({});
  const four = batch('a,b,c,d');
  await expect(exporter.consume(four)).rejects.toMatchObject({ row: { retryable: true } });
  isOut = false;
  await exporter.consume(four);
  expect(sends).toEqual(['0: a,b,c,d', '1: a,b', '1: c,d', '1: c,d']);
});
