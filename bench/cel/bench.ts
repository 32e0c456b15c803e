/**
 * What a condition costs, by evaluator, and what a span costs with custom indicators: the figures of
 * docs/decisions/0004-cel.md.
 *
 *   node bench/cel/bench.ts            ours, and folding
 *   node bench/cel/bench.ts FOLDER     beside @bufbuild/cel and cel-js, of FOLDER/node_modules:
 *                                      npm install --prefix FOLDER @bufbuild/cel@0.6.1 @bufbuild/protobuf cel-js@0.8.2
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TelemetryBatch } from '../../pipeline/batch.ts';
import { ManualClock } from '../../pipeline/clock.ts';
import { deploymentConfig } from '../../processors/deployment/config.ts';
import { DeploymentTagger } from '../../processors/deployment/deployment.ts';
import { ALL } from '../../processors/health/cel/attributes.ts';
import { compileCondition } from '../../processors/health/cel/condition.ts';
import { ResourceVariable, SpanVariable } from '../../processors/health/cel/variables.ts';
import { healthConfig } from '../../processors/health/config.ts';
import { HealthFolder } from '../../processors/health/health.ts';
import { Sink, testContext } from '../../test/support/context.ts';
import { traces } from '../../test/support/telemetry.ts';

const ROUNDS = 7;
const NOW = 1_700_000_000;
const SPANS = 4096;
const resource = { 'service.name': 'checkout', 'service.version': '1', 'service.instance.id': 'a' };
const attributes = {
  'http.request.method': 'POST',
  'http.route': '/checkout',
  'http.response.status_code': 200,
  'url.path': '/checkout',
  'server.address': 'shop.example',
  'user_agent.original': 'Mozilla/5.0 (X11; Linux x86_64)',
  'checkout.success': false as boolean,
  'cart.items': 3,
};
const batch = traces({
  resource,
  items: Array.from({ length: SPANS }, (_, i) => ({
    end: NOW,
    name: i % 8 === 0 ? 'checkout' : 'browse',
    attributes: { ...attributes, 'checkout.success': i % 64 > 0 },
  })),
});

const CONDITIONS = {
  name: 'span.name == "checkout"',
  attribute: 'span.attributes["checkout.success"] == false',
  number: 'span.duration_ms > 250.0 && span.attributes["http.response.status_code"] >= 500',
  guarded: 'span.name == "checkout" && "cart.items" in span.attributes && span.attributes["cart.items"] > 2',
  pattern: 'span.name.matches("^(check|pay)[a-z]+$")',
  missing: 'span.attributes["nothing"] == 1',
};

/** ns a call, the median of rounds and the range. */
function measure(run: () => unknown, calls: number): string {
  const times = Array.from({ length: ROUNDS + 1 }, () => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < calls; i++) run();
    return Number(process.hrtime.bigint() - start) / calls;
  });
  // The first round compiles.
  const sorted = times.slice(1).toSorted((a, b) => a - b);
  return `${Math.round(sorted[ROUNDS >> 1] as number)} (${Math.round(sorted[0] as number)} to ${Math.round(sorted.at(-1) as number)})`;
}

async function conditions(rivals: string | undefined): Promise<void> {
  const evaluators = [ours, ...(rivals === undefined ? [] : [await bufbuild(rivals), await celJs(rivals)])];
  Error.stackTraceLimit = 0;
  for (const [name, source] of Object.entries(CONDITIONS)) {
    const row = evaluators.map((evaluator) => {
      try {
        return measure(evaluator(source), 20_000);
      } catch (thrown) {
        return (thrown as Error).message.split('\n')[0];
      }
    });
    console.log([name, ...row].join(' | '));
  }
}

/** Attributes are decoded once and then there, as they are for the others. */
function ours(source: string): () => unknown {
  const { answer } = compileCondition('traces', source);
  const span = new SpanVariable(ALL);
  span.set(batch, 0);
  const variables = { span, resource: new ResourceVariable() };
  return () => answer(variables);
}

/** `span` as plain values. */
const plain = { name: 'checkout', duration_ms: 5, attributes: new Map<string, unknown>(Object.entries(attributes)) };

async function bufbuild(folder: string) {
  const { celEnv, parse, plan } = await fromFolder(folder, '@bufbuild/cel');
  const environment = celEnv({});
  return (source: string) => {
    const run = plan(environment, parse(source));
    return () => run({ span: plain });
  };
}

async function celJs(folder: string) {
  const { evaluate, parse } = await fromFolder(folder, 'cel-js');
  const span = { ...plain, attributes };
  return (source: string) => {
    const parsed = parse(source);
    if (parsed.isSuccess !== true) throw new Error(String(parsed.errors));
    evaluate(parsed.cst, { span });
    return () => evaluate(parsed.cst, { span });
  };
}

/** What is called of the two, which have no types here. */
interface Rival {
  celEnv(options: object): unknown;
  parse(source: string): { readonly isSuccess?: boolean; readonly errors?: unknown; readonly cst?: unknown };
  plan(environment: unknown, parsed: unknown): (variables: object) => unknown;
  evaluate(tree: unknown, variables: object): unknown;
}

async function fromFolder(folder: string, name: string): Promise<Rival> {
  const entry = createRequire(join(folder, 'package.json')).resolve(name);
  return import(pathToFileURL(entry).href);
}

const INDICATORS: readonly (readonly [string, object])[] = [
  ['none', {}],
  ['one, selecting by name', { custom: [custom('a', CONDITIONS.name, CONDITIONS.attribute)] }],
  ['one, of every request', { custom: [custom('a', undefined, CONDITIONS.attribute)] }],
  ['one, its attribute missing', { custom: [custom('a', undefined, CONDITIONS.missing)] }],
  [
    'five, selecting by name',
    { custom: ['a', 'b', 'c', 'd', 'e'].map((name) => custom(name, CONDITIONS.name, CONDITIONS.guarded)) },
  ],
  ['a feature flag', { feature_flags: ['new-pay'] }],
];

function custom(name: string, where: string | undefined, bad: string): object {
  return { name, signal: 'traces', bad, ...(where === undefined ? {} : { where }) };
}

async function folding(): Promise<void> {
  const folders = INDICATORS.map(([, config]) => folderOf(config));
  const times: number[][] = INDICATORS.map(() => []);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [i, folder] of folders.entries()) {
      const start = process.hrtime.bigint();
      for (let turn = 0; turn < 20; turn++) await folder.consume(TelemetryBatch.open('traces', batch.bytes));
      if (round > 0) times[i]?.push(Number(process.hrtime.bigint() - start) / 20 / SPANS);
    }
  }
  for (const [i, [name]] of INDICATORS.entries()) {
    const sorted = (times[i] as number[]).toSorted((a, b) => a - b);
    console.log(
      `${name} | ${sorted.map((time) => Math.round(time)).join(' ')} | median ${Math.round(sorted[ROUNDS >> 1] as number)}`,
    );
  }
}

function folderOf(config: object): DeploymentTagger {
  const context = testContext('health', { clock: new ManualClock(NOW * 1000) });
  const sink = new Sink(['traces', 'metrics', 'logs']);
  sink.answer = async () => void sink.batches.splice(0);
  const folder = new HealthFolder(healthConfig.parse({ drop_duplicates: false, ...config }), sink, context);
  const outlets = { to: () => folder, has: () => true };
  return new DeploymentTagger(deploymentConfig.parse({}), outlets, testContext('deployment'));
}

console.log('ns an evaluation: ours | @bufbuild/cel | cel-js');
await conditions(process.argv[2]);
console.log('ns a span, scanned, tagged and folded, with indicators:');
await folding();
