/**
 * The two Kafka requests that starting a broker needs, so that neither `npm run kafka` nor a test waits for a client
 * library. Layouts: https://kafka.apache.org/protocol, non-flexible versions.
 */
import { connect } from 'node:net';

const metadataKey = 3;
const createTopicsKey = 19;
const noError = 0;

export interface Metadata {
  /** `host:port` of every broker that takes part. */
  readonly brokers: readonly string[];
  readonly partitions: readonly { readonly topic: string; readonly partition: number; readonly hasLeader: boolean }[];
}

/** Asks one broker (`host:port`) for all brokers and topics. Rejects when it does not answer in time. */
export async function fetchMetadata(broker: string, timeoutMs = 2000): Promise<Metadata> {
  const allTopics = int32(-1);
  const response = new Reader(await request(broker, metadataKey, 1, allTopics, timeoutMs));
  const brokers = response.array(() => {
    response.int32(); // node id
    const address = `${response.string()}:${response.int32()}`;
    response.string(); // rack
    return address;
  });
  response.int32(); // controller id
  const partitions = response.array(() => {
    const topicError = response.int16();
    const topic = response.string() ?? '';
    response.int8(); // is internal
    return response.array(() => {
      const hasLeader = response.int16() === noError && topicError === noError;
      const partition = response.int32();
      response.int32(); // leader
      response.array(() => response.int32()); // replicas
      response.array(() => response.int32()); // in-sync replicas
      return { topic, partition, hasLeader };
    });
  });
  return { brokers, partitions: partitions.flat() };
}

export interface TopicOptions {
  /** Default 1. */
  readonly partitions?: number;
  /** Topic configuration such as `{'retention.ms': '60000'}`. */
  readonly config?: Readonly<Record<string, string>>;
}

/** Creates a topic and waits until every partition has a leader. Rejects when the broker refuses, also if it exists. */
export async function createTopic(broker: string, name: string, options: TopicOptions = {}): Promise<void> {
  const partitions = options.partitions ?? 1;
  const timeoutMs = 10_000;
  const config = Object.entries(options.config ?? {});
  const body = [int32(1), text(name), int32(partitions), int16(-1), int32(0), int32(config.length)];
  for (const [key, value] of config) body.push(text(key), text(value));
  body.push(int32(timeoutMs), Buffer.from([0]));
  const response = new Reader(await request(broker, createTopicsKey, 4, Buffer.concat(body), timeoutMs));
  response.int32(); // throttle time
  response.array(() => {
    const topic = response.string();
    const code = response.int16();
    const message = response.string();
    if (code !== noError) throw new Error(`cannot create topic ${topic}: ${message ?? 'refused'} (error ${code})`);
  });
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline) {
    const led = (await fetchMetadata(broker)).partitions.filter((p) => p.topic === name && p.hasLeader);
    if (led.length === partitions) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`topic ${name} was created, but its partitions have no leader after ${timeoutMs} ms`);
}

/** Sends one request on a connection of its own and returns the body of the response. */
function request(broker: string, key: number, version: number, body: Buffer, timeoutMs: number): Promise<Buffer> {
  const correlation = 1;
  const content = Buffer.concat([int16(key), int16(version), int32(correlation), text('windback'), body]);
  const { host, port } = splitAddress(broker);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => socket.destroy(new Error(`${broker} did not answer in ${timeoutMs} ms`)), timeoutMs);
    let received = Buffer.alloc(0);
    socket.on('connect', () => socket.write(Buffer.concat([int32(content.length), content])));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 8 || received.length < 4 + received.readInt32BE(0)) return;
      if (received.readInt32BE(4) === correlation) resolve(received.subarray(8, 4 + received.readInt32BE(0)));
      socket.destroy(new Error(`${broker} does not speak the Kafka protocol`));
    });
    socket.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.message ? error : new Error(`cannot connect to ${broker}: ${error.code ?? 'unknown error'}`)),
    );
    socket.on('close', () => {
      clearTimeout(timer);
      reject(new Error(`${broker} closed the connection`));
    });
  });
}

/** Splits `host:port`; IPv6 addresses stand in brackets, a missing port is 9092. */
function splitAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<name>[^:]+))(?::(?<port>\d+))?$/.exec(address.trim());
  const host = match?.groups?.['v6'] ?? match?.groups?.['name'];
  if (host === undefined) throw new Error(`"${address}" is not an address of the form host:port`);
  return { host, port: Number(match?.groups?.['port'] ?? 9092) };
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([int16(bytes.length), bytes]);
}

class Reader {
  private readonly bytes: Buffer;
  private offset = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  int8(): number {
    return this.bytes.readInt8(this.offset++);
  }

  int16(): number {
    this.offset += 2;
    return this.bytes.readInt16BE(this.offset - 2);
  }

  int32(): number {
    this.offset += 4;
    return this.bytes.readInt32BE(this.offset - 4);
  }

  string(): string | undefined {
    const length = this.int16();
    if (length < 0) return undefined;
    this.offset += length;
    return this.bytes.toString('utf8', this.offset - length, this.offset);
  }

  array<T>(readItem: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, readItem);
  }
}
