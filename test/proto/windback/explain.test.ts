import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Decision, DecisionEvent, DecisionKind } from '../../../proto/windback/decision.ts';
import { explain } from '../../../proto/windback/explain.ts';
import { amount, chance, oneIn, percent, shellWord, wrapped } from '../../../proto/windback/explain-words.ts';
import { decisionEvent } from '../../support/decision-event.ts';

/** The rollback of decision-event.ts with the parts that it leaves empty, and what the test changes. */
function event(change: Partial<Decision> = {}): DecisionEvent {
  const base = decisionEvent();
  const data: Decision = {
    ...base.data,
    baseline_kind: 'concurrent',
    policy: { ...base.data.policy, tolerance: 0.25 },
    operations: [
      {
        operation: 'POST /checkout',
        indicator: 'errors',
        candidate: { bad: 48, all: 600 },
        baseline: { bad: 0, all: 590 },
      },
    ],
    signatures: [{ signature: 'TypeError at charge (checkout.ts)', count: 48 }],
    blame: [{ service: 'payment', candidate: '2.0.1', verdict: 'suspect', why_not: 'its errors come from cart' }],
    guards: [
      { guard: 'breadth', passed: true, detail: 'the evidence remains without the instance that weighs most' },
      { guard: 'something_new', passed: false, detail: 'as told' },
    ],
    ...change,
  };
  return { ...base, data };
}

/** The lines of a section, without what they are indented by. */
function section(page: string, title: string): string[] {
  const found = page.split('\n\n').find((part) => part.startsWith(`${title}\n`));
  return found === undefined ? [] : found.trimEnd().split('\n').slice(1);
}

const flat = (text: string | readonly string[]): string => [text].flat().join(' ').replaceAll(/\s+/g, ' ').trim();

test('a rollback, the whole page', () => {
  expect(explain(event())).toBe(
    `cart: ROLL BACK 1.4.2 to 1.4.1  (shop, prod)
============================================
cart 1.4.2 fails 5.0 % of its requests, 1.4.1 fails 0.1 %.

  decided     2026-01-01 00:05:00 UTC, 5 min after the rollout began, by the telemetry's clock
  decision    d-1

What was compared
  candidate   1.4.2: 1 000 requests, 50 failed (5.0 %); 3 instances; health 50.0 of 100
  baseline    1.4.1: 1 000 requests, 1 failed (0.10 %); 3 instances; health 99.0 of 100
  how         at the same time: what hits both versions alike cancels out
  since       2026-01-01 00:00:00 UTC, by its first telemetry

Evidence
                     candidate           baseline   times as often  chance 1 in  bar 1 in
  > errors  50 of 1 000  5.0 %  1 of 1 000 0.10 %  50 (7.0 to 360)        5 000     2 000
    > decided; errors: failed requests.

How sure
  If 1.4.2 were no worse than tolerated, evidence like that of errors would ever come about in at
  most 1 in 5 000 rollouts, however often one looks; 1 in 2 000 is enough. It comes from 30 separate
  stretches of time.
  Policy: of rollouts that are no worse than tolerated (25 % more than the baseline unless an
  indicator has a margin of its own), at most 1 in 1 000 is rolled back, over all indicators and
  however long it is watched. Configuration 0123456789abcdef.

Operations that stand out
                                 candidate         baseline
  POST /checkout  errors  48 of 600  8.0 %  0 of 590    0 %

New in the candidate
        48 times  TypeError at charge (checkout.ts)

Checks against a false alarm
  NOT PASSED  something new: as told
  passed      breadth (one bad host cannot decide): the evidence remains without the instance that
              weighs most

Other rollouts at the time
  payment 2.0.1 (suspect): its errors come from cart

Traces of what went wrong
  5b8efff798038103d269b633813fc60c

What to do
  - Put 1.4.1 back, unless a consumer of the decisions has done so already.
  - Look at the traces above, POST /checkout first.
  - If 1.4.2 must stay nonetheless, before it is deployed again: windback override pin
    shop/cart/prod 1.4.2 --reason '...'
`,
  );
});

