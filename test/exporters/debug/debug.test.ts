import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { DebugExporter } from '../../../exporters/debug/debug.ts';
import { debugConfig } from '../../../exporters/debug/config.ts';
import { type Batch, TelemetryBatch, type TelemetrySignal } from '../../../pipeline/batch.ts';
import { ManualClock } from '../../../pipeline/clock.ts';
import { encodeJson } from '../../../proto/otlp/json.ts';
import { decisionEvent } from '../../support/decision-event.ts';
import { recordingLogger, testContext } from '../../support/context.ts';

const START_MS = 1_700_000_000_000;
const attributes = [{ key: 'http.route', value: { stringValue: '/cart' } }];
const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'cart' } }] };

const REQUESTS = {
  traces: {
    resourceSpans: [
      {
        resource,
        scopeSpans: [
          {
            spans: [
              {
                traceId: '5b8efff798038103d269b633813fc60c',
                spanId: 'eee19b7ec3c1b174',
                name: 'GET /cart',
                kind: 2,
                startTimeUnixNano: '1700000000000000000',
                endTimeUnixNano: '1700000000012500000',
                status: { code: 2, message: 'gone' },
                attributes,
              },
              { name: 'evil\u001b[31m\nname' },
            ],
          },
        ],
      },
    ],
  },
  metrics: {
    resourceMetrics: [
      {
        scopeMetrics: [
          {
            metrics: [
              {
                name: 'http.server.request.duration',
                unit: 's',
                histogram: {
                  aggregationTemporality: 1,
                  dataPoints: [{ timeUnixNano: '1700000000000000000', count: '2', sum: 0.5, attributes }],
                },
              },
              { name: 'zero', gauge: { dataPoints: [{ asInt: '0' }] } },
              { name: 'nothing' },
            ],
          },
        ],
      },
    ],
  },
  logs: {
    resourceLogs: [
      {
        scopeLogs: [
          {
            logRecords: [
              {
                timeUnixNano: '1700000000000000000',
                severityNumber: 17,
                severityText: 'ERROR',
                body: { stringValue: 'it broke' },
                attributes,
              },
              { eventName: 'deployment' },
            ],
          },
        ],
      },
    ],
  },
};

/** What a batch leads to: log messages, and text on the output. */
async function show(verbosity: string, batch: Batch): Promise<{ lines: Record<string, unknown>[]; text: string }> {
  const { logger, lines } = recordingLogger();
  const output = new PassThrough();
  const context = testContext('debug/a', { logger, clock: new ManualClock(START_MS) });
  const exporter = new DebugExporter(debugConfig.parse({ verbosity }), context, output);
  await exporter.start();
  await exporter.consume(batch);
  await exporter.stop();
  return { lines, text: String(output.read() ?? '') };
}

function telemetry(signal: TelemetrySignal): TelemetryBatch {
  return TelemetryBatch.open(signal, encodeJson(signal, REQUESTS[signal]));
}

describe('debug exporter', () => {
  it('basic: logs numbers and no content', async () => {
    const { lines, text } = await show('basic', telemetry('traces'));
    expect(lines).toMatchObject([{ level: 30, msg: 'traces', signal: 'traces', items: 2, resources: 1 }]);
    expect(JSON.stringify(lines)).not.toContain('cart');
    expect(text).toBe('');
  });

  it('normal: prints a line an item', async () => {
    expect((await show('normal', telemetry('traces'))).text).toBe(
      [
        '--- debug/a 2023-11-14T22:13:20.000Z',
        'resource service.name="cart"',
        '  span "GET /cart" server 12.5ms error "gone" trace=5b8efff798038103d269b633813fc60c span=eee19b7ec3c1b174 parent=- http.route="/cart"',
        '  span "evil\\u001b[31m\\nname" unspecified 0ms unset trace=- span=- parent=-',
        '',
      ].join('\n'),
    );
    expect((await show('normal', telemetry('metrics'))).text.split('\n').slice(1)).toEqual([
      'resource',
      '  histogram delta "http.server.request.duration" s 2023-11-14T22:13:20.000Z count="2" sum=0.5 http.route="/cart"',
      '  gauge "zero" asInt="0"',
      '',
    ]);
    expect((await show('normal', telemetry('logs'))).text.split('\n').slice(1)).toEqual([
      'resource',
      '  log 2023-11-14T22:13:20.000Z ERROR "it broke" http.route="/cart"',
      '  log severity=0 event="deployment"',
      '',
    ]);
  });

  it('detailed: prints everything as OTLP/JSON', async () => {
    for (const signal of ['traces', 'metrics', 'logs'] as const) {
      const { text } = await show('detailed', telemetry(signal));
      expect(JSON.parse(text.slice(text.indexOf('\n')))).toEqual(REQUESTS[signal]);
    }
  });

  it('lets no control character through to the terminal', async () => {
    const nasty = {
      resourceLogs: [{ scopeLogs: [{ logRecords: [{ severityText: '\u001b[2J\u009b1m\r', eventName: '\u0007' }] }] }],
    };
    for (const verbosity of ['normal', 'detailed']) {
      const { text } = await show(verbosity, TelemetryBatch.open('logs', encodeJson('logs', nasty)));
      expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    }
  });

  it('says the sentence of a decision, whatever the verbosity', async () => {
    const event = decisionEvent();
    for (const verbosity of ['basic', 'normal', 'detailed']) {
      const { lines, text } = await show(verbosity, { signal: 'decisions', items: 1, decisions: [event] });
      expect(lines[0]).toMatchObject({ msg: event.data.reason, decision: 'rollback', subject: 'shop/cart/prod' });
      if (verbosity === 'detailed') expect(JSON.parse(text.slice(text.indexOf('\n')))).toEqual([event]);
    }
  });

  it('shows health deltas', async () => {
    const deltas = [{ source: 'gateway', slot: 7, series: [], events: [] }];
    const { text } = await show('normal', { signal: 'health', items: 1, deltas });
    expect(text).toContain('delta of gateway, second 7: 0 series');
  });
});
