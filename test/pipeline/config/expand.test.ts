import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GOOD, load, problems } from './support.ts';

const kafka = (fields: string): string =>
  `${GOOD.replace('[debug]', '[kafka]')}`.replace('  debug:', `  kafka: {${fields}}`);

function kafkaConfig(fields: string, env: Record<string, string> = {}): unknown {
  return load(kafka(fields), { env }).exporters.get('kafka')?.config;
}

describe('${env:NAME}', () => {
  it('is replaced inside a text', () => {
    const config = kafkaConfig('brokers: ["${env:HOST}:9092"], topic: "$$a-${env:A}${env:B:-b}-$c"', {
      HOST: 'h',
      A: '1',
    });
    expect(config).toMatchObject({ brokers: ['h:9092'], topic: '$a-1b-$c' });
  });

  it('is typed as YAML where it is the whole value', () => {
    const yaml = `${GOOD}processors: {memory_limiter: {limit_mib: "\${env:LIMIT:-512}", check_interval: "\${env:CHECK}"}}`;
    const { processors } = load(yaml, { env: { CHECK: '2s' } });
    expect(processors.get('memory_limiter')?.config).toEqual({ limit_mib: 512, check_interval: 2000 });
    expect(kafkaConfig('brokers: "${env:BROKERS}"', { BROKERS: '[a:1, b:2]' })).toMatchObject({
      brokers: ['a:1', 'b:2'],
    });
  });

  const looksLikeYaml = ['1.10', '007', 'true', '', 'null', '[', '{a: b}', 'a: b', '# x', '&a', '*a', '@', '"', '~'];
  const isCutByYaml = ['pw #rest', '"quoted"', "'quoted'", ' a ', 'a\nb', 'a\n\nb\n', '!a', '|\n a', '- a'];

  it.each([...looksLikeYaml, ...isCutByYaml])('stays text where text is wanted: %j', (value) => {
    const config = kafkaConfig('brokers: [x], auth: {mechanism: token, token: "${env:TOKEN}"}', { TOKEN: value });
    expect(config).toMatchObject({ auth: { token: value } });
  });

  it('is read as YAML where only some text will do', () => {
    const yaml = `${GOOD}processors: {memory_limiter: {limit_mib: "\${env:LIMIT}", check_interval: "\${env:CHECK}"}}`;
    const { processors } = load(yaml, { env: { LIMIT: '512\n', CHECK: "'2s' # seconds\n" } });
    expect(processors.get('memory_limiter')?.config).toEqual({ limit_mib: 512, check_interval: 2000 });
  });

  it.each([
    ['a list', 'brokers: "${env:A:-S3CRET}"'],
    ['text in a URL', 'brokers: [x], topic: [https://me:p/S3CRET@host/], auth: 1'],
    ['a key', 'brokers: [x], topic:S3CRET'],
    ['a key with an equals sign', 'brokers: [x], topic=S3CRET: 1'],
    ['a map of which the space is missing', 'brokers: [x], auth: token:S3CRET'],
    ['a map out of a variable', 'brokers: [x], auth: "${env:B}"'],
    ['a map out of a variable, with a key', 'brokers: [x], auth: "${env:C}"'],
  ])('that cannot be %s does not show what is secret', (_, fields) => {
    const lines = problems(kafka(fields), { env: { B: 'token:S3CRET', C: '{token:S3CRET: 1, S3CRET: 2}' } });
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join('\n')).not.toContain('S3CRET');
  });

  it('falls back where the variable is unset or empty, also to another variable', () => {
    const topic = (env: Record<string, string>) => kafkaConfig('brokers: [x], topic: "${env:A:-${env:B:-c}}"', env);
    expect(topic({})).toMatchObject({ topic: 'c' });
    expect(topic({ A: '', B: 'b' })).toMatchObject({ topic: 'b' });
    expect(topic({ A: 'a', B: 'b' })).toMatchObject({ topic: 'a' });
  });

  it('explains why it needs quotes inside {} and []', () => {
    expect(problems(kafka('brokers: [${env:HOST}], more: {a: ["b", "c"]}'))).toHaveLength(1);
    expect(problems(kafka('brokers: [${env:HOST}]'))[0]).toMatch(
      /^config.yaml:6:22: not valid YAML: .*; put \$\{…} in quotes where it stands inside \{} or \[]$/,
    );
  });

  it('is not expanded again in what a variable holds', () => {
    expect(kafkaConfig('brokers: [x], topic: "${env:A}"', { A: '${env:B}$$' })).toMatchObject({ topic: '${env:B}$$' });
  });

  it('is a problem where the variable is missing, and one problem only', () => {
    expect(problems(kafka('brokers: "${env:NOPE}", topic: "${env:A}${env:B}"'))).toEqual([
      'config.yaml:6:20: exporters.kafka.brokers: the environment variable NOPE is not set; set it, or give a default: ${env:NOPE:-default}',
      'config.yaml:6:42: exporters.kafka.topic: the environment variable A is not set; set it, or give a default: ${env:A:-default}',
      'config.yaml:6:42: exporters.kafka.topic: the environment variable B is not set; set it, or give a default: ${env:B:-default}',
    ]);
  });

  it('is a problem where it is not understood', () => {
    expect(problems(kafka('brokers: ["${yaml:x}"], topic: "${env:A"'))).toEqual([
      'config.yaml:6:21: exporters.kafka.brokers[0]: this ${…} names no variable; write ${env:NAME}, ${env:NAME:-default} or ${file:PATH}, or $$ for a dollar sign',
      'config.yaml:6:42: exporters.kafka.topic: ${ is not closed; write ${env:NAME}, or $$ for a dollar sign',
    ]);
  });

  it('is shown in place of its value when that is not valid', () => {
    const yaml = `${GOOD}processors: {memory_limiter: {limit_mib: "\${env:PASSWORD}"}}`;
    expect(problems(yaml, { env: { PASSWORD: 'hunter2' } })).toEqual([
      'config.yaml:10:42: processors.memory_limiter.limit_mib: the value of ${env:PASSWORD} is not valid; want a number',
    ]);
  });
});

describe('${file:PATH}', () => {
  it('is what is in the file, without its last end of line, and secret as any expansion', () => {
    const folder = mkdtempSync(join(tmpdir(), 'windback-expand-'));
    const path = join(folder, 'token');
    writeFileSync(path, 'a$b: c\n\n');
    expect(kafkaConfig(`brokers: [x], topic: "\${file:${path}}"`)).toMatchObject({ topic: 'a$b: c\n' });
    rmSync(folder, { recursive: true });
    expect(problems(kafka(`brokers: [x], topic: "\${file:${path}}"`))[0]).toMatch(
      /exporters\.kafka\.topic: .*token cannot be read: ENOENT.*; check the path and the permissions/,
    );
  });
});
