import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../pipeline/config/load.ts';
import { printConfig } from '../../../pipeline/config/redact.ts';
import { ConfigError, formatProblems } from '../../../pipeline/config/report.ts';
import { otlpReceiver } from '../../../receivers/otlp/factory.ts';
import { table } from './support.ts';

/** What each protocol says of who may send, and the extensions. */
function yaml(grpc: string, http: string, extensions: readonly string[]): string {
  return `receivers:
  otlp/in:
    protocols:
      grpc: {auth: ${grpc}}
      http:
        auth: ${http}
exporters: {debug: }
extensions:
${extensions.map((line) => `  ${line}\n`).join('')}service:
  pipelines:
    traces: {receivers: [otlp/in], exporters: [debug]}
`;
}

const load = (text: string) =>
  loadConfig(
    { sources: ['config.yaml'], sets: [], env: { TOKEN: 's3cret' }, readFile: () => text },
    { ...table, receivers: [otlpReceiver] },
  );

function problems(text: string): string[] {
  try {
    load(text);
  } catch (error) {
    if (error instanceof ConfigError) return formatProblems(error.problems).split('\n');
    throw error;
  }
  return [];
}

// oxlint-disable-next-line no-template-curly-in-string
const BEARER = 'bearertokenauth/prod: {token: "${env:TOKEN}"}';
const BASIC = 'basicauth: {htpasswd: {inline: "ann:s3cret"}}';
const named = (id: string) => `{authenticator: ${id}}`;

test('an authenticator that comes from a variable is told by the variable', () => {
  // oxlint-disable-next-line no-template-curly-in-string
  expect(problems(yaml(named('"${env:TOKEN}"'), named('basicauth'), [BASIC]))).toEqual([
    // oxlint-disable-next-line no-template-curly-in-string
    expect.stringContaining('there is no authenticator of ${env:TOKEN}; known authenticators: basicauth'),
  ]);
});

test('an authenticator that no receiver names is told', () => {
  const { warnings } = load(yaml(named('basicauth'), named('basicauth'), [BEARER, BASIC]));
  expect(formatProblems(warnings)).toBe(
    'config.yaml:9:3: extensions.bearertokenauth/prod: no receiver asks it who may send; name it in auth of a receiver: {authenticator: bearertokenauth/prod}, or remove it',
  );
});

test.each([
  ['nobody has a password', 'ann', 'want user:password; line 1 is not'],
  [
    'a hash is of another kind',
    'ann:x\nbob:$apr1$a$b',
    'want passwords by htpasswd -B; that of line 2 is by another way',
  ],
])('users in the configuration of whom %s are refused with it, and not shown', (_, inline, why) => {
  const basic = `basicauth: {htpasswd: {inline: ${JSON.stringify(inline)}}}`;
  expect(problems(yaml(named('basicauth'), named('basicauth'), [basic]))).toEqual([
    expect.stringMatching(/^config\.yaml:9:34: extensions\.basicauth\.htpasswd\.inline: /),
  ]);
  expect(problems(yaml(named('basicauth'), named('basicauth'), [basic]))[0]).toContain(why);
});

describe('an authenticator that a receiver names', () => {
  test('is there', () => {
    const { service } = load(yaml(named('bearertokenauth/prod'), named('basicauth'), [BEARER, BASIC]));
    expect(service.authenticators).toMatchObject([
      { id: 'bearertokenauth/prod', type: 'bearertokenauth', config: { token: 's3cret', scheme: 'Bearer' } },
      { id: 'basicauth', type: 'basicauth', config: { htpasswd: { inline: 'ann:s3cret' }, reload_interval: 60_000 } },
    ]);
  });

  test('is not there: the place, and what was meant', () => {
    expect(problems(yaml(named('bearertokenauth/prd'), named('basicath'), [BEARER, BASIC]))).toEqual([
      'config.yaml:4:36: receivers.otlp/in.protocols.grpc.auth.authenticator: there is no authenticator bearertokenauth/prd; did you mean bearertokenauth/prod?',
      'config.yaml:6:31: receivers.otlp/in.protocols.http.auth.authenticator: there is no authenticator basicath; did you mean basicauth?',
    ]);
  });

  test('is nothing like one: all that there are', () => {
    expect(problems(yaml(named('oidc'), named('basicauth'), [BEARER, BASIC]))).toEqual([
      expect.stringMatching(
        /: there is no authenticator oidc; known authenticators: basicauth, bearertokenauth\/prod$/,
      ),
    ]);
  });

  test('is an extension of another kind', () => {
    expect(problems(yaml(named('pprof'), named('pprof'), ['pprof: ']))).toEqual([
      expect.stringMatching(/:4:36: .*there is no authenticator pprof; add a bearertokenauth or basicauth under ext/),
      expect.stringMatching(/:6:31: .*there is no authenticator pprof; add a bearertokenauth or basicauth under ext/),
    ]);
  });
});

test('an extension is checked as any component, by its keys and its values', () => {
  const wrong = ['bearertokenauth: {tokn: a}', 'basicauth: {htpasswd: {}}'];
  expect(problems(yaml(named('bearertokenauth'), named('basicauth'), wrong))).toEqual([
    expect.stringMatching(/:9:.*extensions\.bearertokenauth.*tokn: unknown key; did you mean token\?$/),
    expect.stringMatching(/:10:.*extensions\.basicauth\.htpasswd: .*want file, inline or both$/),
  ]);
});

test('secrets are not shown', () => {
  const text = yaml(named('bearertokenauth/prod'), named('basicauth'), [
    BEARER,
    BASIC,
    'bearertokenauth: {tokens: [s3cret]}',
  ]);
  for (const defaults of [true, false]) {
    const printed = printConfig(load(text), { defaults });
    expect(printed.match(/\[REDACTED\]/g)).toHaveLength(3);
    expect(printed).not.toContain('s3cret');
  }
});
