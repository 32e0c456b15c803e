/**
 * One server in a process of its own, which the benchmark starts: `node server.ts KIND`. Says its port and, when
 * asked, the CPU time it used. All of them scan each request to columns and acknowledge it.
 */
import { Server, ServerCredentials, type handleUnaryCall } from '@grpc/grpc-js';
import { TelemetryBatch } from '../../pipeline/batch.ts';
import { EXPORT_METHODS } from '../../proto/otlp/export.ts';
import { otlpReceiverConfig } from '../../receivers/otlp/config.ts';
import { OtlpReceiver } from '../../receivers/otlp/otlp.ts';
import type { Kind } from './kinds.ts';
import { nodeHttpServer } from './node-http.ts';
import { nodeHttp2Server } from './node-http2.ts';
import { outletsTo, quietContext } from './surroundings.ts';

let items = 0;

async function ours(protocol: 'grpc' | 'http'): Promise<number> {
  const protocols = { [protocol]: { endpoint: '127.0.0.1:0' } };
  const config = otlpReceiverConfig.parse({ protocols, max_in_flight: '1GiB' });
  const count = async (batch: { items: number }): Promise<void> => {
    items += batch.items;
  };
  const receiver = new OtlpReceiver(config, outletsTo({ consume: count }), quietContext('otlp'));
  await receiver.start();
  return Number(receiver.addresses()[protocol]?.split(':').at(-1));
}

function take(message: Uint8Array): void {
  items += TelemetryBatch.open('traces', message).items;
}

/** The best that the library allows: requests and answers stay bytes. */
function grpcJs(): Promise<number> {
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  const same = (bytes: Buffer): Buffer => bytes;
  const answer = Buffer.alloc(0);
  const exportTraces: handleUnaryCall<Buffer, Buffer> = (call, done) => {
    take(call.request);
    done(null, answer);
  };
  server.addService(
    {
      Export: {
        path: EXPORT_METHODS.traces,
        requestStream: false,
        responseStream: false,
        requestSerialize: same,
        requestDeserialize: same,
        responseSerialize: same,
        responseDeserialize: same,
      },
    },
    { Export: exportTraces },
  );
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    );
  });
}

const SERVERS: Readonly<Record<Kind, () => Promise<number>>> = {
  ours: () => ours('grpc'),
  'node:http2': () => nodeHttp2Server(take),
  'grpc-js': grpcJs,
  'ours, HTTP/1.1': () => ours('http'),
  'node:http': () => nodeHttpServer(take),
};

process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuSeconds: (user + system) / 1e6, items, rssBytes: process.memoryUsage.rss() });
});
// A benchmark that failed must not leave its server behind.
process.on('disconnect', () => process.kill(process.pid));
process.send?.({ port: await SERVERS[process.argv[2] as Kind]() });
