/** The parts of the overload and soak benchmarks that count, and what they conclude. */
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Sink } from '../../bench/load/sink.ts';
import { Counting, together } from '../../bench/overload/answers.ts';
import { GrpcLane } from '../../bench/overload/grpc-lane.ts';
import { HttpLane } from '../../bench/load/http-lane.ts';
import type { Lane, Outcome } from '../../bench/load/lanes.ts';
import { bodyOf } from '../../bench/load/body.ts';
import { encodeRequest } from '../../bench/load/encode.ts';
import { usualShape } from '../../bench/load/shape.ts';
import { findingsOf, lineThrough, type Sample, type Soak, tableOf } from '../../bench/soak/report.ts';
import { Rollouts } from '../../bench/soak/rollouts.ts';

const MIB = 1024 * 1024;
const request = (isGrpc: boolean) =>
  bodyOf(encodeRequest(usualShape('traces', 20), 0, Date.now()), 20, 'gzip', isGrpc).bytes;
const sent = (lane: Lane, body: Buffer, timeoutMs = 5000): Promise<Outcome> =>
  new Promise((resolve) => lane.send(body, timeoutMs, resolve));

describe('what becomes of a request', () => {
  const sink = new Sink();
  let ports = { grpc: 0, http: 0 };
  beforeAll(async () => {
    ports = await sink.start();
  });
  afterAll(() => sink.stop());

  it('is told by the lanes: taken', async () => {
    const lanes: [Lane, Buffer][] = [
      [new GrpcLane(ports.grpc, 'gzip'), request(true)],
      [new HttpLane(ports.http, 'gzip'), request(false)],
    ];
    for (const [lane, body] of lanes) {
      for (let i = 0; i < 2; i++) expect(await sent(lane, body)).toMatchObject({ kind: 'taken' });
      lane.close();
    }
    expect(sink.received.items).toBe(80);
  });

  it('is told by the lanes: refused with a pause, without an answer, and cut', async () => {
    const answers = [
      'HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\nno',
      'HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
      '',
    ];
    const server = createHttpServer();
    server.on('connection', (socket) => socket.resume());
    server.on('request', ({ socket }) => socket.write(answers.shift() || 'HTTP/1.1 200 OK\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const lane = new HttpLane((server.address() as AddressInfo).port, 'identity');
    const body = Buffer.alloc(10);
    expect(await sent(lane, body)).toEqual({ status: '503', kind: 'refused', saysWhen: true });
    expect(await sent(lane, body)).toEqual({ status: '429', kind: 'refused', saysWhen: false });
    expect(await sent(lane, body, 50)).toEqual({ status: 'timeout', kind: 'failed', saysWhen: false });
    server.closeAllConnections();
    server.close();
    expect(await sent(lane, body)).toMatchObject({ status: 'ECONNREFUSED', kind: 'failed' });
  });

  it('is counted over all senders', () => {
    const one = new Counting();
    one.offered = 3;
    one.add({ status: 'OK', kind: 'taken', saysWhen: false }, 5);
    one.add({ status: '503', kind: 'refused', saysWhen: true }, 1);
    one.add({ status: 'timeout', kind: 'failed', saysWhen: false }, 9);
    expect(together([one.tally(1), one.tally(2)])).toEqual({
      offered: 6,
      taken: 2,
      refused: { '503': 2 },
      saidWhen: 2,
      failed: { timeout: 2 },
      takenMs: [5, 5],
      refusedMs: [1, 1],
      cpuSeconds: 3,
    });
  });
});

it('a slow sink takes a request, and answers when its items have had their time', async () => {
  const sink = new Sink();
  const { http } = await sink.start();
  sink.itemsPerSecond = 0.01;
  const lane = new HttpLane(http, 'gzip');
  expect(await sent(lane, request(false), 200)).toMatchObject({ status: 'timeout' });
  expect(sink.received.items).toBe(20);
  lane.close();
  sink.stop();
});

describe('a soak', () => {
  const soak = (rssMib: (minute: number) => number, more: Partial<Soak> = {}): Soak => ({
    where: '',
    minutes: 60,
    rate: 1,
    samples: Array.from(
      { length: 360 },
      (_, i): Sample => ({
        seconds: (i + 1) * 10,
        rssBytes: rssMib((i + 1) / 6) * MIB,
        heapUsedBytes: 0,
        externalBytes: 0,
        handles: 10,
        fds: 20,
        loopP99Ms: 0,
        loopMaxMs: 0,
        cpuSeconds: i,
        acceptedItems: i * 10,
        refused: 0,
        answerP99Ms: 0,
      }),
    ),
    acceptedItems: 10,
    receivedItems: 10,
    refused: 0,
    decisions: {},
    exitCode: 0,
    ...more,
  });
  const failing = (one: Soak) => findingsOf(one).flatMap(({ what, holds }) => (holds ? [] : [what]));

  it('has a line through its memory', () => {
    const { perHour, error, mean } = lineThrough([0, 1800, 3600].map((x) => [x, 100 + x / 360]));
    expect([perHour, error, mean].map((value) => Number(value.toFixed(6)))).toEqual([10, 0, 105]);
  });

  it('is flat where only the first minutes grow, and not where memory goes on growing', () => {
    expect(failing(soak((minute) => Math.min(100, 90 + minute)))).toEqual([]);
    expect(failing(soak((minute) => 100 + minute / 4))).toEqual(['resident memory grows by less than 5 % an hour']);
  });

  it('says what was lost and refused', () => {
    expect(failing(soak(() => 100, { receivedItems: 9, refused: 1, exitCode: 1 }))).toEqual([
      'nothing that was accepted is lost',
      'nothing is refused',
      'it stops in order',
    ]);
    expect(failing(soak(() => 100, { receivedItems: 11 }))).toEqual([]);
  });

  it('has twelve rows', () => {
    expect(tableOf(soak(() => 100)).split('\n')).toHaveLength(14);
  });

  it('rolls versions over: first a part of the requests, then all; a bad one is taken back', () => {
    const rollouts = new Rollouts({ everyMs: 1000, canaryMs: 400 });
    const seen: string[] = [];
    for (let at = 0; at < 4000; at += 10) {
      const { service, version, errorEvery } = rollouts.next(5, at);
      if (service === 'shop-0') seen.push(`${version}${errorEvery === undefined ? '' : ' fails'}`);
    }
    expect(new Set(seen)).toEqual(new Set(['1.0.0', '1.1.0', '1.2.0', '1.3.0 fails', '1.4.0']));
    expect(seen.indexOf('1.0.0')).toBeLessThan(seen.indexOf('1.1.0'));
    expect(seen.lastIndexOf('1.2.0')).toBeGreaterThan(seen.lastIndexOf('1.3.0 fails'));
  });
});
