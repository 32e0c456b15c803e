/** What the configuration means, as far as anybody can tell from what comes out. */
import { createHash, createHmac } from 'node:crypto';
import { describe, expect, it, test } from 'vitest';
import { redactionConfig } from '../../../processors/redaction/config.ts';
import { recordingLogger, testContext } from '../../support/context.ts';
import { anyValue, type Config, entries, Redacting } from './support.ts';

const CARD = '4111111111111111';
const VISA = '4[0-9]{12}(?:[0-9]{3})?';
const all = (config: Config): Config => ({ allow_all_keys: true, ...config });

describe('keys', () => {
  it('that are not allowed are removed', async () => {
    const redacting = new Redacting({ allowed_keys: ['kept'] });
    expect(await redacting.attributes({ kept: 'a', other: 'b', more: 1n })).toEqual({ kept: 'a' });
    expect(await redacting.counts()).toEqual({ removed: 2, masked: 0 });
  });

  it('are all removed where none is allowed', async () => {
    expect(await new Redacting({}).attributes({ a: 'a', b: 1n })).toEqual({});
  });

  it('are all kept where all are allowed', async () => {
    expect(await new Redacting({ allow_all_keys: true }).attributes({ a: 'a', b: 1n })).toEqual({ a: 'a', b: 1n });
  });

  it('that are blocked lose their value, whatever its type', async () => {
    const redacting = new Redacting(all({ blocked_key_patterns: ['token', '^secret'] }));
    const given = {
      my_token: 'abc',
      secret: 1n,
      'secret.list': ['a', { b: 'c' }],
      'secret.map': { a: 'b' },
      secretive: true,
    };
    expect(await redacting.attributes({ ...given, 'not.secret': 'x' })).toEqual({
      my_token: '****',
      secret: '****',
      'secret.list': '****',
      'secret.map': '****',
      secretive: '****',
      'not.secret': 'x',
    });
    expect(await redacting.counts()).toEqual({ removed: 0, masked: 5 });
  });

  it('of maps count like keys of attributes, however deep', async () => {
    const redacting = new Redacting({ allowed_keys: ['a', 'token', 'b'], blocked_key_patterns: ['token'] });
    expect(await redacting.attributes({ a: { token: 'x', other: 'y', b: [{ a: 'z', c: 'w' }] } })).toEqual({
      a: { token: '****', b: [{ a: 'z' }] },
    });
    expect(await redacting.counts()).toEqual({ removed: 2, masked: 1 });
  });

  it('may be in letters of any kind', async () => {
    const redacting = new Redacting({ allowed_keys: ['schlüssel'], ignored_key_patterns: ['^\\p{Lu}+$'] });
    expect(await redacting.attributes({ schlüssel: 'a', ÄÖ: 'b', äö: 'c', '': 'd' })).toEqual({
      schlüssel: 'a',
      ÄÖ: 'b',
    });
  });
});

describe('precedence', () => {
  const card = { k: CARD };

  it('ignored keys pass before everything else', async () => {
    const rest = { blocked_key_patterns: ['k'], blocked_values: [VISA] };
    expect(await new Redacting({ ...rest, ignored_keys: ['k'] }).attributes(card)).toEqual(card);
    expect(await new Redacting({ ...rest, ignored_key_patterns: ['^k$'] }).attributes(card)).toEqual(card);
    const nested = { k: { k: CARD, token: 'x' } };
    expect(await new Redacting({ ...rest, ignored_keys: ['k'] }).attributes(nested)).toEqual(nested);
  });

  it('a key that is not allowed is removed, though its value is blocked or allowed', async () => {
    expect(await new Redacting({ blocked_key_patterns: ['k'], allowed_values: ['.'] }).attributes(card)).toEqual({});
  });

  it('a key that is allowed and blocked keeps its key and loses its value', async () => {
    const both = { allowed_keys: ['k'], blocked_key_patterns: ['k'] };
    expect(await new Redacting(both).attributes({ k: 'v' })).toEqual({ k: '****' });
  });

  it('a value that is allowed stays, though its key or its value is blocked', async () => {
    const config = all({
      blocked_key_patterns: ['token'],
      blocked_values: ['[a-z]+@[a-z.]+'],
      allowed_values: ['^[a-z]+@us\\.com$'],
    });
    expect(
      await new Redacting(config).attributes({ token: 'me@us.com', to: 'me@us.com', from: 'me@them.com' }),
    ).toEqual({
      token: 'me@us.com',
      to: 'me@us.com',
      from: '****',
    });
  });

  it('a number is saved by an allowed value only where numbers are read', async () => {
    const config = all({ blocked_key_patterns: ['k'], allowed_values: ['^7$'] });
    expect(await new Redacting(config).attributes({ k: 7n })).toEqual({ k: '****' });
    expect(await new Redacting({ ...config, redact_all_types: true }).attributes({ k: 7n })).toEqual({ k: 7n });
  });
});

