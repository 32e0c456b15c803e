/** Which of several rollouts is to blame. Services share a board, and their judges look at it block by block. */
import { describe, expect, it } from 'vitest';
import type { DecisionEvent } from '../../../proto/windback/decision.ts';
import type { DeltaSeries } from '../../../proto/windback/health.ts';
import { judged, live } from '../../support/history.ts';
import { series, START } from '../../support/judging.ts';

interface Version {
  readonly service: string;
  readonly version: string;
  readonly all: number;
  readonly bad?: number;
  /** Whose answers failed its failed requests. */
  readonly origin?: string;
  readonly from?: number;
  readonly environment?: string;
}

function second({ service, version, all, bad = 0, origin, environment = 'prod' }: Version): DeltaSeries[] {
  const of = { service, version, environment };
  return [
    series({ ...of, all, bad, ms: { 20: all } }),
    ...(origin === undefined || bad === 0 ? [] : [series({ ...of, kind: 'origin', name: origin, all: bad, bad })]),
  ];
}

/** Five minutes of these versions, each from its second on. */
async function shop(versions: readonly Version[], overrides: Record<string, unknown> = {}): Promise<DecisionEvent[]> {
  const deltas = Array.from({ length: 420 }, (_, i) => ({
    source: 'one',
    slot: START + i,
    series: versions.filter(({ from = 0 }) => i >= from).flatMap(second),
    events: [],
  }));
  const text = await judged(live(deltas), { overrides });
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line));
}

const about = (events: readonly DecisionEvent[], service: string) =>
  events.filter(({ data }) => data.service.name === service);
const kinds = (events: readonly DecisionEvent[], service: string) =>
  about(events, service).map(({ data }) => data.decision);

const OLD: readonly Version[] = [
  { service: 'cart', version: '1', all: 20 },
  { service: 'pay', version: '1', all: 20 },
];

describe('where a caller fails because its callee does', () => {
  const versions: Version[] = [
    ...OLD,
    { service: 'cart', version: '2', all: 10, bad: 5, origin: 'pay', from: 90 },
    { service: 'pay', version: '2', all: 10, bad: 6, from: 90 },
  ];

  it('the callee is rolled back, and the caller held', async () => {
    const events = await shop(versions);
    expect(kinds(events, 'pay')).toEqual(['hold', 'rollback']);
    expect(kinds(events, 'cart')).toEqual(['hold']);
  });

  it('the rollback names the caller, and why not it', async () => {
    const rollback = about(await shop(versions), 'pay').at(-1)!;
    expect(rollback.data.blame).toEqual([
      {
        service: 'cart',
        candidate: '2',
        verdict: 'suspect',
        why_not: expect.stringMatching(/^\d+ of its \d+ failed requests had a failed call to pay first$/),
      },
    ]);
    expect(rollback.data.explanation).toContain('failed call to pay first');
  });

  it('the caller is rolled back after all where the callee has nothing against it', async () => {
    const sound = versions.map((one) => (one.service === 'pay' ? { ...one, bad: 0 } : one));
    expect(kinds(await shop(sound), 'cart')).toEqual(['hold', 'rollback']);
  });

  it('the caller is rolled back where the callee rolls nothing out, or does so elsewhere', async () => {
    const alone = versions.filter(({ service, version }) => service !== 'pay' || version === '1');
    expect(kinds(await shop(alone), 'cart')).toContain('rollback');
    const elsewhere = versions.map((one) => (one.service === 'pay' ? { ...one, environment: 'test' } : one));
    expect(kinds(await shop(elsewhere), 'cart')).toContain('rollback');
  });

  it('the caller is rolled back where most of its errors are its own', async () => {
    const own: Version[] = [
      ...OLD,
      { service: 'pay', version: '2', all: 10, bad: 6, from: 90 },
      { service: 'cart', version: '2', all: 5, bad: 1, origin: 'pay', from: 90 },
      { service: 'cart', version: '2', all: 5, bad: 4, from: 90 },
    ];
    expect(kinds(await shop(own), 'cart')).toContain('rollback');
  });
});

describe('where two fail and neither calls the other', () => {
  it('both are rolled back, and each names the other', async () => {
    const events = await shop([
      ...OLD,
      { service: 'cart', version: '2', all: 10, bad: 6, from: 90 },
      { service: 'pay', version: '2', all: 10, bad: 6, from: 120 },
    ]);
    for (const service of ['cart', 'pay']) expect(kinds(events, service)).toContain('rollback');
    const last = about(events, 'pay').at(-1)!;
    expect(last.data.blame).toMatchObject([{ service: 'cart', why_not: expect.stringContaining('judged by its own') }]);
  });

  it('one that is no worse is named with how little there is against it', async () => {
    const events = await shop([
      ...OLD,
      { service: 'cart', version: '2', all: 10, from: 90 },
      { service: 'pay', version: '2', all: 10, bad: 6, from: 90 },
    ]);
    expect(about(events, 'pay').at(-1)!.data.blame).toMatchObject([
      {
        service: 'cart',
        verdict: 'observing',
        why_not: expect.stringMatching(/^no evidence against it: \d+ % of the way/),
      },
    ]);
  });
});

describe('where each blames the other', () => {
  it('neither is let off', async () => {
    const events = await shop([
      ...OLD,
      { service: 'cart', version: '2', all: 10, bad: 6, origin: 'pay', from: 90 },
      { service: 'pay', version: '2', all: 10, bad: 6, origin: 'cart', from: 90 },
    ]);
    for (const service of ['cart', 'pay']) expect(kinds(events, service)).toContain('rollback');
  });
});
