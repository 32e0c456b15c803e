import { duration } from '../../pipeline/config/scalars.ts';
import { clean, moment, shellWord } from '../../proto/windback/explain-words.ts';
import type { Override, RolloutStatus } from '../../proto/windback/status.ts';
import { usage } from '../args.ts';
import type { Args, Command, Io } from '../command.ts';
import { answered, API_OPTIONS, ask, TOKEN_HELP } from '../operator-api.ts';
import { textTable } from '../text-table.ts';

const ACTIONS = ['pin', 'ignore', 'approve', 'clear', 'list'] as const;

type Action = (typeof ACTIONS)[number];

export const command: Command = {
  name: 'override',
  summary: 'Tell a running Windback what you know better: pin, ignore or approve a version.',
  usage: '[options] pin|ignore|approve|clear SERVICE [VERSION], or: list',
  options: {
    for: {
      type: 'string',
      value: 'DURATION',
      description: 'How long it holds, such as 2h; until cleared unless given.',
    },
    reason: { type: 'string', value: 'TEXT', description: 'Why, for those who read it later.' },
    by: { type: 'string', value: 'NAME', description: 'Who says so; the variable USER unless given.' },
    ...API_OPTIONS,
  },
  positionals: 'action, service and version',
  help: `
  pin      this version must stay, whatever the evidence: nothing is decided about it
  ignore   its rollout is not judged: nothing is decided about it
  approve  it is good: promoted at once, no hold any more; evidence may still roll it back
  clear    take back what was said
  list     show what is in force

SERVICE is a service key, namespace/name/environment (an empty part stays empty: /checkout/), or the
name alone where only one such service is rolling out. Without VERSION a pin or an ignore holds for
every version; approve then means the version that is rolling out.
${TOKEN_HELP}

Examples:
  windback override pin shop/checkout/production 1.4.2 --for 2h --reason "campaign is running"
  windback override approve checkout
  windback override clear shop/checkout/production 1.4.2
  windback override list
`,
  async run(args, io) {
    const [action, service, version, ...more] = args.positionals;
    if (action === undefined) throw usage(`what shall be done? One of ${ACTIONS.join(', ')}; ${EXAMPLE}`);
    if (!isAction(action)) throw usage(`"${action}" is none of ${ACTIONS.join(', ')}; ${EXAMPLE}`);
    if (action === 'list') return list(args, io);
    if (service === undefined) throw usage(`which service? ${EXAMPLE}`);
    if (more.length > 0) throw usage(`"${more[0]}" is not expected here; put a reason in quotes behind --reason`);
    return action === 'clear' ? clear(args, io, service, version) : set(args, io, { kind: action, service, version });
  },
};

const EXAMPLE = 'for example: windback override pin shop/checkout/production 1.4.2 --for 2h';

function isAction(text: string): text is Action {
  return (ACTIONS as readonly string[]).includes(text);
}

async function set(
  args: Args,
  io: Io,
  { version, ...named }: { kind: string; service: string; version: string | undefined },
): Promise<number> {
  const forMs = durationOf(args.text('for'));
  const body = {
    ...named,
    version: version ?? null,
    until: forMs === undefined ? null : new Date(Date.now() + forMs).toISOString(),
    by: args.text('by') ?? io.env.USER ?? '',
    reason: args.text('reason') ?? '',
  };
  const text = await ask(args, io, { method: 'POST', path: '/api/overrides', body });
  const override = answered(text).override as Override;
  io.stdout.write(`set: ${described(override)}\n`);
  if (!(await isRollingOut(args, io, override))) {
    const what = `${override.service}${override.version === null ? '' : ` ${override.version}`}`;
    const wrong = `if the name is wrong: windback override clear ${shellWord(override.service)}${override.version === null ? '' : ` ${shellWord(override.version)}`}`;
    io.stderr.write(`note: ${clean(what)} is not rolling out now, so this waits until it does; ${clean(wrong)}\n`);
  }
  return 0;
}

/** A misspelt service is a valid key too, and the override of it does nothing. */
async function isRollingOut(args: Args, io: Io, { service, version }: Override): Promise<boolean> {
  const rollouts = answered(await ask(args, io, { path: '/api/rollouts' })).rollouts as readonly RolloutStatus[];
  return rollouts.some(({ key, candidate }) => key === service && (version === null || candidate.version === version));
}

async function clear(args: Args, io: Io, service: string, version: string | undefined): Promise<number> {
  const text = await ask(args, io, { method: 'DELETE', path: '/api/overrides', query: { service, version } });
  io.stdout.write(`cleared: ${described(answered(text).override as Override)}\n`);
  return 0;
}

async function list(args: Args, io: Io): Promise<number> {
  const overrides = answered(await ask(args, io, { path: '/api/overrides' })).overrides as readonly Override[];
  if (overrides.length === 0) {
    io.stdout.write('nothing is overridden\n');
    return 0;
  }
  const rows = overrides.map(({ service, version, kind, until, by, reason }) => {
    return [
      clean(service),
      clean(version ?? 'all'),
      kind,
      until === null ? '-' : moment(until),
      clean(by || '-'),
      clean(reason || '-'),
    ];
  });
  io.stdout.write(`${textTable([['SERVICE', 'VERSION', 'KIND', 'UNTIL', 'BY', 'REASON'], ...rows]).join('\n')}\n`);
  return 0;
}

/** `pin of shop/checkout/production 1.4.2 until 2026-01-01 02:00:00 UTC, by ada: campaign`. */
function described({ kind, service, version, until, by, reason }: Override): string {
  const what = `${kind} of ${service} ${version ?? '(all versions)'}${until === null ? '' : ` until ${moment(until)}`}`;
  return clean(`${what}${by === '' ? '' : `, by ${by}`}${reason === '' ? '' : `: ${reason}`}`);
}

function durationOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const parsed = duration.safeParse(text);
  if (parsed.success && parsed.data > 0) return parsed.data;
  throw usage(`--for ${text} is no duration; want one such as 30m, 2h or 1d`);
}
