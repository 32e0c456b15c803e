/** A proxy before one broker that now and then swallows the answer to a Produce request and cuts the connection. */
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';

const produceKey = 0;
const RESET_AFTER_MS = 50;

/**
 * Listens at `port`; every `cutEvery`-th answer to a Produce request is lost, but for its first `passed` bytes, although
 * the broker wrote the records. Where there are such, the connection is reset.
 */
export async function startCuttingProxy(
  port: number,
  brokerPort: number,
  cutEvery: number,
  passed = 0,
): Promise<Server> {
  let answers = 0;
  const proxy = createServer((client) => {
    const broker = connect({ port: brokerPort, host: '127.0.0.1' });
    const produceIds = new Set<number>();
    const cut = () => {
      client.destroy();
      broker.destroy();
    };
    const request = splitFrames((frame) => {
      if (frame.readInt16BE(4) === produceKey) produceIds.add(frame.readInt32BE(8));
      broker.write(frame);
    });
    const response = splitFrames((frame) => {
      if (produceIds.delete(frame.readInt32BE(4)) && ++answers % cutEvery === 0) {
        if (passed === 0) cut();
        // A reset at once would take with it what has just been sent.
        else client.write(frame.subarray(0, passed), () => setTimeout(() => client.resetAndDestroy(), RESET_AFTER_MS));
      } else if (!client.destroyed) client.write(frame);
    });
    client.on('data', request).on('error', cut).on('close', cut);
    broker.on('data', response).on('error', cut).on('close', cut);
  });
  proxy.listen(port, '127.0.0.1');
  await once(proxy, 'listening');
  return proxy;
}

/** Cuts a byte stream into Kafka frames: a length of four bytes and the content. */
function splitFrames(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0);
      onFrame(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  };
}
