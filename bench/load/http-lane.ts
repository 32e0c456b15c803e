import { connect, type Socket } from 'node:net';
import { EXPORT_PATHS } from '../../proto/otlp/export.ts';
import type { Encoding } from './body.ts';
import { failed, type Lane, type Outcome } from './lanes.ts';

const HEAD_END = '\r\n\r\n';
const CHUNKED_END = '0\r\n\r\n';

/**
 * A connection of HTTP/1.1 with one request under way. On a bare socket, since the client should cost little: what is
 * measured stands at the other end.
 */
export class HttpLane implements Lane {
  readonly #port: number;
  readonly #head: string;
  #socket: Socket | undefined;
  #over: ((outcome: Outcome) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #answer = '';
  #isWriting = false;

  constructor(port: number, encoding: Encoding, contentType = 'application/x-protobuf') {
    this.#port = port;
    const encoded = encoding === 'identity' ? '' : `content-encoding: ${encoding}\r\n`;
    this.#head = `POST ${EXPORT_PATHS.traces} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: ${contentType}\r\n${encoded}content-length: `;
  }

  get room(): number {
    return this.#over === undefined && !this.#isWriting ? 1 : 0;
  }

  send(body: Buffer, timeoutMs: number, over: (outcome: Outcome) => void): void {
    this.#over = over;
    this.#timer = setTimeout(() => this.#cut('timeout'), timeoutMs);
    const socket = (this.#socket ??= this.#open());
    this.#isWriting = true;
    socket.write(`${this.#head}${body.length}${HEAD_END}`, 'latin1');
    // Where the answer comes before all is sent, the rest still has to go before the next request.
    socket.write(body, () => (this.#isWriting = false));
  }

  close(): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    const socket = connect({ host: '127.0.0.1', port: this.#port, noDelay: true });
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#read(text));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#gone(socket, error.code ?? error.message));
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#gone(socket, 'closed'));
    return socket;
  }

  #read(text: string): void {
    this.#answer += text;
    const end = this.#answer.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.#answer.slice(0, end).toLowerCase();
    const told = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
    const isChunked = /\r\ntransfer-encoding: *chunked/.test(head);
    const isWhole = isChunked
      ? this.#answer.endsWith(CHUNKED_END)
      : this.#answer.length >= end + HEAD_END.length + Number(told ?? 0);
    if (!isWhole) return;
    const status = head.split(' ', 2)[1] ?? '?';
    const saysWhen = /\r\nretry-after:/.test(head);
    if (/\r\nconnection: *close/.test(head)) this.#drop();
    this.#end({ status, kind: status === '200' ? 'taken' : 'refused', saysWhen });
  }

  #gone(socket: Socket, why: string): void {
    if (socket !== this.#socket) return;
    this.#drop();
    this.#end(failed(why));
  }

  #cut(why: string): void {
    this.#drop();
    this.#end(failed(why));
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#isWriting = false;
    this.#answer = '';
    socket?.destroy();
  }

  #end(outcome: Outcome): void {
    clearTimeout(this.#timer);
    this.#answer = '';
    const over = this.#over;
    this.#over = undefined;
    over?.(outcome);
  }
}