describe('values', () => {
  it('that are blocked are masked where they match, and only there', async () => {
    const redacting = new Redacting(all({ blocked_values: [VISA] }));
    expect(await redacting.attributes({ a: `pay ${CARD} and ${CARD}!`, b: 'nothing', c: CARD })).toEqual({
      a: 'pay **** and ****!',
      b: 'nothing',
      c: '****',
    });
    expect(await redacting.counts()).toEqual({ removed: 0, masked: 2 });
  });

  it('are masked by one pattern after the other, each on what the one before has left', async () => {
    expect(await new Redacting(all({ blocked_values: ['ab', '\\*c'] })).attributes({ a: 'abc' })).toEqual({
      a: '*******',
    });
  });

  it('of lists and maps are masked one by one', async () => {
    const redacting = new Redacting(all({ blocked_values: ['secret'] }));
    expect(await redacting.attributes({ a: ['x', 'secret', { b: ['secret!'] }] })).toEqual({
      a: ['x', '****', { b: ['****!'] }],
    });
    expect(await redacting.counts()).toEqual({ removed: 0, masked: 2 });
  });

  it('that are empty stay empty, unless their key is blocked', async () => {
    const redacting = new Redacting(all({ blocked_values: ['.*'], blocked_key_patterns: ['token'] }));
    expect(await redacting.attributes({ a: '', token: '', b: 'x' })).toEqual({ a: '', token: '****', b: '****' });
  });

  it('that are missing get one where their key is blocked', async () => {
    const redacting = new Redacting(all({ blocked_key_patterns: ['token'] }));
    const spans = [{ attributes: [{ key: 'token' }, { key: 'other' }] }];
    const out = await redacting.json('traces', { resourceSpans: [{ scopeSpans: [{ spans }] }] });
    expect(out.resourceSpans[0].scopeSpans[0].spans[0].attributes).toEqual([
      { key: 'token', value: { stringValue: '****' } },
      { key: 'other' },
    ]);
  });

  const NUMBERS = { int: 4111111111111111n, long: 9_007_199_254_740_993n, least: -(2n ** 63n), double: 0.5, is: true };

  it('that are no text are left alone', async () => {
    const given = { ...NUMBERS, bytes: Uint8Array.of(0x41) };
    expect(await new Redacting(all({ blocked_values: ['.'] })).attributes(given)).toEqual(given);
  });

  it('that are no text become text where all types are redacted and they match', async () => {
    const redacting = new Redacting(
      all({ blocked_values: [VISA, '993$', '^-92', '^0\\.5$', '^true$'], redact_all_types: true }),
    );
    expect(await redacting.attributes({ ...NUMBERS, other: 17n, small: 0.25, not: false })).toEqual({
      int: '****',
      long: '9007199254740****',
      least: '****23372036854775808',
      double: '****',
      is: '****',
      other: 17n,
      small: 0.25,
      not: false,
    });
  });

  it('that are bytes are read as base64', async () => {
    const redacting = new Redacting(all({ blocked_values: ['^QUJD$'], redact_all_types: true }));
    expect(await redacting.attributes({ a: Buffer.from('ABC'), b: Uint8Array.of(1) })).toEqual({
      a: '****',
      b: Uint8Array.of(1),
    });
  });

  it('deeper than anybody means are masked without a look', async () => {
    let deep: unknown = 'innermost';
    for (let i = 0; i < 40; i++) deep = [deep];
    let out = (await new Redacting(all({})).attributes({ deep }))['deep'];
    let depth = 0;
    for (; Array.isArray(out); depth++) [out] = out as unknown[];
    expect([depth, out]).toEqual([32, '****']);
  });
});

