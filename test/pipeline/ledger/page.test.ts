import { afterEach, describe, expect, test } from 'vitest';
import { checkAtEnd, ledgerPage, serveLedger } from '../../../pipeline/ledger/page.ts';
import type { Ledger } from '../../../pipeline/ledger/view.ts';
import { Router } from '../../../pipeline/routes.ts';
import { AdminServer } from '../../../pipeline/telemetry/admin.ts';
import { recordingLogger, testContext } from '../../support/context.ts';

const account = {
  id: 'otlp/backend',
  incoming: 1000,
  repeated: 0,
  accepted: 1000,
  refused: { queue_full: 40 },
  restored: 0,
  delivered: 800,
  dropped: { rejected: 8, abandoned: 2 },
  kept: 0,
  queued: 190,
  on_disk: 0,
  unaccounted: 0,
};
const LEDGER: Ledger = {
  is_balanced: true,
  books: [
    {
      pipeline: 'traces/eu',
      signal: 'traces',
      received: 1050,
      accepted: 1010,
      refused: { queue_full: 40 },
      under_way: 0,
      handed: 1000,
      processors: [
        {
          id: 'batch',
          incoming: 1010,
          outgoing: 1000,
          filtered: { sampled: 10 },
          consumed: 0,
          held: 0,
          unaccounted: 0,
        },
      ],
      exporters: [account],
      unaccounted: 0,
    },
  ],
};
const [BOOK] = LEDGER.books;
const WRONG = {
  is_balanced: false,
  books: [{ ...BOOK, unaccounted: -3, exporters: [{ ...account, unaccounted: 5 }] }],
} as Ledger;

let server: AdminServer | undefined;
afterEach(() => server?.stop());

async function get(headers: Record<string, string> = {}, host = 'localhost') {
  const router = new Router();
  serveLedger(router, async () => LEDGER);
  const api = { router, token: 'a token of some length' };
  server = new AdminServer({ host, port: 0 }, 'the.key', {}, testContext('admin'), api);
  await server.start();
  const answer = await fetch(`http://localhost:${server.port}/debug/ledger`, { headers });
  return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() };
}

describe('the page', () => {
  test('has a sum and two tables of every book', () => {
    expect(ledgerPage(LEDGER)).toBe(`Every item is accounted for.

traces/eu
  received 1050 = accepted 1010 + refused 40 (queue_full 40) + under way 0
  processor  incoming  outgoing  consumed  held  filtered
  batch          1010      1000         0     0  10 (sampled 10)
  exporter      accepted  restored  delivered  queued  kept  repeated  dropped                       refused
  otlp/backend      1000         0        800     190     0         0  10 (rejected 8, abandoned 2)  40 (queue_full 40)
`);
  });

  test('says first what is missing, and where', () => {
    expect(ledgerPage(WRONG).split('\n\n')[0]).toBe(`NOT every item is accounted for:
  traces/eu: 3 too many
  traces/eu, exporter otlp/backend: 5 are missing`);
  });
});

describe('GET /debug/ledger', () => {
  test.each(['application/json', 'application/json, text/plain', 'text/html, application/json;q=0.9'])(
    'is JSON for %s',
    async (accept) => {
      const { status, type, body } = await get({ accept });
      expect([status, type]).toEqual([200, 'application/json']);
      expect(JSON.parse(body)).toEqual(LEDGER);
    },
  );

  test.each(['*/*', 'text/plain', 'text/plain, application/json', 'text/html,application/xhtml+xml,*/*;q=0.8'])(
    'is text for %s',
    async (accept) => {
      const { status, type, body } = await get({ accept });
      expect([status, type, body]).toEqual([200, 'text/plain; charset=utf-8', ledgerPage(LEDGER)]);
    },
  );

  test('is read without the token by whoever reaches it, and not by a page of another site, as the rest of the API', async () => {
    expect((await get({ origin: 'https://example.com' })).status).toBe(403);
    const authorization = 'Bearer a token of some length';
    expect((await get({ origin: 'https://example.com', authorization })).status).toBe(200);
  });
});

test('at the end a word is said where something is missing, and none where nothing is', () => {
  const { logger, lines } = recordingLogger();
  checkAtEnd(LEDGER, logger);
  expect(lines).toEqual([]);
  checkAtEnd(WRONG, logger);
  expect(lines).toMatchObject([
    { level: 50, unaccounted: ['traces/eu: 3 too many', 'traces/eu, exporter otlp/backend: 5 are missing'] },
  ]);
});
