import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { http2Server } from '../support/http2-server.ts';
import { startProgram } from './program.ts';
import { foreignEnv, isLeftOut, pathOf } from './tool.ts';

/**
 * What can be asked of a server that refuses each request by its headers, since none of them is OTLP: all but what needs
 * an answered stream to be open still (6.9.1 case 3; 8.1 case 1; 8.1.2.1 case 3; 8.1.2.6).
 */
const WITHOUT_OPEN_STREAMS = `
  generic hpack http2/3 http2/4 http2/5 http2/6.1 http2/6.2 http2/6.3 http2/6.4 http2/6.5 http2/6.7
  http2/6.8 http2/6.9/1 http2/6.9/2 http2/6.9/3 http2/6.9.1/1 http2/6.9.1/2 http2/6.9.2 http2/6.10
  http2/7 http2/8.1.2/1 http2/8.1.2.1/1 http2/8.1.2.1/2 http2/8.1.2.1/4 http2/8.1.2.2 http2/8.1.2.3
  http2/8.2
`;
/** Where HTTP/1 is spoken too, what does not begin as HTTP/2 gets its answer there (3.5 case 2). */
const BESIDE_HTTP1 = WITHOUT_OPEN_STREAMS.replace('http2/3', 'http2/3.5/1');
const RUN_MS_MAX = 110_000;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0)) await clean();
});

/** The last line of h2spec, and what failed above it. */
async function h2spec(port: number, cases = ''): Promise<string> {
  const args = ['--strict', '-h', '127.0.0.1', '-p', `${port}`, ...(cases.match(/\S+/g) ?? [])];
  const options = { env: foreignEnv(), timeout: RUN_MS_MAX };
  const { stdout } = await promisify(execFile)(pathOf(inject('h2spec')), args, options).catch((error) => error);
  const [, failures = ''] = /^Failures:([\s\S]*)/m.exec(stdout) ?? [];
  return `${failures}${/^\d+ tests.*$/m.exec(stdout)?.[0] ?? stdout}`;
}

describe.skipIf(isLeftOut(inject('h2spec')))('h2spec', () => {
  it('all of it, against our HTTP/2', { timeout: RUN_MS_MAX }, async () => {
    const server = await http2Server({}, Buffer.from('an answer, for windows to hold back'));
    cleanups.push(() => server.close());
    expect(await h2spec(server.port)).toBe('146 tests, 146 passed, 0 skipped, 0 failed');
  });

  it.each([
    ['grpc', WITHOUT_OPEN_STREAMS, 141],
    ['http', BESIDE_HTTP1, 140],
  ] as const)('against the receiver, %s', { timeout: RUN_MS_MAX }, async (protocol, cases, count) => {
    const program = await startProgram();
    cleanups.push(() => program.stop());
    const said = await h2spec(program.ports[protocol], cases);
    expect(said).toBe(`${count} tests, ${count} passed, 0 skipped, 0 failed`);
  });
});
