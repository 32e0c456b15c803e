import { describe, expect, it } from 'vitest';
import { TelemetryBatch } from '../../../pipeline/batch.ts';
import { deploymentConfig } from '../../../processors/deployment/config.ts';
import { DeploymentTagger } from '../../../processors/deployment/deployment.ts';
import type { Tag } from '../../../pipeline/tag.ts';
import { counted, Sink, testContext } from '../../support/context.ts';
import {
  type Attributes,
  attributesOf,
  decoded,
  keyValues,
  logs,
  type LogSpec,
  metrics,
  nanos,
  open,
  traces,
} from '../../support/telemetry.ts';

const NOW = 1_700_000_000;

function setUp(config: Record<string, unknown> = {}) {
  const context = testContext('deployment');
  const sink = new Sink();
  return { context, sink, tagger: new DeploymentTagger(deploymentConfig.parse(config), sink, context) };
}

async function tag(batch: TelemetryBatch, config: Record<string, unknown> = {}): Promise<TelemetryBatch> {
  const { tagger, sink } = setUp(config);
  await tagger.consume(batch);
  return sink.batches[0] as TelemetryBatch;
}

const spans = (resource: Attributes) => traces({ resource, items: [{ end: NOW }] });

/** Version and source of a resource; both undefined where there is no version. */
async function versionOf(resource: Attributes, config: Record<string, unknown> = {}) {
  const { tags } = await tag(spans(resource), config);
  const [found] = tags ?? [];
  return found?.source === '' ? [found.version] : [found?.version, found?.source];
}

describe('sources', () => {
  const EVERY: Attributes = {
    'service.version': 'a',
    'app.kubernetes.io/version': 'b',
    'deployment.id': 'c',
    'deployment.name': 'd',
    'container.image.tags': ['e', 'latest'],
    'container.image.repo_digests': ['repo@sha256:f'],
    'pod-template-hash': 'g',
    'vcs.ref.head.revision': 'h',
  };

  it('count in their order: the first that a resource has', async () => {
    const left = Object.entries(EVERY);
    const found: unknown[] = [];
    while (left.length > 0) {
      found.push(await versionOf(Object.fromEntries(left)));
      left.shift();
    }
    expect(found).toEqual([
      ['a', 'service.version'],
      ['b', 'app.kubernetes.io/version'],
      ['c', 'deployment.id'],
      ['d', 'deployment.name'],
      ['e', 'container.image.tags'],
      ['repo@sha256:f', 'container.image.repo_digests'],
      ['g', 'pod-template-hash'],
      ['h', 'vcs.ref.head.revision'],
    ]);
  });

  it('may be chosen and ordered', async () => {
    expect(await versionOf(EVERY, { sources: ['vcs.ref.head.revision', 'service.version'] })).toEqual([
      'h',
      'vcs.ref.head.revision',
    ]);
    expect(await versionOf({ 'my.release': 17 }, { sources: ['my.release'] })).toEqual(['17', 'my.release']);
    expect(await versionOf(EVERY, { sources: ['other'] })).toEqual(['unknown']);
  });

  it('that are empty, blank or no text count as absent', async () => {
    expect(await versionOf({ 'service.version': '', 'deployment.id': '  ', 'vcs.ref.head.revision': 'h' })).toEqual([
      'h',
      'vcs.ref.head.revision',
    ]);
    expect(await versionOf({ 'container.image.tags': [] })).toEqual(['unknown']);
    expect(await versionOf({ 'container.image.tags': [[], 'x'] })).toEqual(['unknown']);
    expect(await versionOf({ 'service.version': ' 1.4.2\n' })).toEqual(['1.4.2', 'service.version']);
  });

  it.each([
    'k8s.pod.label.',
    'k8s.pod.labels.',
    'k8s.pod.annotation.',
    'k8s.pod.annotations.',
    'k8s.deployment.label.',
    'k8s.deployment.labels.',
  ])('of Kubernetes are found under %s too', async (prefix) => {
    expect(await versionOf({ [`${prefix}app.kubernetes.io/version`]: '2' })).toEqual([
      '2',
      `${prefix}app.kubernetes.io/version`,
    ]);
    expect(await versionOf({ [`${prefix}pod-template-hash`]: '7d9f4' })).toEqual([
      '7d9f4',
      `${prefix}pod-template-hash`,
    ]);
  });

  it('read the hash of the pod template off the ReplicaSet, and only where it is one', async () => {
    const hash = await versionOf({ 'k8s.replicaset.name': 'checkout-canary-6d5f7c8b9d' });
    expect(hash).toEqual(['6d5f7c8b9d', 'k8s.replicaset.name']);
    expect(await versionOf({ 'k8s.replicaset.name': 'checkout-service' })).toEqual(['unknown']);
    expect(await versionOf({ 'k8s.replicaset.name': 'checkout' })).toEqual(['unknown']);
  });
});

