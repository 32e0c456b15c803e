import { describe, expect, it } from 'vitest';
import { GOOD, load, problems } from './support.ts';

describe('a valid configuration', () => {
  it('is resolved to components and pipelines with their places', () => {
    const loaded = load(`
receivers: {otlp: }
processors: {memory_limiter: {limit_mib: 512}}
connectors: {health: }
exporters: {kafka/out: {brokers: [a:9092]}, debug: {}}
service:
  shutdown_timeout: 1m30s
  telemetry: {logs: {level: debug}, metrics: {endpoint: ':9999'}}
  pipelines:
    traces/eu: {receivers: [otlp], processors: [memory_limiter, health], exporters: [debug]}
    health: {receivers: [health], exporters: [kafka/out]}
`);
    expect(loaded.pipelines).toEqual([
      {
        id: 'traces/eu',
        signal: 'traces',
        name: 'eu',
        receivers: [{ id: 'otlp', from: 'receivers', at: at(10, 29) }],
        processors: [
          { id: 'memory_limiter', from: 'processors', at: at(10, 49) },
          { id: 'health', from: 'processors', at: at(10, 65) },
        ],
        exporters: [{ id: 'debug', from: 'exporters', at: at(10, 86) }],
        at: at(10, 5),
      },
      {
        id: 'health',
        signal: 'health',
        name: '',
        receivers: [{ id: 'health', from: 'processors', at: at(11, 26) }],
        processors: [],
        exporters: [{ id: 'kafka/out', from: 'exporters', at: at(11, 47) }],
        at: at(11, 5),
      },
    ]);
    expect(loaded.processors.get('health')).toMatchObject({ config: { interval: 1000 }, at: at(4, 14) });
    expect(loaded.receivers.get('otlp')?.config).toEqual({ protocols: {}, max_request_size: 4 * 1024 ** 2 });
    expect(loaded.service).toEqual({
      logLevel: 'debug',
      metrics: { host: '0.0.0.0', port: 9999 },
      adminToken: undefined,
      authenticators: [],
      fileStorage: undefined,
      healthCheck: { host: 'localhost', port: 13133 },
      shutdownTimeoutMs: 90_000,
      workers: 1,
    });
    expect(loaded.warnings).toEqual([]);
  });

  it('takes an empty value for an empty map, as Collector users write it', () => {
    expect(load(GOOD).receivers.get('otlp')?.config).toMatchObject({
      protocols: { grpc: { endpoint: { host: 'localhost', port: 4317 } } },
    });
  });

  it('tells where components remember, as a Collector user configures it', () => {
    const storage = (text: string) => load(`${GOOD}  extensions: [file_storage]\nextensions: {file_storage: ${text}}`);
    expect(storage('').service.fileStorage).toMatchObject({
      directory: './windback-state',
      fsync: true,
      timeout: 1000,
    });
    const all = '{directory: /x, timeout: 5s, fsync: false, recreate: true, compaction: {on_start: true}}';
    expect(storage(all).service.fileStorage).toMatchObject({ directory: '/x', timeout: 5000, recreate: true });
    expect(storage('').warnings).toEqual([]);
  });

  it('has one place to remember, and a token that is worth it', () => {
    expect(problems(`${GOOD}extensions: {file_storage: , file_storage/b: }`)).toEqual([
      'config.yaml:10:30: extensions.file_storage/b: a second file_storage; keep one of them: all components share file_storage',
    ]);
    expect(problems(`${GOOD}extensions: {file_storage: {directory_permissions: 0750}}`)).toEqual([
      expect.stringContaining('directory_permissions: 750 is not valid; want text: put it in quotes'),
    ]);
    expect(problems(`${GOOD}  telemetry: {admin: {token: too-short}}`)).toEqual([
      'config.yaml:10:30: service.telemetry.admin.token: the value is not valid; want at least 16 characters',
    ]);
  });

  it('warns of what nobody uses and of what has no effect', () => {
    const { warnings } = load(`${GOOD}processors: {health: }\nextensions: {pprof: {save_to_file: cpu.prof}}\n`);
    expect(warnings.map(({ path, what, at: place }) => [path, what, place?.line])).toEqual([
      ['processors.health', 'no pipeline uses it', 10],
      ['extensions.pprof', 'accepted, but it has no effect here', 11],
    ]);
  });

  it("takes the Collector's three ways to say where metrics are served", () => {
    const metrics = (text: string) => load(`${GOOD}  telemetry: {metrics: ${text}}`).service.metrics;
    expect(metrics('{}')).toEqual({ host: 'localhost', port: 8888 });
    expect(metrics('{level: none}')).toBeUndefined();
    expect(metrics('{address: "127.0.0.1:1"}')).toEqual({ host: '127.0.0.1', port: 1 });
    expect(metrics("{readers: [{pull: {exporter: {prometheus: {host: '127.0.0.1', port: 2}}}}]}")).toEqual({
      host: '127.0.0.1',
      port: 2,
    });
  });

  it('serves health checks unless told otherwise', () => {
    const check = (text: string) => load(`${GOOD}extensions: {health_check: ${text}}`).service.healthCheck;
    expect(check('{endpoint: "0.0.0.0:1"}')).toEqual({ host: '0.0.0.0', port: 1 });
    expect(check('{enabled: false}')).toBeUndefined();
  });

  it('knows YAML anchors and merge keys', () => {
    const loaded = load(`
receivers: {otlp: }
exporters:
  kafka/a: &a {brokers: [x:1], topic: one}
  kafka/b: {<<: *a, topic: two}
service: {pipelines: {logs: {receivers: [otlp], exporters: [kafka/a, kafka/b]}}}
`);
    expect(loaded.exporters.get('kafka/b')?.config).toMatchObject({ brokers: ['x:1'], topic: 'two' });
  });
});

