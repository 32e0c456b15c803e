import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { chooseDecision } from '../pipeline/choose-decision.ts';
import { PipelineError } from '../pipeline/errors.ts';
import type { DecisionEvent } from '../proto/windback/decision.ts';
import type { Io } from './command.ts';

/** Other decisions kept, to be named where none fits. */
const OTHERS_KEPT = 20;

/**
 * Finds a decision by its id, or the beginning of it, in files of structured CloudEvents, one a line, as `windback
 * replay` and the file exporter write them; `-` is standard input. Lines that are something else are counted on stderr.
 * Throws `api_not_found`, `api_conflict` or `file_unreadable`.
 */
export async function findDecision(paths: readonly string[], id: string, io: Io): Promise<DecisionEvent> {
  const fitting: DecisionEvent[] = [];
  const others: DecisionEvent[] = [];
  for (const path of paths) {
    let strange = 0;
    for await (const line of linesOf(path)) {
      if (line.trim() === '') continue;
      const event = decisionOf(line);
      if (event === undefined) strange++;
      else if (event.id.startsWith(id)) fitting.push(event);
      else if (others.push(event) > OTHERS_KEPT) others.shift();
    }
    if (strange > 0) io.stderr.write(`${path}: ${strange} line${strange === 1 ? '' : 's'} left out: no decision\n`);
  }
  return chooseDecision([...fitting, ...others], id);
}

async function* linesOf(path: string): AsyncGenerator<string> {
  const input = path === '-' ? process.stdin : createReadStream(path);
  try {
    // Errors of the stream end the iteration only if somebody waits for them.
    yield* createInterface({ input: input.on('error', () => {}), crlfDelay: Number.POSITIVE_INFINITY });
    if (input.errored !== null) throw input.errored;
  } catch (error) {
    throw new PipelineError('file_unreadable', (error as Error).message, { cause: error });
  }
}

/** Undefined unless the line is a decision in the form of a CloudEvent, with all that an explanation cannot do without. */
function decisionOf(line: string): DecisionEvent | undefined {
  let event: Partial<DecisionEvent> | null;
  try {
    event = JSON.parse(line) as Partial<DecisionEvent> | null;
  } catch {
    return undefined;
  }
  if (typeof event?.id !== 'string' || typeof event.subject !== 'string') return undefined;
  if (typeof event.type !== 'string' || !event.type.startsWith('dev.windback.decision.')) return undefined;
  const { data } = event;
  const isWhole = ['decision', 'service', 'candidate', 'rollout', 'evidence', 'policy'].every(
    (key) => data !== null && typeof data === 'object' && key in data,
  );
  return isWhole ? (event as DecisionEvent) : undefined;
}
