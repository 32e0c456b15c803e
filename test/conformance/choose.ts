import { usage } from '../../cmd/args.ts';
import { CLAUSES } from './all-clauses.ts';
import type { Clause } from './clause.ts';
import type { Options } from './options.ts';

/** The clauses that `--only` and `--level` leave. Throws the code `usage` where that is none. */
export function chosen({ only, levels }: Pick<Options, 'only' | 'levels'>): Clause[] {
  for (const beginning of only) {
    if (!CLAUSES.some(({ id }) => id.startsWith(beginning))) {
      throw usage(`no clause begins with ${beginning}: --list shows them`);
    }
  }
  const isMeant = ({ id }: Clause): boolean => only.length === 0 || only.some((beginning) => id.startsWith(beginning));
  return CLAUSES.filter((clause) => levels.includes(clause.level) && isMeant(clause));
}
