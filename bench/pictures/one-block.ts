/** One block, worked out: who had the bad events, and what each share gambler makes of it. */
import { Bets, shareAt, WORSE } from '../../processors/verdict/evidence/bets.ts';
import { picture, rect, text } from './svg.ts';
import { block, RISK } from './terms.ts';

/** The block that docs/verdict.md works out too. */
export const WORKED = { candidate: { bad: 3, all: 100 }, baseline: { bad: 1, all: 900 } } as const;

const LEFT = 150;
const WIDTH = 460;

export function oneBlockPicture(): string {
  const { candidate, baseline } = WORKED;
  const strata = block(candidate.all, candidate.bad, baseline.all, baseline.bad);
  const share = candidate.all / (candidate.all + baseline.all);
  const expected = shareAt(strata, RISK);
  const seen = candidate.bad / (candidate.bad + baseline.bad);
  const alt = `One block: the candidate served ${percent(share)} of the requests, so at most ${percent(expected)} of the failures should be its own, and ${percent(seen)} are. Bars show by what each gambler's capital is multiplied.`;
  return picture(760, 330, alt, [
    ...bar(30, 'requests', share, `${candidate.all} of ${candidate.all + baseline.all}`, 'blue-fill'),
    ...bar(74, 'expected share', expected, `at most ${percent(expected)} of the failures, if tolerated`, 'gold-fill'),
    ...bar(
      118,
      'failures',
      seen,
      `${candidate.bad} of ${candidate.bad + baseline.bad} are the candidate's: ${percent(seen)}`,
      'red-fill',
    ),
    text(
      20,
      176,
      'By what the money of each gambler is multiplied who says "it is … times as bad as tolerated":',
      '',
      'start',
      ' font-weight="600"',
    ),
    ...factors(strata).flatMap((factor, i) => column(i, WORSE[i] as number, factor)),
  ]);
}

/** What each share gambler's capital is multiplied by. */
export function factors(strata: ReturnType<typeof block>): number[] {
  const bets = new Bets(RISK);
  const before = bets.save().logs;
  bets.play(strata);
  const after = bets.save().logs;
  return WORSE.map((_, i) => Math.exp((after[i] as number) - (before[i] as number)));
}

function bar(top: number, name: string, share: number, words: string, look: string): string[] {
  return [
    text(LEFT - 10, top + 16, name, '', 'end'),
    rect({ left: LEFT, top, width: WIDTH, height: 22 }, 'pale'),
    rect({ left: LEFT, top, width: WIDTH * share, height: 22 }, look),
    text(LEFT, top + 36, words, 'soft'),
  ];
}

function column(i: number, worse: number, factor: number): string[] {
  const [left, bottom, width, perOne] = [60 + i * 112, 296, 64, 18];
  const height = factor * perOne;
  return [
    rect({ left, top: bottom - height, width, height }, 'blue-fill'),
    text(left + width / 2, bottom - height - 5, `× ${factor.toFixed(2)}`, '', 'middle'),
    text(left + width / 2, bottom + 16, `${worse} times`, 'soft', 'middle'),
  ];
}

function percent(part: number): string {
  return `${Number((part * 100).toFixed(1))} %`;
}
