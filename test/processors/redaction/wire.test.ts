/** What stands on the wire: odd forms that decoders take, what stays as it was, and what becomes of memory and tags. */
import { describe, expect, it } from 'vitest';
import { TelemetryBatch, type TelemetrySignal } from '../../../pipeline/batch.ts';
import { Lease } from '../../../pipeline/lease.ts';
import { deploymentConfig } from '../../../processors/deployment/config.ts';
import { DeploymentTagger } from '../../../processors/deployment/deployment.ts';
import { Sink, testContext } from '../../support/context.ts';
import { requestBytes } from '../../support/otlp-requests.ts';
import { encodeTree, type WireTree } from '../../support/otlp-wire.ts';
import { attributesOf, decoded, logs, traces } from '../../support/telemetry.ts';
import { type Config, Redacting } from './support.ts';

const text = (value: string) => Buffer.from(value);
const key = (name: string) => ({ number: 1, value: text(name) });
const value = (...members: WireTree) => ({ number: 2, value: members });
const string = (said: string) => ({ number: 1, value: text(said) });
const unknown = { number: 999, value: text('secret') };

/** An Export request of one span with these fields. */
const span = (...fields: WireTree): WireTree => [
  { number: 1, value: [{ number: 2, value: [{ number: 2, value: fields }] }] },
];
const attribute = (...fields: WireTree) => ({ number: 9, value: fields });

async function redacted(config: Config, tree: WireTree): Promise<string> {
  return hex(
    await new Redacting({ allow_all_keys: true, blocked_values: ['secret'], ...config }).bytes(
      'traces',
      encodeTree(tree),
    ),
  );
}

describe('an odd attribute', () => {
  it.each<[string, WireTree, WireTree]>([
    ['with the value in front of the key', [value(string('a secret')), key('k')], [value(string('a ****')), key('k')]],
    [
      'with two values',
      [key('k'), value(string('secret')), value(string('x'))],
      [key('k'), value(string('****')), value(string('x'))],
    ],
    [
      'with two members',
      [key('k'), value(string('secret'), string('x'))],
      [key('k'), value(string('****'), string('x'))],
    ],
    [
      'with two keys, and a value in front of each',
      [value(string('secret')), key('ignored'), value(string('secret')), key('k')],
      [value(string('****')), key('ignored'), value(string('****')), key('k')],
    ],
    [
      'with a key behind the value that looks done',
      [value(string('secret')), key('j'), key('k'), value(string('x'))],
      [value(string('****')), key('j'), key('k'), value(string('x'))],
    ],
    ['without a key', [value(string('secret'))], [value(string('****'))]],
    ['without anything', [], []],
    [
      'with fields that nobody knows',
      [unknown, key('k'), unknown, value(unknown, string('secret'), unknown)],
      [unknown, key('k'), unknown, value(unknown, string('****'), unknown)],
    ],
    [
      'with a key that is as the last one says',
      [key('k'), value(string('secret')), key('ignored')],
      [key('k'), value(string('secret')), key('ignored')],
    ],
  ])('%s is redacted in all of its parts', async (_name, before, after) => {
    const config = { ignored_keys: ['ignored'] };
    expect(await redacted(config, span(attribute(...before)))).toBe(hex(encodeTree(span(attribute(...after)))));
  });

  it('of a blocked key keeps what nobody knows, and has one value afterwards', async () => {
    const before = span(attribute(unknown, value(string('a')), key('token'), value(string('b'))));
    const after = span(attribute(unknown, value(string('****')), key('token')));
    expect(await redacted({ blocked_key_patterns: ['token'] }, before)).toBe(hex(encodeTree(after)));
  });

  it('that stands there twice is redacted twice', async () => {
    const before = span(attribute(key('k'), value(string('secret'))), attribute(key('k'), value(string('secret'))));
    const after = span(attribute(key('k'), value(string('****'))), attribute(key('k'), value(string('****'))));
    expect(await redacted({}, before)).toBe(hex(encodeTree(after)));
  });

  it('that is no text keeps its bytes, but for those that match', async () => {
    const bytes = (...parts: (string | number[])[]) => ({
      number: 1,
      value: Buffer.concat(parts.map((part) => Buffer.from(part as never))),
    });
    const before = span(attribute(key('k'), value(bytes([0xff, 0xc3], 'secret', [0xe2, 0x82], 'x'))));
    const after = span(attribute(key('k'), value(bytes([0xff, 0xc3], '****', [0xe2, 0x82], 'x'))));
    expect(await redacted({}, before)).toBe(hex(encodeTree(after)));
  });

  it('has its lengths written anew where they are written longer than needed', async () => {
    const member = Buffer.from([0x0a, 0x86, 0x00, ...text('secret')]);
    const entry = Buffer.concat([
      encodeTree([key('k')]),
      Buffer.from([0x12, 0x80 + member.length, 0x80, 0x00]),
      member,
    ]);
    const expected = encodeTree(span(attribute(key('k'), value(string('****')))));
    expect(await redacted({}, span({ number: 9, value: entry }))).toBe(hex(expected));
  });

  it('grows the lengths around it, across the sizes that they can have', async () => {
    for (const length of [0, 40, 100, 120, 127, 128, 8000, 16_300, 16_384]) {
      const filler = 'x'.repeat(length);
      const before = span(attribute(key('k'), value(string(`${filler}secret`))));
      const mask = '2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b';
      const after = span(attribute(key('k'), value(string(`${filler}${mask}`))));
      expect(await redacted({ hash_function: 'sha256' }, before)).toBe(hex(encodeTree(after)));
    }
  });

  it.each([
    ['a value that ends too early', Buffer.from([0x0a, 0x01, 0x6b, 0x12, 0x05, 0x0a])],
    ['a key that ends too early', Buffer.from([0x0a, 0x05, 0x6b])],
    ['a text that reaches beyond its value', Buffer.from([0x0a, 0x01, 0x6b, 0x12, 0x03, 0x0a, 0x05, 0x61])],
    ['a group, which nobody sends any more', Buffer.from([0x0b, 0x0c])],
  ])('that is malformed, %s, is refused', async (_name, entry) => {
    for (const config of [{}, { blocked_key_patterns: ['k'] }]) {
      await expect(redacted(config, span({ number: 9, value: entry }))).rejects.toMatchObject({ code: 'malformed' });
    }
  });
});

