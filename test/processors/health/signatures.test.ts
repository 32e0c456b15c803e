/** What failing spans and error records say, as series of kind `signature`. */
import { describe, expect, it } from 'vitest';
import { signatureOf } from '../../../processors/health/signatures.ts';
import { type Attributes, keyValues, logsJson, nanos, open, tracesJson } from '../../support/telemetry.ts';
import { Folding, NOW, RESOURCE } from './support.ts';

const TRACE_ID = 'ab'.repeat(16);
const JAVA = 'X: no\n\tat com.acme.Pay.pay(Pay.java:42)';

/** An Export request of records, each as OTLP/JSON, over the usual ones. */
function records(...fields: Record<string, unknown>[]) {
  const json: any = logsJson({ resource: RESOURCE, items: fields.map(() => ({ time: NOW, severity: 17 })) });
  const all = json.resourceLogs[0].scopeLogs[0].logRecords;
  fields.forEach((each, i) => Object.assign(all[i], each));
  return open('logs', json);
}

const said = (text: string, fields: Record<string, unknown> = {}) => ({ body: { stringValue: text }, ...fields });
const about = (attributes: Attributes, fields: Record<string, unknown> = {}) => ({
  attributes: keyValues(attributes),
  ...fields,
});

/** An Export request of one span with these events. */
function span(fields: Record<string, unknown>, ...events: { name?: string; attributes: Attributes }[]) {
  const json: any = tracesJson({ resource: RESOURCE, items: [{ end: NOW, status: 2, traceId: TRACE_ID }] });
  const [one] = json.resourceSpans[0].scopeSpans[0].spans;
  one.events = events.map(({ name = 'exception', attributes }) => ({
    timeUnixNano: nanos(NOW),
    name,
    attributes: keyValues(attributes),
  }));
  return open('traces', (Object.assign(one, fields), json));
}

async function folded(batch: ReturnType<typeof open>, config: Record<string, unknown> = {}) {
  const folding = new Folding(config);
  await folding.consume(batch);
  return signaturesOf(folding);
}

async function signaturesOf(folding: Folding) {
  const series = (await folding.series()).filter(({ kind }) => kind === 'signature');
  return series.map(({ name, all, bad, operation, exemplars }) => ({ name, all, bad, operation, exemplars }));
}

const names = async (batch: ReturnType<typeof open>, config: Record<string, unknown> = {}) =>
  (await folded(batch, config)).map(({ name }) => name);

describe('an exception', () => {
  it.each([
    ['com.acme.NoStock', 'none left', JAVA, 'com.acme.NoStock at com.acme.Pay.pay'],
    ['com.acme.NoStock', 'item 42 is gone', '', 'com.acme.NoStock: item <n> is gone'],
    ['com.acme.NoStock', '', 'unreadable', 'com.acme.NoStock'],
    ['', 'item 42 is gone', '', 'item <n> is gone'],
    ['', '', '', '(no text)'],
  ])('%j %j', (type, message, stacktrace, signature) => {
    expect(signatureOf({ type, message, stacktrace })).toBe(signature);
  });

  it('is as short as a template, whatever it is called', () => {
    const exception = { type: 'x'.repeat(500), message: 'y '.repeat(500), stacktrace: `\tat ${'z'.repeat(500)}(a:1)` };
    expect(signatureOf(exception).length).toBeLessThanOrEqual(200);
  });

  const exception = { 'exception.type': 'NoStock', 'exception.message': 'm', 'exception.stacktrace': JAVA };

  it('of a failed span is a signature, with its trace', async () => {
    expect(await folded(span({}, { attributes: exception }))).toEqual([
      { name: 'NoStock at com.acme.Pay.pay', all: 1, bad: 1, operation: '', exemplars: [TRACE_ID] },
    ]);
  });

  it('counts whichever kind the span is of, and each one of it', async () => {
    const batch = span(
      { kind: 1 },
      { attributes: exception },
      { attributes: exception },
      { name: 'x', attributes: {} },
    );
    expect((await folded(batch)).map(({ all }) => all)).toEqual([2]);
  });

  it('of a span that did not fail is none', async () => {
    expect(await folded(span({ status: {} }, { attributes: exception }))).toEqual([]);
  });

  it('of an error record is the same signature, whatever its body', async () => {
    expect(await names(records(about(exception)))).toEqual(['NoStock at com.acme.Pay.pay']);
    expect(await names(records(about(exception, { severityNumber: 13 })))).toEqual([]);
  });
});

