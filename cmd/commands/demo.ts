import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DecisionEvent } from '../../proto/windback/decision.ts';
import type { Args, Command, Io } from '../command.ts';
import { Children } from '../demo/children.ts';
import { explained, leftAlone } from '../demo/explain.ts';
import { DemoFailure, Interrupted } from '../demo/failure.ts';
import { type DemoKafka, findKafka, readDecisions, type Reader, TOPIC } from '../demo/kafka.ts';
import { type Outcome, Play, requireGood } from '../demo/play.ts';
import { freePorts } from '../demo/ports.ts';
import { Screen } from '../demo/screen.ts';
import { Shop } from '../demo/shop.ts';
import { CONFIG, decisionsFile, Windback } from '../demo/windback.ts';

/** The demo never takes longer, whatever happens; only a Kafka that is still to be fetched comes on top. */
const LIMIT_MS = 110_000;
/** How long after the decision Kafka may take to show it. */
const KAFKA_WAIT_MS = 10_000;

export const command: Command = {
  name: 'demo',
  summary: 'Watch a bad version being caught: a real shop, a real Windback, about a minute.',
  usage: '[options]',
  options: {
    kafka: {
      type: 'boolean',
      description: `Send the decisions to Kafka too, topic ${TOPIC}, and read them back with an ordinary consumer.`,
    },
    keep: {
      type: 'boolean',
      description: 'Keep the folder with the decisions, the telemetry and the logs of all processes.',
    },
  },
  help: `
Starts a small shop of three services that send traces, metrics and logs with the OpenTelemetry
SDK, puts it under load, and rolls out a bad version of one service and a good version of
another at the same moment. Windback judges both. All addresses are free ports of localhost.

With --kafka the broker is the one that KAFKA_BROKERS names, else the one at localhost:9092,
else one that is started for the demo (Java 17 and Maven, or Docker).

Exit codes: 0 the bad version was rolled back and the good one was not; 1 it went otherwise.

Examples:
  windback demo
  windback demo --keep
  windback demo --kafka
  KAFKA_BROKERS=kafka-1:9092 windback demo --kafka
`,
  async run(args, io) {
    const abort = new AbortController();
    const unsubscribe = io.onSignal(() => {
      if (abort.signal.aborted) io.exit(1);
      abort.abort(new Interrupted());
    });
    try {
      return await demo(args, io, abort);
    } catch (thrown) {
      return failed(abort.signal.aborted ? abort.signal.reason : thrown, io);
    } finally {
      unsubscribe();
    }
  },
};

async function demo(args: Args, io: Io, abort: AbortController): Promise<number> {
  const isKept = args.flag('keep');
  const folder = await mkdtemp(join(tmpdir(), 'windback-demo-'));
  const children = new Children(folder, isKept, (failure) => abort.abort(failure));
  const screen = new Screen(io.stdout);
  let limit: NodeJS.Timeout | undefined;
  let kafka: (DemoKafka & { reader: Reader }) | undefined;
  try {
    screen.print(...prologue(screen), '');
    if (args.flag('kafka')) kafka = await startKafka(screen);
    abort.signal.throwIfAborted();
    limit = setTimeout(() => abort.abort(new DemoFailure(`not done after ${LIMIT_MS / 1000} s`)), LIMIT_MS);
    const outcome = await play(children, folder, screen, kafka, abort.signal);
    screen.close(outcome.rows);
    const rollback = requireGood(outcome);
    screen.print('', ...explained(rollback, screen.paint), '', ...leftAlone(outcome.good, screen.paint));
    if (kafka !== undefined) screen.print('', ...(await readBack(kafka, rollback, screen, abort.signal)));
    screen.print('', ...nextSteps(folder, isKept, screen));
    return 0;
  } finally {
    clearTimeout(limit);
    await children.stopAll();
    await kafka?.reader.stop();
    await kafka?.stop();
    if (!isKept) await rm(folder, { recursive: true, force: true });
    else if (abort.signal.aborted) io.stderr.write(`kept: ${folder}\n`);
  }
}

function prologue({ paint }: Screen): string[] {
  return [
    paint('bold', 'Windback demo: a bad version is caught, a good one is left alone'),
    'Three services send OpenTelemetry traces, metrics and logs. In a moment new versions of two',
    'of them roll out, and one is bad. Windback judges some seconds behind, since it waits for',
    'telemetry that comes late.',
  ];
}

