import type { Socket } from 'node:net';

/** The part of kafkajs' class that matters here. */
interface Connection {
  readonly socket: Socket;
  /** What has come of an answer that is not complete. */
  chunks: Buffer[];
  bytesBuffered: number;
  /** What the next answer takes at least, its length of four bytes included. */
  bytesNeeded: number;
  isConnected(): boolean;
  connect(): Promise<unknown>;
  processData(bytes: Buffer): void;
}

/** In front of an answer: its length. */
const LENGTH_BYTES = 4;
/** What a producer asks for is answered with a fraction of it, also by a cluster of 100 000 partitions. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

let isMended = false;

/**
 * Has kafkajs 2.2.4 take answers as they may come:
 *
 * A connection is used again when it has broken, with what had come of an answer until then. It took the next answers
 * for the rest of that, and none came through any more, to the end of the process.
 *
 * What is no answer of Kafka's, as from an address where something else listens, threw where nobody catches, and
 * ended the process; or was waited for, up to 2 GiB of it. Now it breaks the connection.
 *
 * The version of kafkajs is pinned; a test fails when the class is no longer what this expects.
 */
export async function mendAnswers(): Promise<void> {
  if (isMended) return;
  isMended = true;
  // @ts-expect-error kafkajs publishes no types of what is inside it
  const { default: Connection } = (await import('kafkajs/src/network/connection.js')) as {
    default: { prototype: Connection };
  };
  const { prototype } = Connection;
  const { connect, processData } = prototype;
  prototype.connect = function connectAnew(this: Connection): Promise<unknown> {
    if (!this.isConnected()) {
      this.chunks = [];
      this.bytesBuffered = 0;
      this.bytesNeeded = LENGTH_BYTES;
    }
    return connect.call(this);
  };
  prototype.processData = function processOrBreak(this: Connection, bytes: Buffer): void {
    try {
      processData.call(this, bytes);
      if (this.bytesNeeded > ANSWER_BYTES_MAX) throw new Error(`an answer of ${this.bytesNeeded} bytes`);
    } catch (thrown) {
      this.socket.destroy(new Error(`what answers is no Kafka: ${(thrown as Error).message}`, { cause: thrown }));
    }
  };
}