describe('telemetry in which there is nothing to redact', () => {
  const SIGNALS: TelemetrySignal[] = ['traces', 'metrics', 'logs'];

  it.each(SIGNALS)('passes as it is: %s', async (signal) => {
    const configs: Config[] = [
      { allow_all_keys: true, blocked_values: ['secret', '4[0-9]{12}'], blocked_key_patterns: ['token'] },
      { allowed_keys: ['service.name', 'n'], allowed_values: ['x'] },
      { allow_all_keys: true, blocked_values: ['secret'], summary: 'debug' },
    ];
    for (const config of configs) {
      const batch = TelemetryBatch.open(signal, requestBytes(signal, 20));
      expect(await new Redacting(config).batch(batch)).toBe(batch);
    }
  });

  it('passes with its tags', async () => {
    const batch = await tagged();
    expect(await new Redacting({ allow_all_keys: true, blocked_values: ['nowhere'] }).batch(batch)).toBe(batch);
  });
});

describe('a batch', () => {
  const config = { allow_all_keys: true, blocked_values: ['secret'] };
  const said = () =>
    traces({ resource: { 'service.name': 'a', note: 'secret' }, items: [{ end: 1, name: 'a secret' }] });

  it('whose bytes others see too is not changed', async () => {
    const batch = said();
    const before = hex(batch.bytes);
    const out = await new Redacting(config).batch(batch);
    expect(out).not.toBe(batch);
    expect(hex(batch.bytes)).toBe(before);
    expect(hex(batch.encoded())).toBe(before);
  });

  it('gives the memory of what it was made into back once nobody reads it', async () => {
    const redacting = new Redacting(config);
    let seen: TelemetryBatch | undefined;
    redacting.sink.consume = async (batch) => {
      seen = batch as TelemetryBatch;
      expect(seen.columns.count).toBe(1);
    };
    await redacting.processor.consume(said());
    // Written over, as everything is in a test that is given back.
    expect([...(seen?.bytes ?? [])].every((byte) => byte === 0xdb)).toBe(true);
  });

  it('is judged by its own keys, though it lies where another one lay', async () => {
    const redacting = new Redacting({ allowed_keys: ['abc.the_same_end'] });
    const request = (name: string) => encodeTree(span(attribute(key(name), value(string('v')))));
    const room = Buffer.from(request('abc.the_same_end'));
    for (const name of ['abc.the_same_end', 'xyz.the_same_end', 'abc.the_same_end', 'xyz.the_same_end']) {
      room.set(request(name));
      const before = await redacting.counts();
      await redacting.bytes('traces', room);
      expect((await redacting.counts()).removed - before.removed).toBe(name.startsWith('abc') ? 0 : 1);
    }
  });

  it('that somebody keeps stays as it is', async () => {
    const redacting = new Redacting(config);
    const out = await redacting.batch(said());
    await redacting.batch(said());
    expect(decoded(out).resourceSpans[0].scopeSpans[0].spans[0].name).toBe('a ****');
    out.letGo();
  });

  it('gives the memory back where nobody takes it, and says so', async () => {
    const redacting = new Redacting(config);
    redacting.sink.answer = async () => {
      throw new Error('full');
    };
    await expect(redacting.processor.consume(said())).rejects.toThrow('full');
  });

  it('that was opened without attributes of items stays so', async () => {
    const { bytes } = said();
    const out = await new Redacting(config).batch(TelemetryBatch.open('traces', bytes, new Lease(), false));
    expect(out.hasAttributes).toBe(false);
  });
});