describe('problems', () => {
  it('come all at once, in the order of lines, each with its place and what to do', () => {
    expect(
      problems(`receivers:
  otlp:
    protocols:
      grpc: {endpoint: localhost}
      htttp:
    max_request_size: 5
  oltp:
  kafka: {}
  "a b":
exporters:
  kafka:
    brokers: []
    topic: 5
    acks: al
    auth: {mechanism: plain, user: a, password: 12345}
    headers: {x: 54321}
  kafka/2: {auth: {mechanism: plian}}
processors:
  memory_limiter: {limit_mib: 0, check_interval: [1]}
service:
  extensions: [zpages]
  telemetry: {logs: {level: warning}}
  pipelines:
    traces: {receivers: [otlp, otlp, memory_limiter], exporters: [kafak]}
    trace/x: {receivers: [], exporter: [kafka]}
extra: 1
`),
    ).toEqual([
      'config.yaml:4:24: receivers.otlp.protocols.grpc.endpoint: "localhost" is not valid; want host:port, such as localhost:4317',
      'config.yaml:5:7: receivers.otlp.protocols.htttp: unknown key; did you mean http?',
      'config.yaml:6:23: receivers.otlp.max_request_size: 5 is not valid; want a size with a unit, such as 512KiB, 64MiB or 1GiB',
      'config.yaml:7:3: receivers.oltp: unknown receiver type; did you mean otlp?',
      'config.yaml:8:3: receivers.kafka: unknown receiver type; kafka is an exporter: move it to exporters',
      'config.yaml:9:3: receivers.a b: not an id of a component; want type or type/name, such as otlp or otlp/backend',
      'config.yaml:12:14: exporters.kafka.brokers: an empty list is not valid; want at least 1 entry',
      'config.yaml:13:12: exporters.kafka.topic: 5 is not valid; want text: put it in quotes',
      'config.yaml:14:11: exporters.kafka.acks: "al" is not valid; did you mean all?',
      'config.yaml:15:5: exporters.kafka.auth.username: missing key; want text',
      'config.yaml:15:30: exporters.kafka.auth.user: unknown key; did you mean username?',
      'config.yaml:15:49: exporters.kafka.auth.password: the value is not valid; want text: put it in quotes',
      'config.yaml:16:18: exporters.kafka.headers.x: the value is not valid; want text: put it in quotes',
      'config.yaml:17:3: exporters.kafka/2.brokers: missing key; want a list',
      'config.yaml:17:31: exporters.kafka/2.auth.mechanism: "plian" is not valid; did you mean plain?',
      'config.yaml:19:31: processors.memory_limiter.limit_mib: 0 is not valid; want at least 1',
      'config.yaml:19:50: processors.memory_limiter.check_interval: a list is not valid; want text',
      'config.yaml:21:16: service.extensions[0]: there is no extension zpages; add zpages under extensions',
      'config.yaml:22:29: service.telemetry.logs.level: "warning" is not valid; did you mean warn?',
      'config.yaml:24:32: service.pipelines.traces.receivers[1]: otlp is listed twice; list it once',
      'config.yaml:24:67: service.pipelines.traces.exporters[0]: there is no exporter kafak; did you mean kafka? Or add kafak under exporters',
      'config.yaml:25:5: service.pipelines.trace/x.exporters: missing key; want a list',
      'config.yaml:25:5: service.pipelines.trace/x: unknown signal; did you mean traces?',
      'config.yaml:25:26: service.pipelines.trace/x.receivers: an empty list is not valid; want at least 1 entry',
      'config.yaml:25:30: service.pipelines.trace/x.exporter: unknown key; did you mean exporters?',
      'config.yaml:26:1: extra: unknown key; known keys: connectors, exporters, extensions, processors, receivers, service',
    ]);
  });

  it('name what is no source, and what stands in another section', () => {
    const yaml = `${GOOD.replace('[otlp]', '[memory_limiter]').replace('[debug]', '[otlp]')}processors: {memory_limiter: {limit_mib: 1}}`;
    expect(problems(yaml)).toEqual([
      'config.yaml:9:26: service.pipelines.traces.receivers[0]: memory_limiter is a processor that emits nothing of its own; list it under processors',
      'config.yaml:9:55: service.pipelines.traces.exporters[0]: otlp is configured as a receiver; list it under receivers, or configure otlp under exporters',
    ]);
  });

  it.each(['', '# nothing\n', 'service:\n', 'service: {pipelines: }', 'service: {pipelines: {}}'])(
    'tell of missing pipelines: %j',
    (yaml) => {
      expect(problems(yaml)).toEqual([expect.stringContaining('service.pipelines: there are no pipelines; add')]);
    },
  );

  it('tell of an id that is defined as processor and as connector', () => {
    expect(problems(`${GOOD}processors: {health: }\nconnectors: {health: }\n`)).toEqual([
      'config.yaml:11:14: connectors.health: processors has health too; keep one of them: connectors and processors share their ids',
    ]);
  });

  it('of YAML itself come all at once, before all others', () => {
    expect(problems('a: [1\nb: 2\n\tc: 3\n').map((line) => line.split(': ')[0])).toEqual([
      'config.yaml:2:1',
      'config.yaml:3:1',
    ]);
    expect(problems('a: {b: 1, b: 2}\nc: *x\n? [q]\n: 3\n')).toEqual([
      'config.yaml:1:11: a.b: duplicate key; keep one; the first is in line 1',
      'config.yaml:2:4: c: not valid YAML: there is no anchor of this name; put it in quotes if it is text',
      'config.yaml:3:3: not valid YAML: a key must be text; mend the YAML here',
    ]);
    expect(problems('- a\n')).toEqual([
      'config.yaml:1:1: this is not a map; want keys such as receivers, processors, exporters and service',
    ]);
  });

  it('bound what hostile YAML may cost', () => {
    const rows = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}, *a${i}]`);
    const lines = problems(`a0: &a0 [x]\n${rows.join('\n')}\n`);
    expect(lines.some((line) => line.includes('too many aliases'))).toBe(true);
    expect(problems('a: &a [*a]\n')).not.toEqual([]);
  });

  it.each([
    ['"x" "SECRET"', 'this does not fit here; mend the YAML here'],
    ['!SECRET', 'there is no such tag (!name); put it in quotes if it is text'],
    ['*SECRET', 'there is no anchor of this name; put it in quotes if it is text'],
    ['*SECRET:', 'this is no alias (*name) or anchor (&name); put it in quotes if it is text'],
    ['"\\SECRET"', 'there is no such escape sequence; write \\\\ for a backslash, or take single quotes'],
    ['@SECRET', 'text cannot begin with this character; put it in quotes if it is text'],
    ['|SECRET', 'this does not fit here; mend the YAML here'],
    ['"SECRET', 'Missing closing "quote; close what is open'],
  ])('of YAML do not show what stands there: %s', (value, why) => {
    const lines = problems(`${GOOD}  password: ${value}\n`);
    expect(lines.join('\n')).not.toContain('SECRET');
    expect(lines).toContainEqual(expect.stringMatching(/not valid YAML: /));
    expect(lines.map((line) => line.split('not valid YAML: ')[1])).toContain(why);
  });

  it('never show a secret, nor the password of a URL', () => {
    const yaml = `${GOOD}  shutdown_timeout: http://me:hunter2@host/\n`;
    expect(problems(yaml)[0]).toContain('"http://me:[REDACTED]@host/"');
  });
});

function at(line: number, column: number) {
  return { file: 'config.yaml', line, column };
}
