import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { printConfig } from '../../../pipeline/config/redact.ts';
import { GOOD, load } from './support.ts';

const YAML = GOOD.replace(
  '  debug:',
  `  debug:
  kafka:
    brokers: [a:1]
    auth: {mechanism: plain, username: me, password: "\${env:PASSWORD}"}
    headers: {authorization: Bearer hunter2, empty: ""}
    proxy: http://me:hunter2@proxy:3128/x`,
);

it('prints the effective configuration with defaults and without secrets', () => {
  const sets = ['service.telemetry.admin.token=hunter2-hunter2-hunter2'];
  const text = printConfig(load(YAML, { env: { PASSWORD: 'hunter2' }, sets }), { defaults: true });
  expect(text).not.toContain('hunter2');
  expect(parse(text)).toEqual({
    receivers: { otlp: { protocols: { grpc: { endpoint: 'localhost:4317' } }, max_request_size: '4MiB' } },
    exporters: {
      debug: {},
      kafka: {
        brokers: ['a:1'],
        topic: 'decisions',
        acks: 'all',
        auth: { mechanism: 'plain', username: 'me', password: '[REDACTED]' },
        headers: { authorization: '[REDACTED]', empty: '[REDACTED]' },
        proxy: 'http://me:[REDACTED]@proxy:3128/x',
      },
    },
    service: {
      extensions: [],
      telemetry: {
        logs: { level: 'info' },
        metrics: { level: 'normal', endpoint: 'localhost:8888' },
        admin: { token: '[REDACTED]' },
      },
      shutdown_timeout: '15s',
      workers: 1,
      pipelines: { traces: { receivers: ['otlp'], processors: [], exporters: ['debug'] } },
    },
  });
});

it('prints what it can read again', () => {
  const text = printConfig(load(YAML, { env: { PASSWORD: 'x' } }), { defaults: true });
  const again = printConfig(load(text), { defaults: true });
  expect(again).toBe(text);
});

it('prints what was written where defaults are not wanted', () => {
  const text = printConfig(load(GOOD, { sets: ['service.shutdown_timeout=1s'] }), { defaults: false });
  expect(parse(text)).toEqual({
    receivers: { otlp: { protocols: { grpc: {} } } },
    exporters: { debug: {} },
    service: { shutdown_timeout: '1s', pipelines: { traces: { receivers: ['otlp'], exporters: ['debug'] } } },
  });
});
