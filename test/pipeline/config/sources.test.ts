import { describe, expect, it } from 'vitest';
import { GOOD, load, problems } from './support.ts';

describe('sources', () => {
  it('merge in order: maps deep, lists and scalars by replacement', () => {
    const base = 'exporters: {kafka: {brokers: [a:1, b:1], topic: one}}';
    const over = 'exporters: {kafka: {brokers: [c:1]}}\nservice: {pipelines: {traces: {exporters: [kafka]}}}';
    const loaded = load(GOOD, {
      files: { 'base.yaml': base, '/etc/over.yaml': over },
      sources: ['config.yaml', 'base.yaml', 'file:/etc/over.yaml'],
    });
    expect(loaded.exporters.get('kafka')?.config).toMatchObject({ brokers: ['c:1'], topic: 'one' });
    expect(loaded.pipelines[0]?.exporters).toEqual([
      { id: 'kafka', from: 'exporters', at: { file: '/etc/over.yaml', line: 2, column: 44 } },
    ]);
  });

  it('may be environment variables and YAML on the command line', () => {
    const loaded = load('', {
      sources: ['env:CONFIG', 'yaml:receivers::otlp::max_request_size: 1KiB', 'yaml:service: {shutdown_timeout: 1s}'],
      env: { CONFIG: GOOD },
    });
    expect(loaded.receivers.get('otlp')?.config).toMatchObject({ max_request_size: 1024 });
    expect(loaded.service.shutdownTimeoutMs).toBe(1000);
  });

  it('keep their places through the merge', () => {
    const given = {
      files: { 'b.yaml': '\nreceivers: {otlp: {x: 1}}' },
      sources: ['config.yaml', 'b.yaml', 'env:C', 'yaml:receivers::otlp::y: 1'],
      sets: ['receivers.otlp.z=1'],
      env: { C: 'extra: 1' },
    };
    expect(problems(GOOD, given).map((line) => line.split(': unknown')[0])).toEqual([
      'b.yaml:2:20: receivers.otlp.x',
      'env:C:1:1: extra',
      'yaml#4:1:1: receivers.otlp.y',
      '--set: receivers.otlp.z',
    ]);
  });

  it('that cannot be read are problems, all of them', () => {
    expect(problems('', { sources: ['nope.yaml', 'env:NOPE', 'https://x/y.yaml'] })).toEqual([
      'nope.yaml: cannot be read: there is no such file; check the path and the permissions',
      'env:NOPE: the environment variable NOPE is not set; set it to the YAML of a configuration',
      'https://x/y.yaml: configurations are not fetched; give a path, file:PATH, env:NAME or yaml:TEXT',
    ]);
  });
});

describe('--set', () => {
  it('types its value as YAML and comes last', () => {
    const sets = [
      'exporters.kafka/my.cluster.brokers=[a:1]',
      'exporters.kafka/my.cluster.topic=a=b',
      'service.pipelines.traces.exporters=[kafka/my.cluster]',
      'receivers.otlp.protocols.http=',
    ];
    const yaml = `${GOOD}`.replace('  debug:', '  debug:\n  kafka/my.cluster:');
    const loaded = load(yaml, { sets });
    expect(loaded.exporters.get('kafka/my.cluster')?.config).toMatchObject({ brokers: ['a:1'], topic: 'a=b' });
    expect(loaded.receivers.get('otlp')?.config).toMatchObject({ protocols: { http: { endpoint: { port: 4318 } } } });
  });

  it('explains what it does not understand, without the value', () => {
    expect(problems(GOOD, { sets: ['receivers', '=hunter2', 'a..b=hunter2'] })).toEqual([
      '--set: receivers: not understood; want key.sub=value',
      '--set: not understood; want key.sub=value',
      '--set: a..b: not understood; want key.sub=value',
    ]);
    expect(problems(GOOD, { sets: ['receivers.otlp.max_request_size=5x'] })).toEqual([
      '--set: receivers.otlp.max_request_size: "5x" is not valid; want a size with a unit, such as 512KiB, 64MiB or 1GiB',
    ]);
  });
});
