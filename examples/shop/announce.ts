/**
 * Tells Windback of a deployment, as the last step of a delivery pipeline would: one OTLP log record with the event
 * name `deployment`. It is optional, for a new version is also recognised by its telemetry. Told of it, Windback knows
 * the version that is replaced, and the share of the requests that the new one should get.
 *
 * npx node examples/shop/announce.ts checkout 1.4.2 --previous 1.4.1 --weight 0.2
 */
import { parseArgs } from 'node:util';

const endpoint = process.env.OTEL_EXPORTER_OTLP_ENDPOINT ?? 'http://localhost:4318';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { previous: { type: 'string' }, weight: { type: 'string' }, status: { type: 'string', default: 'started' } },
});
const [service = '', version = ''] = positionals;

const text = (key: string, value: string) => ({ key, value: { stringValue: value } });
const record = {
  timeUnixNano: String(BigInt(Date.now()) * 1_000_000n),
  eventName: 'deployment',
  attributes: [
    text('service.version', version),
    text('deployment.status', values.status),
    ...(values.previous === undefined ? [] : [text('deployment.previous_version', values.previous)]),
    ...(values.weight === undefined
      ? []
      : [{ key: 'deployment.weight', value: { doubleValue: Number(values.weight) } }]),
  ],
};
const resource = {
  attributes: [
    text('service.namespace', 'shop'),
    text('service.name', service),
    text('deployment.environment.name', 'demo'),
  ],
};

const response = await fetch(`${endpoint}/v1/logs`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords: [record] }] }] }),
});
if (!response.ok) throw new Error(`${endpoint} answered ${response.status}: ${await response.text()}`);
