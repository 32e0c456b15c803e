/** Tests a server of OTLP against the specification: `npm run conformance -- --help`. */
import { writeFileSync } from 'node:fs';
import { forScript } from '../../bench/script.ts';
import { chosen } from './choose.ts';
import type { Clause } from './clause.ts';
import { openEndpoint } from './open.ts';
import { HELP, type Options, parseOptions } from './options.ts';
import { writeTable } from './page.ts';
import { countsOf, jsonReport, markdownReport, type Tested, textReport } from './report.ts';
import { type ClauseResult, runClauses } from './run.ts';
import { Sink } from './sink.ts';
import { start, startSecure, TOO_LARGE_BYTES } from './systems.ts';

/** Larger than what any server that is known takes unless told otherwise. */
const TOO_LARGE_BYTES_DEFAULT = 80 * 1024 * 1024;

const FAILED = 1;

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const args = process.argv.slice(2);
const chosenOf = (options: Options) => ({ options, clauses: chosen(options) });
process.exitCode = await main(forScript('conformance', HELP, args, () => chosenOf(parseOptions(args))));

/** The exit code. */
async function main({ options, clauses }: ReturnType<typeof chosenOf>): Promise<number> {
  if (options.does === 'list') process.stdout.write(list(clauses));
  if (options.does !== 'run') return 0;
  const [tested, results] = await (options.start === undefined
    ? testGiven(options, clauses)
    : testStarted(options, clauses));
  process.stdout.write(textReport(tested, results));
  if (options.json !== undefined) writeFileSync(options.json, jsonReport(tested, results));
  if (options.isWritten) writeTable(options.start as string, markdownReport(tested, results));
  return results.some(({ failures }) => failures.length > 0) ? FAILED : 0;
}

function list(clauses: readonly Clause[]): string {
  return clauses.map(({ id, level, sentence }) => `${level.padEnd(8)}  ${id}\n${' '.repeat(10)}${sentence}\n`).join('');
}

type Report = readonly [Tested, ClauseResult[]];

async function testStarted(options: Options, clauses: readonly Clause[]): Promise<Report> {
  const sink = new Sink();
  const address = await sink.start('127.0.0.1', 0);
  const port = Number(address.split(':').at(-1));
  const running = await (options.isSecure ? startSecure(port, say) : start(options.start as 'windback', port, say));
  try {
    const { title, grpc, http, security, overloadBytes } = running;
    const endpoint = openEndpoint({ grpc, http, security, tooLargeBytes: TOO_LARGE_BYTES, overloadBytes, sink });
    const results = await runClauses(clauses, endpoint, { hasGrpc: true, hasHttp: true, done: progress(clauses) });
    endpoint.close();
    return [{ title, grpc, http }, results];
  } finally {
    await running.stop();
    sink.close();
  }
}

async function testGiven(options: Options, clauses: readonly Clause[]): Promise<Report> {
  const {
    grpc,
    http,
    headers,
    security,
    sink: listensAt,
    tooLargeBytes = TOO_LARGE_BYTES_DEFAULT,
    overloadBytes,
  } = options;
  const sink = listensAt === undefined ? undefined : new Sink();
  if (listensAt !== undefined) {
    const [, host = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(listensAt) ?? [];
    await sink?.start(host, Number(port));
  }
  const endpoint = openEndpoint({ grpc, http, headers, security, tooLargeBytes, overloadBytes, sink });
  const settings = { hasGrpc: grpc !== undefined, hasHttp: http !== undefined, done: progress(clauses) };
  const results = await runClauses(clauses, endpoint, settings);
  endpoint.close();
  sink?.close();
  return [{ title: [grpc, http].filter(Boolean).join(' and '), grpc, http }, results];
}

function progress(clauses: readonly Clause[]): (result: ClauseResult) => void {
  let count = 0;
  return (result) => say(`[${++count}/${clauses.length}] ${result.clause.id}: ${countsOf(result)}`);
}