describe('a mask', () => {
  const KEY = 'k'.repeat(64);
  test.each([
    ['md5', createHash('md5').update(CARD).digest('hex')],
    ['sha1', createHash('sha1').update(CARD).digest('hex')],
    ['sha256', createHash('sha256').update(CARD).digest('hex')],
    ['sha3', createHash('sha3-256').update(CARD).digest('hex')],
  ])('by %s is the hash of what matched', async (hash_function, expected) => {
    const redacting = new Redacting(all({ blocked_values: [VISA], blocked_key_patterns: ['key'], hash_function }));
    expect(await redacting.attributes({ a: `pay ${CARD}!`, key: CARD })).toEqual({
      a: `pay ${expected}!`,
      key: expected,
    });
  });

  test.each(['sha256', 'sha512'])('by hmac-%s needs the key', async (algorithm) => {
    const redacting = new Redacting(all({ blocked_values: [VISA], hash_function: `hmac-${algorithm}`, hmac_key: KEY }));
    const expected = createHmac(algorithm, KEY).update(CARD).digest('hex');
    expect(await redacting.attributes({ a: CARD })).toEqual({ a: expected });
  });

  it('of a number is the hash of its digits, and of a map of its bytes', async () => {
    const redacting = new Redacting(all({ blocked_key_patterns: ['key'], hash_function: 'sha256' }));
    const out = await redacting.attributes({
      'key.a': 17n,
      'key.b': { x: 'y' },
      'key.c': { x: 'y' },
      'key.d': { x: 'z' },
    });
    expect(out['key.a']).toBe(createHash('sha256').update('17').digest('hex'));
    expect(out['key.b']).toMatch(/^[0-9a-f]{64}$/);
    expect(out['key.c']).toBe(out['key.b']);
    expect(out['key.d']).not.toBe(out['key.b']);
  });
});

describe('bodies of logs', () => {
  it('are masked where they match, whatever their type', async () => {
    const redacting = new Redacting(all({ blocked_values: [VISA, 'secret'] }));
    expect((await redacting.record(`card ${CARD}`)).body).toBe('card ****');
    expect((await redacting.record(4111111111111111n)).body).toBe('****');
    expect((await redacting.record(['a', 'secret', 17n])).body).toEqual(['a', '****', 17n]);
    expect((await redacting.record({ a: { b: 'secret', c: 4111111111111111n } })).body).toEqual({
      a: { b: '****', c: '****' },
    });
  });

  it('that are maps lose keys that are not allowed, and values of those that are blocked', async () => {
    const redacting = new Redacting({
      allowed_keys: ['a', 'token'],
      blocked_key_patterns: ['token'],
      ignored_keys: ['raw'],
    });
    expect((await redacting.record({ a: 'x', b: 'y', token: { z: 1n }, raw: { token: 'w' } })).body).toEqual({
      a: 'x',
      token: '****',
      raw: { token: 'w' },
    });
  });

  it('that are text have no key: what is allowed by key does not matter', async () => {
    expect((await new Redacting({}).record('said', { a: 'b' })).body).toBe('said');
  });
});

