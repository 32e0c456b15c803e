import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { jsonSchema } from '../../../pipeline/config/json-schema.ts';
import { optionsOf } from '../../../pipeline/config/options.ts';
import { GOOD, table } from './support.ts';

const validate = new Ajv2020({ strict: false, allErrors: true }).compile(jsonSchema(table));

describe('the JSON Schema', () => {
  it.each([
    GOOD,
    `${GOOD}processors: {memory_limiter/a: {limit_mib: "\${env:LIMIT}"}}`,
    `${GOOD}connectors: {health/x: {interval: "\${env:A:-1s}"}}`,
    `${GOOD}extensions: {pprof: , health_check/a: {enabled: false}}`,
  ])('takes what the loader takes: %j', (yaml) => {
    validate(parse(yaml));
    expect(validate.errors).toBeNull();
  });

  it.each([
    `${GOOD}processors: {memory_limiter: {limit_mib: 0}}`,
    `${GOOD}processors: {memory_limiter: {}}`,
    `${GOOD}connectors: {health/x: {intervall: 1s}}`,
    `${GOOD}exporters: {kafak: {}}`,
    `${GOOD}  shutdown_timeout: 5`,
    GOOD.replace('traces:', 'trace:'),
    GOOD.replace('[otlp]', '[]'),
  ])('refuses what the loader refuses: %j', (yaml) => {
    expect(validate(parse(yaml, { uniqueKeys: false }))).toBe(false);
  });
});

it('describes every option as a row', () => {
  expect(optionsOf(table.exporters[0]?.config as never)).toEqual([
    { path: 'brokers', type: 'list of text', fallback: 'required', description: 'The brokers to begin with.' },
    { path: 'topic', type: 'text', fallback: '`decisions`', description: '' },
    { path: 'acks', type: 'one of `all`, `leader`', fallback: '`all`', description: '' },
    { path: 'auth', type: 'map', fallback: '', description: '' },
    { path: 'auth.mechanism', type: '`plain` or `token`', fallback: 'required', description: '' },
    { path: 'auth.username', type: 'text', fallback: 'required', description: '' },
    { path: 'auth.password', type: 'secret text', fallback: 'required', description: '' },
    { path: 'auth.token', type: 'secret text', fallback: 'required', description: '' },
    { path: 'headers', type: 'map of secret text', fallback: '', description: '' },
    { path: 'proxy', type: 'text', fallback: '', description: '' },
  ]);
});
