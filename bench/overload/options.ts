import { parseArgs } from 'node:util';
import type { Mode } from './modes.ts';
import type { Name } from './systems.ts';

export interface Options {
  readonly isHelp: boolean;
  readonly isWriting: boolean;
  readonly json: string | undefined;
  readonly from: string | undefined;
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
const MODES = ['grpc', 'grpc-gzip', 'http', 'http-gzip'];

/** Throws with words for the user. */
export function optionsOf(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '60' },
      rate: { type: 'string', default: '40000' },
      times: { type: 'string', default: '10' },
      connections: { type: 'string', default: '200' },
      limit: { type: 'string', default: '256' },
      mode: { type: 'string', default: MODES.join(',') },
      systems: { type: 'string', default: SYSTEMS.join(',') },
      json: { type: 'string' },
      from: { type: 'string' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const modes = values.mode.split(',').map((one) => oneOf(MODES, one));
  return {
    isHelp: values.help,
    isWriting: values.write,
    json: values.json,
    from: values.from,
    seconds: positive('--seconds', values.seconds),
    sinkRate: positive('--rate', values.rate),
    times: positive('--times', values.times),
    connections: positive('--connections', values.connections),
    limitMib: positive('--limit', values.limit),
    systems: values.systems.split(',').map((one) => oneOf(SYSTEMS, one)),
    wants: ({ protocol, encoding }) => modes.includes(encoding === 'identity' ? protocol : `${protocol}-${encoding}`),
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${name}: want a number above 0`);
  return value;
}

function oneOf<T extends string>(names: readonly T[], given: string): T {
  const found = names.find((name) => name === given);
  if (found === undefined) throw new Error(`${given}: want one of ${names.join(', ')}`);
  return found;
}
