import { explain } from '../../proto/windback/explain.ts';
import { usage } from '../args.ts';
import type { Command } from '../command.ts';
import { findDecision } from '../decision-files.ts';
import { API_OPTIONS, ask } from '../operator-api.ts';

export const command: Command = {
  name: 'explain',
  summary: 'Tell all that a decision rests on, on one page.',
  usage: '[options] DECISION_ID',
  options: {
    from: {
      type: 'string',
      multiple: true,
      value: 'FILE',
      description: 'Look in files of decisions, one CloudEvent a line; - is standard input. No Windback is asked then.',
    },
    ...API_OPTIONS,
  },
  positionals: 'decision id',
  help: `
The id is that of the event (ce_id in Kafka); its beginning is enough where no other one begins so.
Without --from a running Windback is asked, which knows its latest decisions. Files are those that
windback replay and the file exporter write.

Examples:
  windback explain 3f9a
  windback explain 3f9a --endpoint http://windback.internal:8888
  windback explain 3f9a --from decisions.jsonl
  windback replay capture.jsonl | windback explain 3f9a --from -
`,
  async run(args, io) {
    const [id, ...more] = args.positionals;
    if (id === undefined) throw usage('which decision? For example: windback explain 3f9a');
    if (more.length > 0) throw usage(`one decision at a time: "${more[0]}" is not expected here`);
    const files = args.texts('from');
    const page =
      files.length > 0
        ? explain(await findDecision(files, id, io))
        : await ask(args, io, { path: `/api/decisions/${encodeURIComponent(id)}/explain` });
    io.stdout.write(page);
    return 0;
  },
};