describe('everything that a sender writes', () => {
  const secret = { k: 'secret' };
  const attributes = entries(secret);
  const redacting = () => new Redacting(all({ blocked_values: ['secret'] }));
  const resource = { attributes };
  const scope = { attributes, version: '1.2-secret' };

  it('is reached in traces', async () => {
    const span = {
      name: 'GET /secret/1',
      attributes,
      events: [{ name: 'a secret', attributes }],
      links: [{ attributes, traceId: '0'.repeat(31) + '1', spanId: '0'.repeat(15) + '1' }],
      status: { code: 2, message: 'no secret found' },
    };
    const one = redacting();
    const out = await one.json('traces', { resourceSpans: [{ resource, scopeSpans: [{ scope, spans: [span] }] }] });
    expect(JSON.stringify(out)).not.toContain('secret');
    expect(out.resourceSpans[0].scopeSpans[0].spans[0]).toMatchObject({
      name: 'GET /****/1',
      status: { code: 2, message: 'no **** found' },
    });
    expect(await one.counts()).toEqual({ removed: 0, masked: 9 });
  });

  it('is reached in metrics, in every kind of them', async () => {
    const exemplars = [{ filteredAttributes: attributes, asDouble: 1 }];
    const metrics = [
      { name: 'a', gauge: { dataPoints: [{ attributes, exemplars }] } },
      { name: 'b', sum: { dataPoints: [{ attributes, exemplars }] } },
      { name: 'c', histogram: { dataPoints: [{ attributes, exemplars }] } },
      { name: 'd', exponentialHistogram: { dataPoints: [{ attributes, exemplars }] } },
      { name: 'e', summary: { dataPoints: [{ attributes }] } },
      { name: 'f', metadata: attributes, gauge: {} },
    ];
    const one = redacting();
    const out = await one.json('metrics', { resourceMetrics: [{ resource, scopeMetrics: [{ scope, metrics }] }] });
    expect(JSON.stringify(out)).not.toContain('secret');
    expect(await one.counts()).toEqual({ removed: 0, masked: 13 });
  });

  it('is reached in logs', async () => {
    const logRecords = [{ body: anyValue({ a: ['secret'] }), attributes, eventName: 'my.secret' }];
    const one = redacting();
    const out = await one.json('logs', { resourceLogs: [{ resource, scopeLogs: [{ scope, logRecords }] }] });
    expect(JSON.stringify(out)).not.toContain('secret');
    expect(await one.counts()).toEqual({ removed: 0, masked: 6 });
  });

  it('names are saved by allowed values', async () => {
    const one = new Redacting(all({ blocked_values: ['secret'], allowed_values: ['^no secret$'] }));
    const spans = [{ name: 'no secret' }, { name: 'a secret' }];
    const out = await one.json('traces', { resourceSpans: [{ scopeSpans: [{ spans }] }] });
    expect(out.resourceSpans[0].scopeSpans[0].spans.map(({ name }: { name: string }) => name)).toEqual([
      'no secret',
      'a ****',
    ]);
  });
});

describe('the configuration', () => {
  const issues = (config: Config) =>
    redactionConfig.safeParse(config).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];

  it('refuses patterns that are not understood, at their place', () => {
    expect(issues({ blocked_values: ['ok', '(a'], allowed_values: ['(?=a)'] })).toEqual([
      'blocked_values.1: the pattern is not understood at its character 3: a group is not closed',
      'allowed_values.0: the pattern is not understood at its character 1: a group of this kind is not known',
    ]);
  });

  it('takes patterns that would hang a backtracking engine: they cannot hang this one', () => {
    expect(issues({ blocked_values: ['(a+)+$', '(a|a)*b'] })).toEqual([]);
  });

  it('wants a key for an HMAC, long enough, and none otherwise', () => {
    expect(issues({ hash_function: 'hmac-sha256', hmac_key: 'k'.repeat(31) })).toEqual([
      'hmac_key: want at least 32 bytes for hmac-sha256',
    ]);
    expect(issues({ hash_function: 'hmac-sha512' })).toEqual(['hmac_key: want at least 64 bytes for hmac-sha512']);
    expect(issues({ hash_function: 'sha256', hmac_key: 'k' })).toEqual([
      'hmac_key: is for hmac-sha256 and hmac-sha512 only',
    ]);
  });

  it('that leaves nothing to judge is told at the start', async () => {
    const warnings = async (config: Config) => {
      const { logger, lines } = recordingLogger();
      await new Redacting(config, testContext('redaction', { logger })).processor.start();
      return lines.map(({ msg }) => msg);
    };
    expect(await warnings({})).toEqual([
      'service.name is not among allowed_keys: behind this processor nothing can be judged',
    ]);
    expect(await warnings({ allow_all_keys: true })).toEqual([]);
    expect(await warnings({ allowed_keys: ['service.name'] })).toEqual([]);
  });
});
