import { chance, clean, duration } from '../../proto/windback/explain-words.ts';
import type { RolloutStatus } from '../../proto/windback/status.ts';
import type { Command } from '../command.ts';
import { answered, API_OPTIONS, ask } from '../operator-api.ts';
import { textTable } from '../text-table.ts';

const HEADER = ['SERVICE', 'CANDIDATE', 'BASELINE', 'AGE', 'REQUESTS', 'HEALTH', 'VERDICT', 'STRONGEST EVIDENCE'];

const HELD_BACK =
  'past its bar, yet no rollback: a check against a false alarm fails, the indicator only holds, or another service is to blame';

export const command: Command = {
  name: 'rollouts',
  summary: 'List the rollouts that a running Windback judges now.',
  usage: '[options]',
  options: { json: { type: 'boolean', description: 'As JSON, with all evidence.' }, ...API_OPTIONS },
  help: `
HEALTH is the score of candidate and baseline over 5 minutes: 100 is perfect, 50 burns the error
budget as fast as the objective allows. The evidence says how rarely chance alone brings it about.
Below a rollout stand its override, its latest decision, why nothing can be said, and that evidence
past its bar does not decide, each where it is so.

Examples:
  windback rollouts
  windback rollouts --endpoint http://windback.internal:8888
  windback rollouts --json | jq -r '.rollouts[] | select(.verdict == "suspect") | .key'
`,
  async run(args, io) {
    const text = await ask(args, io, { path: '/api/rollouts' });
    const rollouts = answered(text).rollouts as readonly RolloutStatus[];
    if (args.flag('json')) io.stdout.write(text);
    else io.stdout.write(rollouts.length === 0 ? 'no rollout is under way\n' : table(rollouts));
    return 0;
  },
};

function table(rollouts: readonly RolloutStatus[]): string {
  const [header, ...lines] = textTable([HEADER, ...rollouts.map(row)]);
  return `${[header, ...rollouts.flatMap((rollout, i) => [lines[i] as string, ...notes(rollout)])].join('\n')}\n`;
}

function row({ key, candidate, baselines, started_at, judged_until, verdict, evidence }: RolloutStatus): string[] {
  const [baseline] = baselines;
  const elapsedMs = judged_until === null ? 0 : Date.parse(judged_until) - Date.parse(started_at);
  const health = [candidate, ...(baseline === undefined ? [] : [baseline])].map(
    ({ score }) => score['5m']?.toFixed(1) ?? '-',
  );
  const strongest = evidence.toSorted((a, b) => b.progress - a.progress)[0];
  return [
    clean(key),
    clean(candidate.version),
    clean(baseline?.version ?? '-'),
    duration(elapsedMs / 1000),
    String(candidate.requests),
    health.join(' / '),
    verdict,
    strongest === undefined || !(strongest.e > 1)
      ? '-'
      : `${clean(strongest.indicator)}: ${chance(strongest.e)} (bar ${chance(strongest.bar)})`,
  ];
}

function notes({ inconclusive, override, decisions, evidence, verdict }: RolloutStatus): string[] {
  const last = decisions.at(-1);
  const isHeldBack = verdict === 'suspect' && override === null && evidence.some(({ progress }) => progress >= 1);
  return [
    ...(isHeldBack ? [HELD_BACK] : []),
    ...(inconclusive === null ? [] : [`inconclusive: ${inconclusive}`]),
    ...(override === null
      ? []
      : [
          `override: ${override.kind}${override.by === '' ? '' : ` by ${override.by}`}${override.reason === '' ? '' : `: ${override.reason}`}`,
        ]),
    ...(last === undefined ? [] : [`decided: ${last.decision}; windback explain ${last.id.slice(0, 8)}`]),
  ].map((note) => `    ${clean(note)}`);
}
