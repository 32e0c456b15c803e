import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadComponents } from '../../../cmd/components.ts';
import type { TelemetryBatch } from '../../../pipeline/batch.ts';
import { loadConfig } from '../../../pipeline/config/load.ts';
import { ConfigError, formatProblems } from '../../../pipeline/config/report.ts';
import type { DeltaSeries } from '../../../proto/windback/health.ts';
import { counted } from '../../support/context.ts';
import { keyValues, logs, metrics, nanos, open, type SpanSpec, traces, tracesJson } from '../../support/telemetry.ts';
import { Folding, NOW, RESOURCE } from './support.ts';

const components = await loadComponents();

interface Custom {
  readonly name?: string;
  readonly signal?: string;
  readonly where?: string;
  readonly bad: string;
}

const indicator = (custom: Custom) => ({ name: 'mine', signal: 'traces', ...custom });

async function fold(batch: TelemetryBatch, ...custom: Custom[]) {
  const folding = new Folding({ custom: custom.map((one) => indicator(one)) });
  await folding.consume(batch);
  const series = (await folding.series()).filter(({ kind }) => kind === 'custom');
  return { series, folding };
}

async function allBad(batch: TelemetryBatch, custom: Custom): Promise<string> {
  const { series } = await fold(batch, custom);
  const sum = (of: (one: DeltaSeries) => number) => series.reduce((total, one) => total + of(one), 0);
  return `${sum(({ bad }) => bad)} of ${sum(({ all }) => all)}`;
}

const spans = (...items: Partial<SpanSpec>[]) =>
  traces({ resource: RESOURCE, items: items.map((item) => ({ end: NOW, ...item })) });

describe('a custom indicator of spans', () => {
  const batch = spans(
    { name: 'checkout', attributes: { 'checkout.success': true, n: 3 } },
    { name: 'checkout', attributes: { 'checkout.success': false, n: -4 } },
    { name: 'checkout', status: 2, durationMs: 700 },
    { name: 'browse', attributes: { 'checkout.success': false } },
    { name: 'query', kind: 3, attributes: { n: 5 } },
  );

  it.each<[string | undefined, string, string]>([
    [undefined, 'span.attributes["checkout.success"] == false', '2 of 4'],
    ['span.name == "checkout"', 'span.attributes["checkout.success"] == false', '1 of 3'],
    ['span.name == "checkout"', 'span.status == "ERROR"', '1 of 3'],
    ['span.name == "checkout" && "n" in span.attributes', 'span.attributes.n < 0', '1 of 2'],
    ['has(span.attributes.n)', 'span.kind == "CLIENT" && span.attributes.n == 5', '1 of 3'],
    ['span.attributes.n > 0', 'true', '2 of 2'],
    ['true', 'span.duration_ms > 500.0', '1 of 5'],
    ['true', 'span.name.matches("^(check|brow)")', '4 of 5'],
    ['true', 'span.attributes.exists(key, key.endsWith(".success"))', '3 of 5'],
    [
      undefined,
      'resource.attributes["service.name"] == "checkout" && resource.attributes["deployment.version"] == "1"',
      '4 of 4',
    ],
    ['span.attributes.n % 2 == 1', 'true', '2 of 2'],
    [undefined, '!span.attributes["checkout.success"]', '2 of 4'],
    [undefined, 'span.attributes["nothing"] == 1 || span.name == "browse"', '1 of 4'],
    ['span.attributes[span.name] == 1', 'true', '0 of 0'],
    ['true', 'cel.bind(s, span, s.attributes.n == 5)', '1 of 5'],
  ])('where %s, bad %s: %s', async (where, bad, expected) => {
    expect(await allBad(batch, where === undefined ? { bad } : { where, bad })).toBe(expected);
  });

  it('is counted by operation, slot and version, with the trace ids of bad items', async () => {
    const traceId = 'ab'.repeat(16);
    const { series } = await fold(
      spans({ attributes: { 'http.route': '/a', 'http.request.method': 'GET' }, traceId }, { end: NOW - 2, name: 'b' }),
      { name: 'slow', bad: '"http.route" in span.attributes' },
    );
    expect(series).toEqual([
      expect.objectContaining({ operation: 'b', name: 'slow', all: 1, bad: 0, exemplars: [], version: '1' }),
      expect.objectContaining({ operation: 'GET /a', name: 'slow', all: 1, bad: 1, exemplars: [traceId] }),
    ]);
  });

  it('leaves out what is not judged: no version, absurd times', async () => {
    const { 'service.version': _, ...unversioned } = RESOURCE;
    expect(await allBad(traces({ resource: unversioned, items: [{ end: NOW }] }), { bad: 'true' })).toBe('0 of 0');
    expect(await allBad(spans({ end: 5 }, { durationMs: 2 * 86_400_000 }, {}), { bad: 'true' })).toBe('1 of 1');
  });

  it('reads the attributes of each item anew, whichever conditions share them', async () => {
    const items = fc.array(
      fc.record({ a: fc.option(fc.integer({ min: 0, max: 3 })), b: fc.integer({ min: 0, max: 3 }) }),
    );
    await fc.assert(
      fc.asyncProperty(items, async (given) => {
        const specs = given.map(({ a, b }) => ({ attributes: { ...(a === null ? {} : { a }), b } }));
        const { series } = await fold(
          spans(...specs),
          { name: 'one', bad: 'span.attributes.a == span.attributes.b' },
          { name: 'two', where: 'span.attributes.a >= 2', bad: 'span.attributes.b == 0' },
        );
        const of = (name: string) => series.find((one) => one.name === name) ?? { all: 0, bad: 0 };
        const two = given.filter(({ a }) => a !== null && a >= 2);
        expect(of('one')).toMatchObject({ all: given.length, bad: given.filter(({ a, b }) => a === b).length });
        expect(of('two')).toMatchObject({ all: two.length, bad: two.filter(({ b }) => b === 0).length });
      }),
      { numRuns: 50 },
    );
  });

  it('counts conditions that could not be told, by reason', async () => {
    const { folding } = await fold(
      batch,
      { name: 'one', bad: 'span.attributes.n > 0' },
      { name: 'two', where: 'span.attributes.n / 0 == 1', bad: 'true' },
      { name: 'three', where: 'has(span.attributes.n)', bad: 'span.attributes.n' },
    );
    const errors = (name: string, condition: string, reason: string) =>
      counted(folding.context, 'windback_health_custom_errors_total', {
        processor: 'health',
        indicator: name,
        condition,
        reason,
      });
    expect(await errors('one', 'bad', 'missing_attribute')).toBe(2);
    expect(await errors('two', 'where', 'missing_attribute')).toBe(2);
    expect(await errors('two', 'where', 'failed')).toBe(3);
    expect(await errors('three', 'bad', 'failed')).toBe(3);
  });

  it('does without a text that is too long to match', async () => {
    expect(await allBad(spans({ name: 'x'.repeat(9000) }, { name: 'x' }), { bad: 'span.name.matches("x")' })).toBe(
      '1 of 2',
    );
  });

  it('counts a malformed item, and goes on with the next', async () => {
    const json = tracesJson({
      resource: RESOURCE,
      items: [
        { end: NOW, kind: 3 },
        { end: NOW, kind: 3, name: 'b' },
      ],
    });
    const batch = open('traces', json);
    const start = batch.columns.offset[0] as number;
    // An attribute that claims to be longer than its span, in place of the start of the name.
    const at = Buffer.from(batch.bytes).indexOf('work', start);
    batch.bytes.set([0x4a, 0x7f], at - 2);
    const { series, folding } = await fold(batch, { where: 'true', bad: 'size(span.attributes) == 0' });
    expect(series).toMatchObject([{ all: 1, bad: 1, operation: 'b' }]);
    expect(await folding.ignored('traces', 'malformed')).toBe(1);
  });
});

