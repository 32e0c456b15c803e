import { describe, expect, it } from 'vitest';
import type { TelemetryBatch } from '../../../pipeline/batch.ts';
import { deploymentConfig } from '../../../processors/deployment/config.ts';
import { DeploymentTagger } from '../../../processors/deployment/deployment.ts';
import { counted, Sink, testContext } from '../../support/context.ts';
import { type Attributes, logs, type LogSpec } from '../../support/telemetry.ts';

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

describe('deployment events', () => {
  const announced = (attributes: Attributes, items: Partial<LogSpec>[] = []) =>
    logs({
      resource: { 'service.name': 'checkout' },
      items: [{ time: NOW, eventName: 'deployment', attributes }, ...items.map((item) => ({ time: NOW, ...item }))],
    });
  const eventOf = async (attributes: Attributes, config: Record<string, unknown>) =>
    (await tag(announced(attributes), config)).deployments.get(0);

  it('name versions as telemetry is named, by the mapping', async () => {
    const config = { mapping: [{ pattern: '(?<major>\\d+)\\..*', version: 'v$<major>' }] };
    const event = await eventOf({ 'service.version': '2.7.1', 'deployment.previous_version': '1.9.0' }, config);
    expect(event).toMatchObject({ version: 'v2', previousVersion: 'v1' });
  });

  it('name what is too long by its beginning, as telemetry does', async () => {
    const long = (letter: string) => letter.repeat(100_000);
    const event = await eventOf(
      {
        'service.name': long('s'),
        'service.version': long('2'),
        'deployment.previous_version': long('1'),
        'deployment.status': long('x'),
      },
      {},
    );
    const lengths = [event?.service, event?.version, event?.previousVersion, event?.status].map((one) => one?.length);
    expect(lengths).toEqual([500, 500, 500, 500]);
  });

  it('name cohorts where they say which, and give no share where they do not', async () => {
    const config = { cohort_by: ['deployment.ring'] };
    const told = { 'service.version': '2', 'deployment.weight': 0.2 };
    expect(await eventOf({ ...told, 'deployment.ring': 'canary' }, config)).toMatchObject({
      version: '2+canary',
      weight: 0.2,
    });
    expect(await eventOf(told, config)).toMatchObject({ version: '2', weight: null });
  });

  it('give no share by an empty text', async () => {
    expect(await eventOf({ 'service.version': '2', 'deployment.weight': '' }, {})).toMatchObject({ weight: null });
    const told = { 'service.version': '2', 'deployment.instances': ' ', 'deployment.instances.total': 4 };
    expect(await eventOf(told, {})).toMatchObject({ weight: null });
  });

  it('may announce a variant of a feature flag, as a version of the service and the flag', async () => {
    const config = { mapping: [{ match: 'on', version: 'mapped' }], cohort_by: ['deployment.ring'] };
    const flag = { 'feature_flag.key': 'new-pay', 'deployment.previous_version': 'off', 'deployment.weight': 0.2 };
    const expected = { service: 'checkout#new-pay', version: 'on', previousVersion: 'off', weight: 0.2 };
    expect(await eventOf({ ...flag, 'feature_flag.result.variant': 'on' }, config)).toMatchObject(expected);
    expect(await eventOf({ ...flag, 'feature_flag.variant': 'on' }, config)).toMatchObject(expected);
    expect(await eventOf({ ...flag, 'feature_flag.variant': 'on', 'service.name': 'cart' }, config)).toMatchObject({
      service: 'cart#new-pay',
    });
    expect(await eventOf({ ...flag, 'service.version': '2' }, config)).toBeUndefined();
  });

  it('are no blind spot: whoever announces need not have a version, unless it sends more than that', async () => {
    const { tagger, context } = setUp();
    const unknown = () =>
      counted(context, 'windback_deployment_resources_total', { processor: 'deployment', source: 'unknown' });
    await tagger.consume(announced({ 'service.version': '2' }));
    expect(await unknown()).toBe(0);
    await tagger.consume(announced({ 'service.version': '2' }, [{}]));
    expect(await unknown()).toBe(1);
  });
});