describe('rewriting', () => {
  const mapping = [
    { match: 'latest', version: 'head' },
    { pattern: 'v?(?<release>\\d+\\.\\d+\\.\\d+)(-[0-9a-f]{7})?', version: '$<release>' },
    { pattern: 'build-(\\d+)', version: 'b$1' },
    { match: '1.0.0', version: 'never: the pattern came first' },
    { pattern: 'empty-(?<rest>.*)', version: '$<rest>' },
  ];
  it.each([
    ['latest', 'head'],
    ['v1.4.2-0a1b2c3', '1.4.2'],
    ['1.0.0', '1.0.0'],
    ['build-77', 'b77'],
    ['xbuild-77', 'xbuild-77'],
    ['1.4.2-rc1', '1.4.2-rc1'],
    ['empty-', 'empty-'],
  ])('%s becomes %s', async (found, version) => {
    expect((await versionOf({ 'service.version': found }, { mapping }))[0]).toBe(version);
  });

  it('is not kept busy by a version that nearly matches, and knows what only JavaScript understands', async () => {
    const rules = [
      { pattern: '(?<name>(\\w+-?)+)!', version: '$<name>' },
      { pattern: '(?=b)(?<name>\\w+)', version: 'only $<name>' },
    ];
    const rewritten = async (found: string) => (await versionOf({ 'service.version': found }, { mapping: rules }))[0];
    const nearly = 'a'.repeat(60);
    expect(await rewritten(nearly)).toBe(nearly);
    expect(await rewritten('a-b!')).toBe('a-b');
    expect(await rewritten('bc')).toBe('only bc');
  });

  it('takes a static version for every resource', async () => {
    expect(await versionOf({}, { static: '9' })).toEqual(['9', 'static']);
    expect(await versionOf({ 'service.version': '1' }, { static: '9' })).toEqual(['9', 'static']);
  });

  it('splits versions into cohorts by further attributes, in their order', async () => {
    const cohort_by = ['deployment.ring', 'flag'];
    const all = { 'service.version': '1', flag: true, 'deployment.ring': 'inner' };
    expect((await versionOf(all, { cohort_by }))[0]).toBe('1+inner+true');
    expect((await versionOf({ 'service.version': '1', flag: 'b' }, { cohort_by }))[0]).toBe('1+b');
    expect(await versionOf({ flag: 'b' }, { cohort_by })).toEqual(['unknown']);
  });

  it.each([
    [{ mapping: [{ version: 'x' }] }, 'want either match or pattern'],
    [{ mapping: [{ match: 'a', pattern: 'b', version: 'x' }] }, 'want either match or pattern'],
    [{ mapping: [{ pattern: '(', version: 'x' }] }, 'pattern is not a regular expression'],
  ])('refuses %j', (config, message) => {
    expect(deploymentConfig.safeParse(config).error?.issues[0]?.message).toBe(message);
  });
});

