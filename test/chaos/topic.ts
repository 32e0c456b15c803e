/**
 * Reads a topic of one broker straight through the protocol, without a consumer group: nothing here has to recover from
 * what is done to the broker. Layouts: https://kafka.apache.org/protocol, Fetch 4; records: message format 2.
 */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A decision as it stands on the topic. */
export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  /** The header `ce_id`. */
  readonly id: string;
  readonly value: string;
}

const FETCH = 1;
const FETCH_VERSION = 4;
const NOTHING = 0;
const POLL_MS = 100;
const TIMEOUT_MS = 2000;

/** Follows all partitions of a topic until it is closed; what breaks is begun again where it was. */
export class TopicReader {
  readonly records: TopicRecord[] = [];
  readonly #port: number;
  readonly #topic: string;
  readonly #offsets: number[];
  #isClosed = false;

  constructor(port: number, topic: string, partitions: number) {
    this.#port = port;
    this.#topic = topic;
    this.#offsets = Array.from({ length: partitions }, () => 0);
    void this.#follow();
  }

  close(): void {
    this.#isClosed = true;
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed) {
      for (const partition of this.#offsets.keys()) await this.#fetch(partition).catch(() => {});
      await sleep(POLL_MS);
    }
  }

  async #fetch(partition: number): Promise<void> {
    const from = this.#offsets[partition] as number;
    const response = await exchange(this.#port, fetchRequest(this.#topic, partition, from));
    for (const record of recordsOf(response, partition)) {
      if (record.offset < (this.#offsets[partition] as number)) continue;
      this.records.push(record);
      this.#offsets[partition] = record.offset + 1;
    }
  }
}

function fetchRequest(topic: string, partition: number, offset: number): Buffer {
  const name = Buffer.from(topic);
  const body = Buffer.alloc(4 * 4 + 1 + 4 + 2 + name.length + 4 + 4 + 8 + 4);
  let at = body.writeInt32BE(-1, 0); // replica
  at = body.writeInt32BE(0, at); // wait, ms
  at = body.writeInt32BE(0, at); // bytes, at least
  at = body.writeInt32BE(8 << 20, at); // bytes, at most
  at = body.writeInt8(0, at); // uncommitted as well
  at = body.writeInt32BE(1, at);
  at = body.writeInt16BE(name.length, at);
  at += name.copy(body, at);
  at = body.writeInt32BE(1, at);
  at = body.writeInt32BE(partition, at);
  at = body.writeBigInt64BE(BigInt(offset), at);
  body.writeInt32BE(8 << 20, at);
  return body;
}

/** One request on a connection of its own. */
function exchange(port: number, body: Buffer): Promise<Buffer> {
  const head = Buffer.alloc(4 + 2 + 2 + 4 + 2);
  head.writeInt32BE(head.length - 4 + body.length, 0);
  head.writeInt16BE(FETCH, 4);
  head.writeInt16BE(FETCH_VERSION, 6);
  head.writeInt16BE(-1, 12); // no client id
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer in time')));
    socket.on('connect', () => socket.write(Buffer.concat([head, body])));
    const pieces: Buffer[] = [];
    let length = 0;
    socket.on('data', (piece: Buffer) => {
      pieces.push(piece);
      length += piece.length;
      if (length < 4) return;
      const all = pieces.length === 1 ? piece : Buffer.concat(pieces);
      if (length < 4 + all.readInt32BE(0)) return;
      resolve(all.subarray(8));
      socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed')));
  });
}

/** Throws where the broker says that something is wrong. */
function recordsOf(response: Buffer, partition: number): TopicRecord[] {
  let at = 4 + 4; // throttling, one topic
  at += 2 + response.readInt16BE(at) + 4 + 4; // its name, one partition, its number
  const code = response.readInt16BE(at);
  if (code !== NOTHING) throw new Error(`error ${code}`);
  at += 2 + 8 + 8;
  const aborted = response.readInt32BE(at);
  at += 4 + Math.max(0, aborted) * 16;
  const end = at + 4 + Math.max(0, response.readInt32BE(at));
  return batches(response.subarray(at + 4, end), partition);
}

const BATCH_HEAD = 61;

function batches(bytes: Buffer, partition: number): TopicRecord[] {
  const found: TopicRecord[] = [];
  for (let at = 0; at + BATCH_HEAD <= bytes.length; ) {
    const end = at + 12 + bytes.readInt32BE(at + 8);
    if (end > bytes.length) break;
    const base = Number(bytes.readBigInt64BE(at));
    if ((bytes.readInt16BE(at + 21) & 7) !== 0) throw new Error('compressed records are not read here');
    const reader = new Varints(bytes, at + BATCH_HEAD);
    for (let i = 0; i < bytes.readInt32BE(at + 57); i++) found.push(record(reader, base, partition));
    at = end;
  }
  return found;
}

function record(reader: Varints, base: number, partition: number): TopicRecord {
  reader.next(); // length
  reader.skip(1); // attributes
  reader.next(); // time
  const offset = base + reader.next();
  const key = reader.text();
  const value = reader.text();
  let id = '';
  for (let headers = reader.next(); headers > 0; headers--) {
    const name = reader.text();
    const said = reader.text();
    if (name === 'ce_id') id = said;
  }
  return { partition, offset, key, id, value };
}

/** Zigzag varints, and texts with their length before them. */
class Varints {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  next(): number {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#bytes[this.#at++] as number;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number((value >> 1n) ^ -(value & 1n));
    }
  }

  skip(length: number): void {
    this.#at += length;
  }

  text(): string {
    const length = Math.max(0, this.next());
    this.#at += length;
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }
}