describe('an error record', () => {
  it('is told by the template of its text', async () => {
    const batch = records(said('user 1 gone'), said('user 22 gone', { traceId: TRACE_ID }), said('disk full'));
    expect(await folded(batch)).toEqual([
      { name: 'user <n> gone', all: 2, bad: 2, operation: '', exemplars: [TRACE_ID] },
      { name: 'disk full', all: 1, bad: 1, operation: '', exemplars: [] },
    ]);
  });

  const map = (entries: Record<string, object>) => ({
    body: { kvlistValue: { values: Object.entries(entries).map(([key, value]) => ({ key, value })) } },
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['a map with a message', map({ level: { stringValue: 'x' }, message: { stringValue: 'no 1' } }), 'no <n>'],
    ['a map with a msg', map({ msg: { stringValue: 'no 2' } }), 'no <n>'],
    ['another map', map({ b: { intValue: '1' }, a: { stringValue: 'x' } }), '{a b}'],
    ['a map in a map', map({ message: { kvlistValue: { values: [] } } }), '{message}'],
    ['JSON as text', said('{"level":"error","msg":"no 3","id":7}'), 'no <n>'],
    ['other JSON as text', said('{"b":1,"a":{}}'), '{a b}'],
    ['no JSON', said('{oops'), '{oops'],
    ['a number', { body: { intValue: '7' } }, '(no text)'],
    ['bytes', { body: { bytesValue: 'AAEC' } }, '(no text)'],
    ['a list', { body: { arrayValue: { values: [{ stringValue: 'x' }] } } }, '(no text)'],
    ['no body', { body: undefined }, '(no text)'],
    ['an empty text', said(''), '(no text)'],
  ])('%s', async (_name, fields, signature) => {
    expect(await names(records(fields))).toEqual([signature]);
  });

  it('is one from the severity on that is configured, by name or number', async () => {
    const all = [1, 5, 9, 13, 17, 21].map((severityNumber) =>
      said(`level ${'x'.repeat(severityNumber)}`, { severityNumber }),
    );
    const found = async (min_severity: unknown) =>
      (await names(records(...all), { signatures: { min_severity } })).length;
    expect(await names(records(...all))).toHaveLength(2);
    expect([await found('FATAL'), await found('ERROR'), await found('WARN'), await found('TRACE')]).toEqual([
      1, 2, 3, 6,
    ]);
    expect([await found(21), await found(18), await found(1)]).toEqual([1, 1, 6]);
  });

  it('still counts as a record of kind `log`', async () => {
    const folding = new Folding({ signatures: { min_severity: 'INFO' } });
    await folding.consume(records(said('a', { severityNumber: 9 }), said('a')));
    const log = (await folding.series()).filter(({ kind }) => kind === 'log');
    expect(log).toMatchObject([{ all: 2, bad: 1 }]);
  });

  it('longer than what is cached, or malformed inside, is as any other', async () => {
    const long = `disk full ${'x '.repeat(5000)}`;
    expect(await names(records(said(long), said(long)))).toHaveLength(1);
  });
});

describe('the limit', () => {
  const word = (i: number) => [...String(i)].map((digit) => 'abcdefghij'[Number(digit)]).join('');
  const many = (from: number, to: number) =>
    records(...Array.from({ length: to - from }, (_, i) => said(`no ${word(from + i)}`)));

  it('holds per flush: what is new beyond it is `other` and counted; what is known goes on', async () => {
    const folding = new Folding({ signatures: { max_per_flush: 3 } });
    await folding.folder.start();
    await folding.consume(many(0, 5));
    expect(await folding.ignored('logs', 'signature_limit')).toBe(2);
    await folding.clock.advanceTo(NOW * 1000 + 1000);
    await folding.consume(many(0, 7));
    expect(await folding.ignored('logs', 'signature_limit')).toBe(3);
    const found = (await signaturesOf(folding)).map(({ name, all }) => `${name} ${all}`);
    const known = ['no a 1', 'no b 1', 'no c 1'];
    expect(found).toEqual([...known, 'other 2', ...known, 'no d 1', 'no e 1', 'no f 1', 'other 1']);
  });

  it('holds per service key', async () => {
    const folding = new Folding({ signatures: { max_per_flush: 1 } });
    await folding.consume(records(said('one')));
    const json: any = logsJson({
      resource: { ...RESOURCE, 'service.name': 'cart' },
      items: [{ time: NOW, severity: 17 }],
    });
    await folding.consume(open('logs', json));
    expect((await signaturesOf(folding)).map(({ name }) => name)).toEqual(['one', 'said']);
  });

  it('of 0 folds all into `other`', async () => {
    expect(await names(many(0, 3), { signatures: { max_per_flush: 0 } })).toEqual(['other']);
  });

  it('leaves room for what is new, however much there was before', async () => {
    const folding = new Folding({ signatures: { max_per_flush: 1000 } });
    await folding.folder.start();
    for (let second = 0; second < 12; second++) {
      await folding.consume(many(second * 1000, (second + 1) * 1000));
      await folding.clock.advanceTo(NOW * 1000 + (second + 1) * 1000);
    }
    expect(await folding.ignored('logs', 'signature_limit')).toBe(0);
    expect(new Set((await signaturesOf(folding)).map(({ name }) => name)).size).toBe(12_000);
  });

  it('leaves out what nobody can look through in time, per service key and flush', async () => {
    const folding = new Folding();
    await folding.folder.start();
    const flood = (from: number) =>
      records(...Array.from({ length: 600 }, (_, i) => said(`${from + i} ${'long '.repeat(200)}`.slice(0, 1000))));
    await folding.consume(flood(1000));
    expect(await folding.ignored('logs', 'signature_limit')).toBe(100);
    await folding.consume(flood(1000));
    expect(await folding.ignored('logs', 'signature_limit')).toBe(200);
    await folding.clock.advanceTo(NOW * 1000 + 1000);
    await folding.consume(flood(2000));
    expect(await folding.ignored('logs', 'signature_limit')).toBe(300);
    expect((await signaturesOf(folding)).map(({ all }) => all)).toEqual([1000, 200, 500, 100]);
  });

  it('is beside that of series', async () => {
    const folding = new Folding({ max_series: 3 });
    await folding.consume(many(0, 5));
    expect(await folding.ignored('logs', 'over_limit')).toBe(3);
  });
});