describe('other decisions say what they ask for', () => {
  test.each([
    ['hold', /^cart: HOLD 1\.4\.2/, 'Give 1.4.2 no more traffic than it has', 'override approve shop/cart/prod 1.4.2'],
    ['resume', /^cart: RESUME 1\.4\.2/, 'Go on with the rollout of 1.4.2', 'still watched'],
    ['promote', /^cart: PROMOTE 1\.4\.2/, 'Let 1.4.2 take all traffic', 'may yet roll it back'],
  ] as const)('%s', (decision: DecisionKind, title, ...todo) => {
    const page = explain(event({ decision, indicator: decision === 'hold' ? 'errors' : null }));
    expect(page).toMatch(title);
    for (const said of todo) expect(flat(section(page, 'What to do'))).toContain(said);
    expect(page).not.toContain('ROLL BACK');
    expect(page.includes('> decided')).toBe(decision === 'hold');
    if (decision === 'hold') expect(flat(page)).toContain('a rollback needs 1 in 2 000');
  });

  test('a dry run says that nobody acts', () => {
    const page = flat(explain(event({ dry_run: true })));
    expect(page).toContain('dry run yes: no consumer may act on it');
    expect(page).toContain('nobody has done it');
  });

  test('an inconclusive one says why', () => {
    const page = explain(event({ decision: 'hold', verdict: 'inconclusive', inconclusive: 'noisy: hosts differ' }));
    expect(page).toContain('inconclusive: noisy: hosts differ');
  });
});

describe('what to do', () => {
  const todo = (change: Partial<Decision>) => flat(section(explain(event(change)), 'What to do'));

  test.each([
    ['too little is known: about 300 more requests', 'give 1.4.2 more traffic'],
    ['noisy: errors would decide, but not yet', 'the instance or the minute that stands out'],
    ['both bad: 1.4.2 burns', '1.4.1 fails as well'],
    ['no baseline: 1.4.1 has sent nothing', 'Keep 1.4.1 at work beside 1.4.2'],
    ['clock skew: 300 events', 'clocks'],
    ['something of later', 'Leave 1.4.2 the traffic it has'],
  ])('where nothing can be said: %s', (inconclusive, said) => {
    const change = { decision: 'hold', verdict: 'inconclusive', indicator: null, exemplars: [], inconclusive } as const;
    expect(todo(change)).toContain(said);
    expect(todo(change)).toContain('override approve');
    expect(todo(change)).not.toMatch(/no more traffic|requests of 1\.4\.2/);
  });

  test.each([
    ['silence', 'whether instances of 1.4.2 start, stay up'],
    ['resource', 'what instances of 1.4.2 use, POST /checkout first'],
    ['log_errors', 'the logs of 1.4.2'],
    ['calls', 'requests of 1.4.2, POST /checkout first'],
  ])('where to look after %s', (indicator, said) => {
    expect(todo({ indicator, exemplars: [] })).toContain(said);
  });

  test('does not send anybody to requests that never came, be there traces or not', () => {
    expect(todo({ indicator: 'silence' })).not.toContain('traces');
  });

  test('of a feature flag names variants as such, and the version itself in a command', () => {
    const { candidate, baseline, service } = event().data;
    const page = explain(
      event({
        service: { ...service, name: 'cart#new-pay' },
        candidate: { ...candidate, version: 'on' },
        baseline: { ...(baseline as Decision['candidate']), version: 'off' },
      }),
    );
    expect(page).toContain('ROLL BACK variant "on" to variant "off"');
    expect(flat(page)).toContain('Put variant "off" back');
    expect(flat(page)).toContain('override pin shop/cart/prod on --reason');
  });
});

describe('what was compared', () => {
  test('with what should have come, where that decided', () => {
    const { candidate } = event().data;
    const mute = { ...candidate, requests: 0, errors: 0, score: { '1m': null } };
    const lines = section(explain(event({ indicator: 'silence', candidate: mute })), 'What was compared');
    expect(flat(lines)).toContain('candidate 1.4.2: no requests; 3 instances baseline');
    expect(flat(lines)).toContain('how with the requests that its share');
  });

  test('the health of windows that are alike stands together', () => {
    const { candidate } = event().data;
    const score = { '1m': 26.8, '5m': 26.2, '30m': 26.21, '1h': null };
    const lines = section(explain(event({ candidate: { ...candidate, score } })), 'What was compared');
    expect(flat(lines)).toContain('health 26.8 of 100 (1m), 26.2 (5m, 30m) baseline');
  });

  test.each([
    ['concurrent', 'at the same time'],
    ['historical', 'with its own past'],
    ['chosen', 'that the configuration names'],
  ] as const)('%s', (baseline_kind, said) => {
    expect(flat(section(explain(event({ baseline_kind })), 'What was compared'))).toContain(said);
  });

  test('nothing, where there is no baseline', () => {
    const page = explain(event({ baseline: null }));
    expect(page).toMatch(/^cart: ROLL BACK 1\.4\.2 {2}\(shop, prod\)$/m);
    expect(page).toMatch(/^ {2}baseline {4}none$/m);
    expect(page).toContain('Put the version before it back');
  });
});