async function startKafka(screen: Screen): Promise<DemoKafka & { reader: Reader }> {
  const kafka = await findKafka((line) => screen.tell(line)).catch((error: Error) => {
    throw new DemoFailure(error.message);
  });
  screen.tell(`Kafka at ${kafka.brokers.join(', ')} (${kafka.origin}), topic ${TOPIC}`);
  try {
    return { ...kafka, reader: await readDecisions(kafka.brokers) };
  } catch (error) {
    await kafka.stop();
    throw new DemoFailure(`cannot read ${TOPIC} at ${kafka.brokers.join(', ')}: ${(error as Error).message}`);
  }
}

async function play(
  children: Children,
  folder: string,
  screen: Screen,
  kafka: DemoKafka | undefined,
  signal: AbortSignal,
): Promise<Outcome> {
  const [grpc, http, metrics, health] = (await freePorts(4)) as [number, number, number, number];
  const windback = new Windback({ grpc, http, metrics, health }, folder);
  const sets =
    kafka === undefined
      ? []
      : [
          `exporters.kafka={brokers: [${kafka.brokers.join(', ')}], topic: ${TOPIC}}`,
          'service.pipelines.decisions.exporters=[file/decisions, kafka]',
        ];
  await windback.start(children, sets, signal);
  screen.tell(
    `Windback is ready: OTLP at localhost:${grpc} (gRPC) and localhost:${http} (HTTP), ${windback.metricsUrl}`,
  );
  return new Play(windback, new Shop(children, folder, { grpc, http }), screen, signal).run();
}

/** Waits for the decision to come out of Kafka and shows it as any consumer gets it. */
async function readBack(
  { reader, brokers }: DemoKafka & { reader: Reader },
  { id }: DecisionEvent,
  { paint }: Screen,
  signal: AbortSignal,
): Promise<string[]> {
  const find = () => reader.received.find(({ headers }) => headers['ce_id'] === id);
  for (let waitedMs = 0; find() === undefined && waitedMs < KAFKA_WAIT_MS; waitedMs += 100) {
    await sleep(100, undefined, { signal });
  }
  const found = find();
  if (found === undefined)
    throw new DemoFailure(`the decision ${id} did not come out of Kafka at ${brokers.join(', ')}`);
  const { key, headers, partition, offset, bytes } = found;
  return [
    paint('bold', `The same decision, read from Kafka (${TOPIC}, partition ${partition}, offset ${offset})`),
    `  ${paint('dim', 'key'.padEnd(17))}${key}`,
    ...Object.entries(headers).map(([name, value]) => `  ${paint('dim', name.padEnd(17))}${value}`),
    `  ${paint('dim', 'value'.padEnd(17))}${bytes} bytes of JSON: the data of the event`,
  ];
}

function nextSteps(folder: string, isKept: boolean, { paint }: Screen): string[] {
  const kept = [
    ['Decisions, telemetry, logs', folder],
    [
      'Judge the recording again',
      `npm run windback -- replay --config ${relative('.', CONFIG)} ${join(folder, 'telemetry.jsonl')}`,
    ],
    ['The whole event', `head -1 ${decisionsFile(folder)}`],
  ];
  const steps = [
    ...(isKept ? kept : [['Keep decisions and telemetry', 'npm run demo -- --keep']]),
    ['Decisions in Kafka', 'npm run demo -- --kafka'],
    ['A configuration to start from', 'examples/windback.yaml'],
    ['What this demo ran with', 'examples/demo.yaml'],
    ['How a service sends telemetry', 'examples/shop/telemetry.ts'],
    ['Everything else', 'README.md'],
  ];
  return [
    paint('bold', 'What to look at next'),
    ...steps.map(([what = '', where]) => `  ${what.padEnd(32)}${paint('cyan', where as string)}`),
  ];
}

function failed(thrown: unknown, io: Io): number {
  if (thrown instanceof Interrupted) {
    io.stderr.write('windback demo: stopped before its end; nothing is left running\n');
    return 1;
  }
  if (!(thrown instanceof DemoFailure)) throw thrown;
  io.stderr.write(`error: ${thrown.message}\n`);
  if (thrown.details !== '') io.stderr.write(`${thrown.details.replaceAll(/^/gm, '  ')}\n`);
  return 1;
}