describe('the tag', () => {
  it('has the beginning of names that are too long', async () => {
    const long = (letter: string) => `${letter}${'x'.repeat(498)}\u{1f600}${'x'.repeat(100_000)}`;
    const { tags } = await tag(
      spans({
        'service.namespace': long('n'),
        'service.name': long('s'),
        'deployment.environment.name': long('e'),
        'service.version': long('v'),
        'service.instance.id': long('i'),
        ring: long('r'),
      }),
      { cohort_by: ['ring'] },
    );
    const [found] = tags as readonly Tag[];
    const { namespace, service, environment, version, instance } = found as Tag;
    const beginning = (letter: string) => `${letter}${'x'.repeat(498)}\ufffd`;
    const expected = ['n', 's', 'e', 'v', 'i'].map(beginning);
    expect([namespace, service, environment, version, instance]).toEqual(expected);
  });

  const RESOURCE = {
    'service.namespace': 'shop',
    'service.name': 'checkout',
    'deployment.environment.name': 'prod',
    'service.version': '1.4.2',
    'service.instance.id': 'pod-1',
  };

  it('names service, environment and instance by the conventions, old ones too', async () => {
    const [first] = (await tag(spans(RESOURCE))).tags ?? [];
    expect(first).toMatchObject({ serviceKey: 'shop/checkout/prod', instance: 'pod-1', version: '1.4.2' });
    const [old] =
      (await tag(spans({ 'service.name': 'a/b', 'deployment.environment': 'x%', 'host.name': 'h' }))).tags ?? [];
    expect(old).toMatchObject({ serviceKey: '/a%2Fb/x%25', instance: 'h' });
  });

  it('is written on the resource, beside what was there', async () => {
    const [group] = decoded(await tag(spans(RESOURCE))).resourceSpans;
    expect(attributesOf(group.resource)).toEqual({
      ...RESOURCE,
      'deployment.version': '1.4.2',
      'deployment.version.source': 'service.version',
    });
    expect(attributesOf(group.scopeSpans[0].spans[0])).toEqual({});
  });

  it('is written on every item instead where the target is item', async () => {
    const config = { target: 'item' };
    const tagged = { 'deployment.version': '1.4.2', 'deployment.version.source': 'service.version' };
    const items = [
      { end: NOW, attributes: { a: 1 } },
      { end: NOW, attributes: { 'deployment.version': 'old', b: 'x' } },
    ];
    const [group] = decoded(await tag(traces({ resource: RESOURCE, items }), config)).resourceSpans;
    expect(attributesOf(group.resource)).toEqual(RESOURCE);
    expect(group.scopeSpans[0].spans.map(attributesOf)).toEqual([
      { a: '1', ...tagged },
      { b: 'x', ...tagged },
    ]);

    const record = decoded(await tag(logs({ resource: RESOURCE, items: [{ time: NOW }] }), config));
    expect(attributesOf(record.resourceLogs[0].scopeLogs[0].logRecords[0])).toEqual(tagged);

    const points = [{ timeUnixNano: nanos(NOW), asInt: '1', attributes: keyValues({ a: 'b' }) }];
    const kinds = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'];
    const specs = kinds.map((kind) => ({
      name: kind,
      [kind]: { dataPoints: points.map(({ asInt, ...point }) => (kind.length < 6 ? { ...point, asInt } : point)) },
    }));
    const written = decoded(await tag(metrics({ resource: RESOURCE, items: specs }), config));
    for (const metric of written.resourceMetrics[0].scopeMetrics[0].metrics) {
      const { dataPoints } = metric[metric.name];
      expect({ [metric.name]: attributesOf(dataPoints[0]) }).toEqual({ [metric.name]: { a: 'b', ...tagged } });
    }
  });

  it('replaces what another Windback wrote before', async () => {
    const once = await tag(spans(RESOURCE), { static: 'first' });
    const chained = await tag(TelemetryBatch.open('traces', once.encoded()));
    expect(attributesOf(decoded(chained).resourceSpans[0].resource)).toMatchObject({
      'deployment.version': '1.4.2',
      'deployment.version.source': 'service.version',
    });
  });

  it('is unknown, without a source, where there is no version, and where there is no resource', async () => {
    const [named] = decoded(await tag(spans({ 'service.name': 'x' }))).resourceSpans;
    expect(attributesOf(named.resource)).toEqual({ 'service.name': 'x', 'deployment.version': 'unknown' });
    const bare = open('traces', { resourceSpans: [{ scopeSpans: [{ spans: [{ name: 'a' }] }] }] });
    const [group] = decoded(await tag(bare)).resourceSpans;
    expect(attributesOf(group.resource)).toEqual({ 'deployment.version': 'unknown' });
  });

  it('is each resource its own', async () => {
    const resource = (version: string) => ({ ...RESOURCE, 'service.version': version });
    const batch = traces(...['1', '2', '1'].map((v) => ({ resource: resource(v), items: [{ end: NOW }] })));
    const groups = decoded(await tag(batch)).resourceSpans;
    expect(groups.map(({ resource }: any) => attributesOf(resource)['deployment.version'])).toEqual(['1', '2', '1']);
  });

  it('counts resources by source', async () => {
    const { tagger, context } = setUp();
    for (let i = 0; i < 3; i++) await tagger.consume(spans(RESOURCE));
    await tagger.consume(spans({ 'service.name': 'x' }));
    const count = (source: string) =>
      counted(context, 'windback_deployment_resources_total', { processor: 'deployment', source });
    expect([await count('service.version'), await count('unknown')]).toEqual([3, 1]);
  });

  it('leaves other signals and its own tags of refused batches alone', async () => {
    const { tagger, sink } = setUp();
    await tagger.consume({ signal: 'health', items: 0, deltas: [] });
    expect(sink.batches).toHaveLength(1);
    sink.answer = () => Promise.reject(new Error('full'));
    await expect(tagger.consume(spans(RESOURCE))).rejects.toThrow('full');
  });
});