describe('evidence', () => {
  const one = event().data.evidence[0] as Decision['evidence'][number];

  test('that fired without being the one that decided is marked; what says nothing is a dash', () => {
    const evidence = [
      one,
      { ...one, indicator: 'silence', e: 1e300, baseline: { bad: 0, all: 0 }, relative_risk: null, interval: null },
      { ...one, indicator: 'slow_p99', e: 0.3, fired: false, interval: [0.6, null] as const, relative_risk: 1.07 },
    ];
    const [, errors, silence, slow, ...legend] = section(explain(event({ evidence })), 'Evidence');
    expect(errors).toMatch(/^ {2}> errors /);
    expect(silence).toMatch(/^ {2}\* silence .* - +- +10\^300 +2 000$/);
    expect(slow).toMatch(/^ {4}slow_p99 .* 1\.1 \(0\.6\+\) +- +2 000$/);
    expect(flat(legend)).toContain('* would have decided too');
    expect(flat(legend)).toContain('slow_p99: requests slower than that percentile of the baseline');
  });

  test('what decided comes first, then what is nearest to its bar; what saw nothing is left out', () => {
    const evidence = [
      { ...one, indicator: 'slow_p50', progress: 0.1, fired: false },
      { ...one, indicator: 'calls', progress: 0.7, fired: false },
      { ...one, indicator: 'silence', candidate: { bad: 0, all: 0 }, baseline: { bad: 0, all: 0 } },
      { ...one, progress: 0.6 },
    ];
    const [, ...rows] = section(explain(event({ evidence })), 'Evidence');
    const names = rows.slice(0, 3).map((row) => row.trim().split(/ {2,}/)[0]);
    expect(names).toEqual(['> errors', 'calls', 'slow_p50']);
    expect(flat(rows)).not.toContain('silence');
  });

  test('says why it counts fewer requests than there were', () => {
    const table = (all: number) =>
      flat(section(explain(event({ evidence: [{ ...one, candidate: { bad: 50, all } }] })), 'Evidence'));
    expect(table(999)).toContain('Left out are requests that cannot be compared');
    expect(table(1000)).not.toContain('Left out');
  });

  test('of the past counts minutes; of an own condition has its whole name below', () => {
    const own = { ...one, indicator: 'custom.a_rather_long_name_of_an_indicator' };
    const page = flat(explain(event({ baseline_kind: 'historical', evidence: [own] })));
    expect(page).toContain('counted are minutes');
    expect(page).toContain('custom.a_rather_long_name_of_an_indicator: items that are bad by your own condition');
    expect(page).not.toContain('Left out');
  });

  test('of none leaves the table out', () => {
    const page = explain(event({ evidence: [], indicator: null, decision: 'promote' }));
    expect(section(page, 'Evidence')).toEqual([]);
    expect(flat(section(page, 'How sure'))).toMatch(/^Policy: of rollouts that are no worse .* at most 1 in 1 000 /);
  });
});

test('other rollouts with the same answer stand together', () => {
  const other = (service: string, why_not: string) => ({
    service,
    candidate: '2',
    verdict: 'suspect' as const,
    why_not,
  });
  const blame = [other('a', 'x'), other('b', 'y'), other('c', 'x')];
  expect(section(explain(event({ blame })), 'Other rollouts at the time')).toEqual([
    '  a 2 (suspect), c 2 (suspect): x',
    '  b 2 (suspect): y',
  ]);
});

test('an event of before these fields is explained without them', () => {
  const { blame, signatures, inconclusive, baseline_kind, explanation, guards, operations, exemplars, ...data } =
    event().data;
  expect(blame.length + signatures.length + guards.length + operations.length + exemplars.length).toBeGreaterThan(5);
  expect([inconclusive, baseline_kind, explanation]).toHaveLength(3);
  const page = explain({ ...event(), data });
  expect(page).toContain('> errors');
  for (const title of ['Other rollouts', 'New in', 'Checks', 'Traces', 'Operations']) expect(page).not.toContain(title);
  expect(page).not.toMatch(/undefined|null|NaN/);
});

test('does not depend on the explanation', () => {
  expect(explain(event({ explanation: 'x' }))).toBe(explain(event({ explanation: 'y' })));
});

