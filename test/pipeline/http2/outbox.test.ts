import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Outbox } from '../../../pipeline/http2/outbox.ts';

/** A connection to a system that takes what is written at once, or when it is told to. */
class Connection extends Duplex {
  readonly taken: string[] = [];
  readonly #late: (() => void)[] = [];
  readonly #isLate: boolean;

  constructor(isLate: boolean) {
    super();
    this.#isLate = isLate;
  }

  override _read(): void {}

  override _write(piece: Buffer, _encoding: string, done: () => void): void {
    const take = () => {
      this.taken.push(piece.toString());
      done();
    };
    if (this.#isLate) this.#late.push(take);
    else take();
  }

  takeOne(): void {
    this.#late.shift()?.();
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a piece that is written at once', () => {
  test('may be used again at once where the system has taken it, and is so once', async () => {
    const connection = new Connection(false);
    let sent = 0;
    new Outbox(connection).writeNow(Buffer.from('a'), () => sent++);
    expect(connection.taken).toEqual(['a']);
    expect(sent).toBe(1);
    await turn();
    expect(sent).toBe(1);
  });

  test('may not before the system has taken it, nor what was written before it', async () => {
    const connection = new Connection(true);
    const outbox = new Outbox(connection);
    const sent: string[] = [];
    const first = Buffer.from('a');
    outbox.writeNow(first, () => {
      sent.push('a');
      first.fill('x');
    });
    outbox.writeNow(Buffer.from('b'), () => sent.push('b'));
    await turn();
    expect(sent).toEqual([]);
    connection.takeOne();
    await turn();
    expect(sent).toEqual(['a']);
    connection.takeOne();
    await turn();
    expect(sent).toEqual(['a', 'b']);
    expect(connection.taken).toEqual(['a', 'b']);
  });

  test('behind one that waits is not taken with it', async () => {
    const connection = new Connection(true);
    const outbox = new Outbox(connection);
    let sent = 0;
    outbox.write(Buffer.from('a'));
    outbox.writeNow(Buffer.from('b'), () => sent++);
    connection.takeOne();
    expect(connection.taken).toEqual(['a']);
    expect(sent).toBe(0);
    await turn();
    connection.takeOne();
    await turn();
    expect(sent).toBe(1);
    expect(connection.taken).toEqual(['a', 'b']);
  });

  test('is given up where there is no connection any more', () => {
    const connection = new Connection(false);
    connection.destroy();
    let sent = 0;
    new Outbox(connection).writeNow(Buffer.from('a'), () => sent++);
    expect(sent).toBe(1);
    expect(connection.taken).toEqual([]);
  });
});
