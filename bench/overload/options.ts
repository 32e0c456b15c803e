import { flag, number, readOptions, saved, someOf, text } from '../script.ts';
import type { Mode } from './modes.ts';
import type { Result } from './report.ts';
import type { Name } from './systems.ts';

export interface Options {
  readonly isWriting: boolean;
  readonly json: string | undefined;
  readonly from: Result | undefined;
  readonly seconds: number;
  /** Spans a second. */
  readonly sinkRate: number;
  readonly times: number;
  readonly connections: number;
  readonly limitMib: number;
  readonly systems: readonly Name[];
  readonly wants: (mode: Mode) => boolean;
}

export const HELP = `Offers ten times more than can be delivered, under a small memory limit, to Windback and to the OpenTelemetry
Collector: what they take, how they refuse the rest, whether they live, and whether they are as before afterwards.
Linux only. As root a control group holds the limit; else it is only configured.

usage: npm run bench:overload -- [options]

  --seconds N      how long the overload lasts (60)
  --rate N         spans a second that the sink takes (40000)
  --times N        how many times that is offered (10)
  --connections N  over so many connections (200)
  --limit N        the memory limit, MiB (256)
  --mode LIST      of grpc,grpc-gzip,http,http-gzip (all)
  --systems LIST   of windback,collector; the Collector is built where it is not there
  --json FILE      writes all figures
  --from FILE      measures nothing, but takes what --json wrote
  --write          writes the tables into docs/performance.md
  --help           this

examples:
  npm run bench:overload                                       everything; some 15 minutes
  npm run bench:overload -- --seconds 5                        whether all of it works
  npm run bench:overload -- --mode http --systems windback

The exit code is 1 where something does not hold for Windback.
`;

const SYSTEMS = ['windback', 'collector'] as const satisfies readonly Name[];
const MODES = ['grpc', 'grpc-gzip', 'http', 'http-gzip'] as const;

/** Throws `PipelineError` with the code `usage`. */
export function optionsOf(args: readonly string[]): Options {
  const { mode, systems, ...values } = readOptions(args, {
    seconds: number(60),
    rate: number(40_000),
    times: number(10),
    connections: number(200),
    limit: number(256),
    mode: someOf(MODES),
    systems: someOf(SYSTEMS),
    json: text(),
    from: saved<Result>('runs'),
    write: flag,
  });
  const modes: readonly string[] = mode;
  return {
    isWriting: values.write,
    json: values.json,
    from: values.from,
    seconds: values.seconds,
    sinkRate: values.rate,
    times: values.times,
    connections: values.connections,
    limitMib: values.limit,
    systems,
    wants: ({ protocol, encoding }) => modes.includes(encoding === 'identity' ? protocol : `${protocol}-${encoding}`),
  };
}