describe('the cache', () => {
  const cached = async (context: ReturnType<typeof testContext>) => {
    await context.meter.text();
    return counted(context, 'windback_deployment_cached_resources', { processor: 'deployment' });
  };

  it('knows a resource by its bytes', async () => {
    const { tagger, sink, context } = setUp();
    for (const version of ['1', '1', '2']) await tagger.consume(spans({ 'service.version': version }));
    const [a, b, c] = sink.telemetry('traces').map(({ tags }) => tags?.[0]);
    expect(b).toBe(a);
    expect(c).not.toBe(a);
    expect(await cached(context)).toBe(2);
  });

  it('holds so many resources and no more', async () => {
    const { tagger, context } = setUp({ cache_size: 10 });
    for (let i = 0; i < 100; i++) await tagger.consume(spans({ 'service.version': `v${i}` }));
    expect(await cached(context)).toBe(10);
  });

  it('is bounded in bytes as well, whatever the size of a resource', async () => {
    const { tagger, context, sink } = setUp();
    for (let i = 0; i < 40; i++) {
      await tagger.consume(spans({ 'service.version': `v${i}`, blob: 'x'.repeat(2 * 1024 * 1024) }));
    }
    expect(await cached(context)).toBeLessThanOrEqual(16);
    expect(sink.telemetry('traces').map(({ tags }) => tags?.[0]?.version)).toHaveLength(40);
    await tagger.consume(spans({ 'service.version': 'huge', blob: 'x'.repeat(70 * 1024 * 1024) }));
    expect(sink.telemetry('traces').at(-1)?.tags?.[0]?.version).toBe('huge');
  });
});

describe('roles', () => {
  const event = (attributes: Attributes, spec: Partial<LogSpec> = {}) =>
    logs({
      resource: { 'service.name': 'checkout', 'deployment.environment.name': 'prod' },
      items: [{ time: NOW, eventName: 'deployment', attributes, ...spec }],
    });
  const resource = (version: string) => ({
    'service.name': 'checkout',
    'deployment.environment.name': 'prod',
    'service.version': version,
  });

  async function roles(tagger: DeploymentTagger, sink: Sink): Promise<unknown[]> {
    const found: unknown[] = [];
    for (const version of ['1', '2']) {
      await tagger.consume(spans(resource(version)));
      const written = decoded(sink.telemetry('traces').at(-1) as TelemetryBatch).resourceSpans[0].resource;
      found.push(attributesOf(written)['deployment.role']);
    }
    return found;
  }

  it('are written from a deployment event on, on resources already cached too', async () => {
    const { tagger, sink, context } = setUp();
    expect(await roles(tagger, sink)).toEqual([undefined, undefined]);
    await tagger.consume(event({ 'service.version': '2', 'deployment.previous_version': '1' }));
    expect(await roles(tagger, sink)).toEqual(['baseline', 'candidate']);
    context.roles.end('/checkout/prod');
    expect(await roles(tagger, sink)).toEqual([undefined, undefined]);
  });

  it('are those of the judge as well', async () => {
    const { tagger, sink, context } = setUp();
    await roles(tagger, sink);
    context.roles.begin('/checkout/prod', '1', '2');
    expect(await roles(tagger, sink)).toEqual(['baseline', 'candidate']);
  });

  it('stay when a later event of the same deployment names no previous version', async () => {
    const { tagger, sink } = setUp();
    await tagger.consume(event({ 'service.version': '2', 'deployment.previous_version': '1' }));
    await tagger.consume(event({ 'service.version': '2', 'deployment.status': 'succeeded' }));
    expect(await roles(tagger, sink)).toEqual(['baseline', 'candidate']);
  });

  it('do not come from a failed deployment, an ordinary record, or an event without a version', async () => {
    const { tagger, sink } = setUp();
    const told = { 'service.version': '2', 'deployment.previous_version': '1' };
    await tagger.consume(event({ ...told, 'deployment.status': 'failed' }));
    await tagger.consume(event(told, { eventName: 'deployments' }));
    await tagger.consume(event({ 'deployment.previous_version': '1' }));
    expect(await roles(tagger, sink)).toEqual([undefined, undefined]);
  });

  it('may be told from elsewhere: the event names the service', async () => {
    const { tagger, sink } = setUp();
    const told = {
      'service.name': 'checkout',
      'deployment.environment.name': 'prod',
      'service.version': '2',
      'deployment.previous_version': '1',
    };
    await tagger.consume(
      logs({ resource: { 'service.name': 'ci' }, items: [{ time: NOW, eventName: 'deployment', attributes: told }] }),
    );
    expect(await roles(tagger, sink)).toEqual(['baseline', 'candidate']);
  });
});