describe('a custom indicator of log records', () => {
  const batch = logs({
    resource: RESOURCE,
    items: [
      { time: NOW, severity: 17, attributes: { 'exception.type': 'Boom' }, traceId: 'cd'.repeat(16) },
      { time: NOW, severity: 9, eventName: 'cart.abandoned' },
      { time: NOW, eventName: 'deployment', attributes: { 'service.version': '2' } },
    ],
  });

  it.each([
    ['log.severity >= 17', '1 of 2'],
    ['log.event_name == "cart.abandoned"', '1 of 2'],
    ['log.body == "said"', '2 of 2'],
    ['log.body.matches("^s.*d$")', '2 of 2'],
    ['log.severity_text == ""', '2 of 2'],
    ['log.attributes["exception.type"].startsWith("B")', '1 of 2'],
  ])('bad %s: %s', async (bad, expected) => {
    expect(await allBad(batch, { signal: 'logs', bad })).toBe(expected);
  });

  it('has no operation, and exemplars', async () => {
    const { series } = await fold(batch, { signal: 'logs', bad: 'log.severity > 16' });
    expect(series).toMatchObject([{ operation: '', all: 2, bad: 1, exemplars: ['cd'.repeat(16)] }]);
  });
});

describe('a custom indicator of data points', () => {
  const timeUnixNano = nanos(NOW);
  const attributes = keyValues({ pool: 'a' });
  const batch = metrics({
    resource: RESOURCE,
    items: [
      {
        name: 'queue.length',
        unit: '{item}',
        gauge: {
          dataPoints: [
            { timeUnixNano, asInt: '-7', attributes },
            { timeUnixNano, asDouble: 2.5 },
          ],
        },
      },
      { name: 'jobs', sum: { dataPoints: [{ timeUnixNano, asInt: '12' }], aggregationTemporality: 1 } },
      {
        name: 'paint',
        unit: 's',
        histogram: { dataPoints: [{ timeUnixNano, count: '4', sum: 10, bucketCounts: ['4'], attributes }] },
      },
      {
        name: 'fit',
        exponentialHistogram: {
          dataPoints: [{ timeUnixNano, count: '2', sum: 5, scale: 0, zeroCount: '2', attributes }],
        },
      },
      { name: 'old', summary: { dataPoints: [{ timeUnixNano, count: '2', sum: 1, attributes }] } },
      {
        name: 'gap',
        gauge: {
          dataPoints: [
            { timeUnixNano, flags: 1 },
            { timeUnixNano, flags: 1, asInt: '0' },
          ],
        },
      },
    ],
  });

  it.each<[string | undefined, string, string]>([
    ['point.name == "queue.length"', 'point.value < 0.0', '1 of 2'],
    ['point.name == "queue.length" && point.unit == "{item}"', 'point.value == 2.5 && point.count == 1', '1 of 2'],
    ['point.name == "queue.lengths"', 'true', '0 of 0'],
    ['point.name == "jobs"', 'point.value == 12.0', '1 of 1'],
    ['point.name == "paint"', 'point.value == 2.5 && point.count == 4 && point.sum == 10.0', '1 of 1'],
    ['point.name == "fit"', 'point.value == 2.5', '1 of 1'],
    ['point.name == "old"', 'point.value == 0.5', '1 of 1'],
    ['point.name == "gap"', 'point.value < 1e300 || point.value >= 1e300', '0 of 2'],
    [undefined, 'has(point.attributes.pool) && point.attributes.pool == "a"', '4 of 8'],
  ])('where %s, bad %s: %s', async (where, bad, expected) => {
    expect(await allBad(batch, { signal: 'metrics', bad, ...(where === undefined ? {} : { where }) })).toBe(expected);
  });
});