test('a command that can be pasted, whatever the version is called', () => {
  const base = event().data;
  const page = explain(event({ candidate: { ...base.candidate, version: "1.0'; rm -rf $HOME #" } }));
  expect(flat(page)).toContain(`windback override pin shop/cart/prod '1.0'\\''; rm -rf $HOME #'`);
});

test('whatever telemetry holds, lines fit the page and cannot steer a terminal', () => {
  const nasty = fc.string({ unit: 'binary', minLength: 1, maxLength: 300 });
  const count = fc.nat({ max: 2_000_000_000 });
  const pair = fc.record({ bad: count, all: count });
  const number = fc.double({ min: 0, noNaN: true });
  const evidence = fc.record({
    indicator: nasty,
    e: number,
    bar: number,
    progress: number,
    blocks: count,
    candidate: pair,
    baseline: pair,
    relative_risk: fc.option(number, { nil: null }),
    interval: fc.option(fc.tuple(number, fc.option(number, { nil: null })), { nil: null }),
    fired: fc.boolean(),
  });
  fc.assert(
    fc.property(nasty, count, fc.array(evidence, { maxLength: 4 }), pair, (text, requests, all, counts) => {
      const base = event().data;
      const change = {
        reason: text,
        service: { name: text, namespace: text, environment: text },
        candidate: { ...base.candidate, version: text, requests, errors: requests },
        evidence: all,
        indicator: all[0]?.indicator ?? null,
        operations: [{ operation: text, indicator: text, candidate: counts, baseline: counts }],
        signatures: [{ signature: text, count: requests }],
        blame: [{ service: text, candidate: text, verdict: 'suspect' as const, why_not: text }],
        guards: [{ guard: text, passed: true, detail: text }],
      };
      const lines = explain({ ...event(change), subject: text, id: text }).split('\n');
      for (const line of lines) {
        expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
        expect(line.length).toBeLessThanOrEqual(100);
      }
    }),
    { numRuns: 300 },
  );
});

describe('figures', () => {
  test.each([
    [0, '0'],
    [99_999, '99 999'],
    [123_456, '123 k'],
    [12_345_678, '12.3 M'],
    [2e9, '2 G'],
    [3e14, '10^14'],
    [Number.POSITIVE_INFINITY, '-'],
  ])('amount(%d)', (value, text) => expect(amount(value)).toBe(text));

  test.each([
    [0, 10, '0 %'],
    [1, 100_000, '<0.01 %'],
    [1, 1000, '0.10 %'],
    [23, 1000, '2.3 %'],
    [1, 1, '100 %'],
    [0, 0, '-'],
  ])('percent(%d, %d)', (part, whole, text) => expect(percent(part, whole)).toBe(text));

  test.each([
    [0.5, '-'],
    [1, '-'],
    [2.59, '2.5'],
    [3333.9, '3 333'],
    [4_199_000, '4.19 M'],
    [1e300, '10^300'],
  ])('oneIn(%d)', (e, text) => expect(oneIn(e)).toBe(text));

  test('a chance never promises more than the e-value has', () => {
    const shown = (text: string): number => {
      const [, digits = '', unit = ''] = /^([\d. ]+|10\^\d+)([kMG]?)$/.exec(text) ?? [];
      const value = digits.startsWith('10^') ? 10 ** Number(digits.slice(3)) : Number(digits.replaceAll(' ', ''));
      return value * ({ k: 1e3, M: 1e6, G: 1e9 }[unit] ?? 1);
    };
    fc.assert(
      fc.property(fc.double({ min: 1.1, max: 1e200, noNaN: true }), (e) => {
        expect(shown(oneIn(e))).toBeLessThanOrEqual(e * (1 + 1e-9));
        expect(shown(oneIn(e))).toBeGreaterThan(e / 11);
      }),
    );
    expect(chance(3333.9)).toBe('1 in 3 333');
    expect(chance(1)).toBe('any number of');
  });
});

test.each([
  ['shop/cart/prod', 'shop/cart/prod'],
  ['a b', "'a b'"],
  ['', "''"],
  ["it's", `'it'\\''s'`],
  ['$HOME', "'$HOME'"],
])('shellWord(%s)', (text, quoted) => expect(shellWord(text)).toBe(quoted));

test('lines break between words, never inside of a number', () => {
  expect(wrapped('a total of 10 020 requests', 13)).toEqual(['a total of', '10 020', 'requests']);
  expect(wrapped('x'.repeat(25), 10)).toEqual(['x'.repeat(10), 'x'.repeat(10), 'x'.repeat(5)]);
});
