import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { decisionOf, decisions, startExporter } from './started.ts';

/** Where something listens that is not Kafka, and says `answer` to whatever it is asked. */
async function listening(answer: string): Promise<string> {
  const server = createServer((client) => {
    client.on('error', () => {});
    client.once('data', () => client.write(Buffer.from(answer, 'hex')));
  });
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

// What is thrown where nobody catches would fail the run.
describe('what is no answer of Kafka', () => {
  test.each([
    ['empty', '00000000'],
    ['of a length below zero', 'ffffffff'],
    ['too short to say what it answers', '00000002aaaa'],
    ['longer than anything that Kafka answers', '7fffffff00'],
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n').toString('hex')],
    ['SETTINGS and GOAWAY of HTTP/2', '0000000400000000000000080700000000000000000000000001'],
  ])('breaks the connection: %s', async (_what, answer) => {
    const { exporter } = await startExporter({ brokers: [await listening(answer)] });
    const attempt = exporter.consume(decisions(decisionOf('cart', 'd-0')));
    await expect(attempt).rejects.toMatchObject({ code: 'unreachable' });
  });
});