describe('the configuration', () => {
  const problems = (custom: string): string[] => {
    const yaml = `receivers: {otlp: {protocols: {grpc: {}}}}
exporters: {debug: {}}
processors:
  deployment:
  health:
    custom:
${custom}
service: {pipelines: {traces: {receivers: [otlp], processors: [deployment, health], exporters: [debug]}}}
`;
    try {
      loadConfig({ sources: ['config.yaml'], sets: [], env: {}, readFile: () => yaml }, components);
      return [];
    } catch (error) {
      return formatProblems((error as ConfigError).problems).split('\n');
    }
  };
  const bad = (condition: string, signal = 'traces') =>
    problems(`      - {name: mine, signal: ${signal}, bad: '${condition}'}`)[0];

  it.each([
    ['span.nmae == "x"', 'column 6: No such key: nmae'],
    ['spam.name == "x"', 'column 1: Unknown variable: spam'],
    ['span.name = "x"', 'column 11: Unexpected character: ='],
    ['span.name == 5', 'column 1: no such overload: string == int'],
    ['span.name', 'want a condition that is true or false, not string'],
    ['span.name.matches("(")', 'column 19: the pattern is not understood at its character 2: a group is not closed'],
    ['span.name.matches(span.kind)', 'column 24: the pattern of matches() must be written out'],
    ['span.duration_ms.matches("x")', 'column 6: matches() wants text, not double'],
    ['[1].all(x, [2].exists(y, x == y))', 'column 12: exists() inside of another one'],
  ])('names the place in a condition: %s', (condition, message) => {
    expect(bad(condition)).toBe(
      `config.yaml:7:43: processors.health.custom[0].bad: "${condition}" is not valid; ${message}`,
    );
  });

  it('knows the variables of each signal', () => {
    expect(bad('point.value > 1.0', 'metrics')).toBeUndefined();
    expect(bad('log.severity > 1', 'logs')).toBeUndefined();
    expect(bad('log.severity > 1', 'metrics')).toContain('Unknown variable: log');
  });

  it('names line and column where a condition has several lines', () => {
    const found = problems(`      - name: mine
        signal: traces
        bad: |
          span.name == "x" &&
            span.nmae == "y"`);
    expect(found.join('\n')).toMatch(/^config\.yaml:9:14: .*; line 2, column 8: No such key: nmae$/s);
  });

  it('wants names that are names, and differ', () => {
    const entry = (name: string) => `      - {name: ${name}, signal: logs, bad: 'true'}`;
    expect(problems(entry('B'))[0]).toContain('config.yaml:7:16: processors.health.custom[0].name: "B" is not valid');
    expect(problems(`${entry('a')}\n${entry('a')}\n${entry('other')}`)).toEqual([
      'config.yaml:8:16: processors.health.custom[1].name: "a" is not valid; want a name that is not taken',
      'config.yaml:9:16: processors.health.custom[2].name: "other" is not valid; want a name that is not taken',
    ]);
    expect(problems(Array.from({ length: 21 }, (_, i) => entry(`n${i}`)).join('\n'))[0]).toContain(
      'at most 20 entries',
    );
  });
});
