/** Answers that a client asks for and does not read. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { PlainConnection } from '../../../pipeline/http1/plain-connection.ts';

const LIMITS = { requestMs: 30_000, idleMs: 60_000 };
const REQUEST = Buffer.from('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n', 'latin1');

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A connection whose requests are answered at once, and whose client reads one write with each `read`. */
function served() {
  const waiting: (() => void)[] = [];
  const socket = new Duplex({ read() {}, write: (_piece, _encoding, done) => void waiting.push(done) });
  const plain = new PlainConnection(socket as unknown as Socket, LIMITS, {
    request: (request) => request.answer('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n', ''),
    other: () => {},
  });
  return {
    socket,
    request: () => plain.receive(REQUEST, 0, REQUEST.length),
    read: () => waiting.shift()?.(),
    pass(ms: number): boolean {
      vi.advanceTimersByTime(ms);
      plain.check(performance.now());
      return !socket.destroyed;
    },
  };
}

test('end the connection after the time that a request has, whatever else it asks for', () => {
  const at = served();
  at.request();
  expect(at.pass(LIMITS.requestMs)).toBe(true);
  at.request();
  expect(at.pass(1)).toBe(false);
});

test('do not as long as some of them is read, however slowly', () => {
  const at = served();
  at.request();
  for (let i = 0; i < 10; i++) {
    at.request();
    expect(at.pass(LIMITS.requestMs)).toBe(true);
    at.read();
    expect(at.socket.writableLength).toBeGreaterThan(0);
  }
});
