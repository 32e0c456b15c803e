import { parseArgs } from 'node:util';
import { CASES, type Case, casesNamed, SMOKE } from './cases.ts';
import { DIMENSIONS, type Dimension } from './growth.ts';
import type { SystemName } from './system.ts';

const SYSTEMS = ['windback', 'collector', 'rotel'] as const satisfies readonly SystemName[];

export interface Options {
  readonly isHelp: boolean;
  readonly isSmoke: boolean;
  readonly isGrowth: boolean;
  readonly isWriting: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly cases: readonly Case[];
  readonly dimensions: readonly Dimension[];
  readonly systems: readonly SystemName[];
  readonly json: string | undefined;
  readonly from: string | undefined;
}

export const HELP = `Measures Windback beside the OpenTelemetry Collector and rotel, on this machine, under the same load. Linux only.

usage: npm run bench:peers -- [options]

  --rounds N       rounds of each case, the systems in turn (3)
  --seconds N      seconds of a round (2)
  --case NAME      only this case; may be given again, and * stands for any text
  --systems LIST   of windback,collector,rotel; those that are not there yet are built
  --json FILE      writes all figures
  --from FILE      measures nothing, but takes what --json wrote
  --write          writes tables and pictures into docs/performance.md
  --growth         Windback alone: the cost of a span while one thing grows
  --dimension D    with --growth, only one of ${DIMENSIONS.join(', ')}; may be given again
  --smoke          a few cases, one short round, no criteria, no building: whether all of it works
  --help           this

examples:
  npm run bench:peers                                         everything; some 20 minutes once the peers are built
  npm run bench:peers -- --case 'judge-*' --rounds 5          one kind of work, more rounds
  npm run bench:peers -- --case tag-grpc-512 --systems windback --seconds 10
  npm run bench:peers -- --json all.json --write              what docs/performance.md shows
  npm run bench:peers -- --growth --json growth.json --write

cases:
${CASES.map(({ name }) => `  ${name}`).join('\n')}
`;

/** Throws with words for the user. */
export function optionsOf(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      case: { type: 'string', multiple: true, default: [] },
      systems: { type: 'string', default: SYSTEMS.join(',') },
      dimension: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      from: { type: 'string' },
      write: { type: 'boolean', default: false },
      growth: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const isSmoke = values.smoke;
  return {
    isHelp: values.help,
    isSmoke,
    isGrowth: values.growth,
    isWriting: values.write,
    rounds: positive('--rounds', values.rounds ?? (isSmoke ? '1' : '3'), true),
    seconds: positive('--seconds', values.seconds ?? (isSmoke ? '1' : '2'), false),
    cases: casesNamed(isSmoke && values.case.length === 0 ? SMOKE : values.case),
    dimensions: values.dimension.length === 0 ? DIMENSIONS : values.dimension.map((one) => oneOf(DIMENSIONS, one)),
    systems: values.systems.split(',').map((one) => oneOf(SYSTEMS, one.trim())),
    json: values.json,
    from: values.from,
  };
}

function positive(name: string, text: string, isWhole: boolean): number {
  const value = Number(text);
  if (!(value > 0) || (isWhole && !Number.isInteger(value))) throw new Error(`${name}: want a number above 0`);
  return value;
}

function oneOf<T extends string>(names: readonly T[], given: string): T {
  const found = names.find((name) => name === given);
  if (found === undefined) throw new Error(`${given}: want one of ${names.join(', ')}`);
  return found;
}
