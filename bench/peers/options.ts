import { flag, number, readOptions, saved, someOf, text, texts, whole } from '../script.ts';
import { CASES, type Case, casesNamed, SMOKE } from './cases.ts';
import { DIMENSIONS, type Dimension, type GrowthPoint } from './growth.ts';
import type { Result } from './result.ts';
import type { SystemName } from './system.ts';

const SYSTEMS = ['windback', 'collector', 'rotel'] as const satisfies readonly SystemName[];

/** What `--json` writes. */
export interface Saved extends Result {
  readonly growth?: readonly GrowthPoint[];
}

export interface Options {
  readonly isSmoke: boolean;
  readonly isGrowth: boolean;
  readonly isWriting: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly cases: readonly Case[];
  readonly dimensions: readonly Dimension[];
  readonly systems: readonly SystemName[];
  readonly json: string | undefined;
  readonly from: Saved | undefined;
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

/** Throws `PipelineError` with the code `usage`. */
export function optionsOf(args: readonly string[]): Options {
  const values = readOptions(args, {
    rounds: whole(),
    seconds: number(),
    case: texts,
    systems: someOf(SYSTEMS),
    dimension: someOf(DIMENSIONS),
    json: text(),
    from: saved<Saved>('cases'),
    write: flag,
    growth: flag,
    smoke: flag,
  });
  const isSmoke = values.smoke;
  return {
    isSmoke,
    isGrowth: values.growth,
    isWriting: values.write,
    rounds: values.rounds ?? (isSmoke ? 1 : 3),
    seconds: values.seconds ?? (isSmoke ? 1 : 2),
    cases: casesNamed(isSmoke && values.case.length === 0 ? SMOKE : values.case),
    dimensions: values.dimension,
    systems: values.systems,
    json: values.json,
    from: values.from,
  };
}
