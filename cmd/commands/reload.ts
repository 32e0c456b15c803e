import type { Reloaded } from '../../pipeline/reload.ts';
import { clean } from '../../proto/windback/explain-words.ts';
import type { Command } from '../command.ts';
import { answered, API_OPTIONS, ask, TOKEN_HELP } from '../operator-api.ts';

/** Parts may take their time to come to an end. */
const TIMEOUT_MS = 120_000;

const { endpoint } = API_OPTIONS;

export const command: Command = {
  name: 'reload',
  summary: 'Have a running Windback read its configuration again, without dropping a connection.',
  usage: '[options]',
  options: { json: { type: 'boolean', description: 'The answer as JSON.' }, endpoint },
  help: `
It reads the sources that it was started with, as SIGHUP makes it do. What is not valid, or cannot
start, changes nothing and is reported here as windback validate would. Exit codes: 0 done, also
where nothing had changed, 78 not valid, 1 refused or failed.
${TOKEN_HELP}

Examples:
  windback reload
  windback reload --endpoint http://windback.internal:8888
  windback reload --json | jq -r .hash
`,
  async run(args, io) {
    const text = await ask(args, io, { method: 'POST', path: '/api/reload', body: {}, timeoutMs: TIMEOUT_MS });
    io.stdout.write(args.flag('json') ? text : `${described(answered(text) as unknown as Reloaded)}\n`);
    return 0;
  },
};

/** `applied: started kafka, stopped kafka, 6 go on; the configuration is now 0123456789abcdef`. */
function described({ outcome, hash, started, stopped, kept }: Reloaded): string {
  if (outcome === 'unchanged') return `unchanged: the configuration is still ${clean(hash)}`;
  const named = (word: string, ids: readonly string[]) => (ids.length === 0 ? [] : [`${word} ${ids.join(', ')}`]);
  const what = [...named('started', started), ...named('stopped', stopped), `${kept} go on`].join('; ');
  return clean(`applied: ${what}; the configuration is now ${hash}`);
}