describe('tags of a tagger that stands before', () => {
  it('are kept, and so are its attributes, whatever keys are allowed', async () => {
    const out = await new Redacting({ allowed_keys: ['service.name'] }).batch(await tagged());
    expect(out.tags?.map(({ service, version, instance }) => ({ service, version, instance }))).toEqual([
      { service: 'shop', version: '1.2', instance: 'pod-secret' },
    ]);
    expect(attributesOf(decoded(out).resourceSpans[0].resource)).toEqual({
      'service.name': 'shop',
      'deployment.version': '1.2',
      'deployment.version.source': 'service.version',
    });
  });

  it('are redacted by what they say, every time to the same tag', async () => {
    const redacting = new Redacting({ allow_all_keys: true, blocked_values: ['secret', 'shop'] });
    const batch = await tagged();
    const [first, second] = [await redacting.batch(batch.fork()), await redacting.batch(batch.fork())];
    expect(first.tags?.[0]).toMatchObject({ service: '****', serviceKey: '/****/', instance: 'pod-****' });
    expect(second.tags?.[0]).toBe(first.tags?.[0]);
    expect(attributesOf(decoded(first).resourceSpans[0].resource)).toMatchObject({
      'service.name': '****',
      'deployment.version': '1.2',
    });
    expect(batch.tags?.[0]?.service).toBe('shop');
  });

  it('are redacted on items as well', async () => {
    const batch = await tagged({ target: 'item' });
    const out = await new Redacting({ allow_all_keys: true, blocked_values: ['1\\.2'] }).batch(batch);
    const [one] = decoded(out).resourceSpans[0].scopeSpans[0].spans;
    expect(attributesOf(one)).toMatchObject({ 'deployment.version': '****' });
  });

  it('keep the deployment events that were understood', async () => {
    const event = {
      'service.version': '1.3-secret',
      'deployment.previous_version': '1.2',
      'deployment.status': 'started',
    };
    const records = logs({
      resource: { 'service.name': 'shop' },
      items: [{ time: 1, eventName: 'deployment', attributes: event }],
    });
    const out = await new Redacting({ allow_all_keys: true, blocked_values: ['secret'] }).batch(
      await tagged({}, records),
    );
    expect(out.deployments.get(0)).toMatchObject({ service: 'shop', version: '1.3-****', previousVersion: '1.2' });
  });
});

async function tagged(config: Config = {}, batch?: TelemetryBatch): Promise<TelemetryBatch> {
  const resource = { 'service.name': 'shop', 'service.version': '1.2', 'service.instance.id': 'pod-secret' };
  const sink = new Sink();
  await new DeploymentTagger(deploymentConfig.parse(config), sink, testContext('deployment')).consume(
    batch ?? traces({ resource, items: [{ end: 1 }] }),
  );
  return sink.batches[0] as TelemetryBatch;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
