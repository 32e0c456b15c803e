/** The attributes that tell what was redacted. */
import { describe, expect, it } from 'vitest';
import { entries, plainEntries, Redacting } from './support.ts';

const CARD = '4111111111111111';
const VISA = '4[0-9]{12}(?:[0-9]{3})?';

describe('a summary', () => {
  const config = {
    allowed_keys: ['a', 'token', 'card', 'mail'],
    ignored_keys: ['id'],
    blocked_key_patterns: ['token'],
    blocked_values: [VISA],
    allowed_values: ['@us\\.com$'],
  };
  const given = { a: 'x', token: 't', card: CARD, mail: 'me@us.com', id: CARD, gone: 'y', away: 'z' };

  it('is silent unless asked for', async () => {
    expect(Object.keys(await new Redacting(config).attributes(given))).toEqual(['a', 'token', 'card', 'mail', 'id']);
  });

  it('tells how many', async () => {
    expect(await new Redacting({ ...config, summary: 'info' }).attributes(given)).toMatchObject({
      'redaction.redacted.count': 2n,
      'redaction.masked.count': 2n,
      'redaction.allowed.count': 1n,
      'redaction.ignored.count': 1n,
    });
    expect(Object.keys(await new Redacting({ ...config, summary: 'info' }).attributes(given))).toHaveLength(9);
  });

  it('tells which, in order', async () => {
    expect(await new Redacting({ ...config, summary: 'debug' }).attributes(given)).toMatchObject({
      'redaction.redacted.keys': 'away,gone',
      'redaction.masked.keys': 'card,token',
      'redaction.allowed.keys': 'mail',
      'redaction.redacted.count': 2n,
    });
  });

  it('stands on every message whose attributes it is about, and only there', async () => {
    const one = new Redacting({ allowed_keys: ['a'], summary: 'debug' });
    const spans = [
      { attributes: entries({ b: 'x' }), events: [{ attributes: entries({ c: 'y' }) }] },
      { attributes: entries({ a: '' }) },
    ];
    const resource = { attributes: entries({ d: 'z' }) };
    const out = await one.json('traces', { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] });
    const [first, second] = out.resourceSpans[0].scopeSpans[0].spans;
    const summary = (key: string) => ({ 'redaction.redacted.keys': key, 'redaction.redacted.count': 1n });
    expect(plainEntries(first.attributes)).toEqual(summary('b'));
    expect(plainEntries(first.events[0].attributes)).toEqual(summary('c'));
    expect(plainEntries(second.attributes)).toEqual({ a: '' });
    expect(plainEntries(out.resourceSpans[0].resource.attributes)).toEqual(summary('d'));
  });

  it('of a body has names of its own, and paths', async () => {
    const one = new Redacting({ ...config, summary: 'debug' });
    const body = { a: { token: 't', a: ['x', CARD], b: '' }, id: 'i', c: '' };
    expect((await one.record(body, { gone: '' })).attributes).toEqual({
      'redaction.redacted.keys': 'gone',
      'redaction.redacted.count': 1n,
      'redaction.body.redacted.keys': 'a.b,c',
      'redaction.body.redacted.count': 2n,
      'redaction.body.masked.keys': 'a.a.[1],a.token',
      'redaction.body.masked.count': 2n,
      'redaction.body.ignored.count': 1n,
    });
    expect((await one.record(CARD)).attributes).toMatchObject({ 'redaction.body.masked.keys': 'body' });
  });

  it('is added to one that is there already, which passes whatever is allowed', async () => {
    const before = { 'redaction.masked.keys': 'z,b', 'redaction.masked.count': 2n, 'redaction.ignored.count': 5n };
    const one = new Redacting({ ...config, summary: 'debug' });
    expect(await one.attributes({ ...before, token: 't' })).toEqual({
      token: '****',
      'redaction.masked.keys': 'b,token,z',
      'redaction.masked.count': 3n,
      'redaction.ignored.count': 5n,
    });
    expect(await one.attributes({ ...before, a: '' })).toEqual({ ...before, a: '' });
    expect(await new Redacting(config).attributes({ ...before, a: '' })).toEqual({ ...before, a: '' });
  });

  it('that is there already is no place to hide in', async () => {
    const one = new Redacting({ ...config, summary: 'info' });
    const out = await one.attributes({ 'redaction.masked.keys': CARD, 'redaction.masked.count': 'many' });
    expect(out).toMatchObject({ 'redaction.masked.keys': '****' });
  });
});
