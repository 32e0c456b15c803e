import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { usage } from '../../cmd/args.ts';
import { flag, oneOf, type Option, readOptions, text, texts } from '../../bench/script.ts';
import { LEVELS, type Level } from './clause.ts';
import type { Security } from './clients/security.ts';
import { SYSTEM_NAMES, type SystemName } from './systems.ts';

export const HELP = `usage: npm run conformance -- [options]

Tests a server of OTLP against each MUST and SHOULD of the specification that a server can break. Without --grpc and
--http it starts Windback and tests that.

  --grpc HOST:PORT    the endpoint of OTLP/gRPC
  --http HOST:PORT    the endpoint of OTLP/HTTP; what is not given is not tested
  --tls               speak TLS to both; to the Windback that is started, with certificates of its own on both sides
  --ca FILE           certificates (PEM) of whom to trust beside those that Node.js does
  --cert FILE         the certificate (PEM) to show, with --key FILE, its private key
  --insecure          believe whatever certificate the server shows
  --header LINE       send it with every request, such as 'authorization: Bearer x'; may be repeated
  --sink HOST:PORT    listen there for what the endpoint forwards as OTLP/HTTP protobuf, to see what it understood
  --too-large SIZE    how large a request is that the endpoint does not take (80MiB)
  --overload SIZE     how much of unfinished requests is more than the endpoint holds; without it, that is not tested
  --start SYSTEM      windback, or collector, which is built first (Go, some minutes)
  --only CLAUSE       clauses whose id begins like this; may be repeated
  --level LEVEL       MUST, or SHOULD (with MUST); by default also what users expect where the specification is silent
  --list              the clauses
  --json FILE         write the report there as well
  --write             write the table of the system that was started into docs/conformance.md
  --help

Examples:
  npm run conformance
  npm run conformance -- --grpc localhost:4317 --http localhost:4318
  npm run conformance -- --grpc otlp.example.com:443 --tls --header 'authorization: Bearer x'
  npm run conformance -- --http localhost:4318 --sink localhost:5318 --only http.json --level MUST
  npm run conformance -- --start collector --json report.json

Exit codes: 0 all passed, 1 something failed, 2 usage.
`;

export interface Options {
  readonly grpc: string | undefined;
  readonly http: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly sink: string | undefined;
  readonly isSecure: boolean;
  /** How to speak to the endpoints that are given; undefined: without TLS. */
  readonly security: Security | undefined;
  readonly tooLargeBytes: number | undefined;
  readonly overloadBytes: number | undefined;
  /** What to start; undefined where endpoints are given. */
  readonly start: SystemName | undefined;
  readonly only: readonly string[];
  readonly levels: readonly Level[];
  readonly json: string | undefined;
  readonly does: 'run' | 'list';
  readonly isWritten: boolean;
}

/** Throws `PipelineError` with the code `usage`. */
export function parseOptions(argv: readonly string[]): Options {
  const values = readOptions(argv, {
    grpc: text(),
    http: text(),
    header: headers,
    sink: text(),
    tls: flag,
    ca: file,
    cert: file,
    key: file,
    insecure: flag,
    'too-large': size,
    overload: size,
    start: oneOf(SYSTEM_NAMES),
    only: texts,
    level: oneOf(LEVELS, 'expected'),
    list: flag,
    json: text(),
    write: flag,
  });
  const { grpc, http, sink, only, json, level } = values;
  for (const [name, address] of Object.entries({ grpc, http, sink })) {
    if (address !== undefined && !/^(\[[^\]]+\]|[^:/]+):\d{1,5}$/.test(address)) {
      throw usage(`--${name} wants HOST:PORT, such as localhost:4317, not ${address}`);
    }
  }
  const isGiven = grpc !== undefined || http !== undefined;
  const start = isGiven ? values.start : (values.start ?? 'windback');
  if (isGiven && start !== undefined) throw usage('--start is instead of --grpc and --http');
  if (!isGiven && sink !== undefined) throw usage('--sink is for endpoints of your own');
  checkTls(values, isGiven, start);
  if (isGiven && values.write) throw usage('--write is for what --start started');
  if (values.write && (only.length > 0 || level !== 'expected')) {
    throw usage('--write wants all clauses: leave --only and --level out');
  }
  return {
    grpc,
    http,
    sink,
    only,
    json,
    headers: values.header,
    isSecure: values.tls,
    security: values.tls ? securityOf(values) : undefined,
    tooLargeBytes: values['too-large'],
    overloadBytes: values.overload,
    start,
    levels: LEVELS.slice(0, LEVELS.indexOf(level) + 1),
    does: values.list ? 'list' : 'run',
    isWritten: values.write,
  };
}

interface TlsValues {
  readonly tls: boolean;
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  readonly insecure: boolean;
  readonly write: boolean;
}

function checkTls(
  { tls, ca, cert, key, insecure, write }: TlsValues,
  isGiven: boolean,
  start: string | undefined,
): void {
  const hasMore = ca !== undefined || cert !== undefined || key !== undefined || insecure;
  if (hasMore && !tls) throw usage('--ca, --cert, --key and --insecure want --tls');
  if (hasMore && !isGiven) throw usage('--ca, --cert, --key and --insecure are for endpoints of your own');
  if ((cert === undefined) !== (key === undefined)) throw usage('--cert and --key want each other');
  if (tls && start === 'collector') throw usage('--tls starts Windback only; point --grpc and --http at a Collector');
  if (tls && write) throw usage('--write is for what is started without --tls');
}

function securityOf({ ca, cert, key, insecure }: TlsValues): Security {
  return {
    rejectUnauthorized: !insecure,
    ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
    ...(cert === undefined ? {} : { cert, key }),
  };
}

const file: Option<Buffer | undefined> = {
  type: 'string',
  read([path], option) {
    if (path === undefined) return undefined;
    try {
      return readFileSync(path);
    } catch (error) {
      throw usage(`${option}: ${(error as Error).message}`);
    }
  },
};

const headers: Option<Readonly<Record<string, string>>> = {
  type: 'string',
  isMultiple: true,
  read: (given) => Object.fromEntries(given.map(headerOf)),
};

function headerOf(given: string): [name: string, value: string] {
  const [, name, value] = /^([!-9;-~]+): *(.*)$/.exec(given) ?? [];
  if (name === undefined || value === undefined) throw usage(`--header wants 'NAME: VALUE', not "${given}"`);
  return [name.toLowerCase(), value];
}

const UNITS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** In bytes. */
const size: Option<number | undefined> = {
  type: 'string',
  read([given], option) {
    if (given === undefined) return undefined;
    const [, amount, unit = ''] = /^(\d+)(KiB|MiB|GiB)$/.exec(given) ?? [];
    if (amount === undefined) throw usage(`${option} wants a size such as 24MiB, not "${given}"`);
    return Number(amount) * (UNITS[unit] as number);
  },
};
