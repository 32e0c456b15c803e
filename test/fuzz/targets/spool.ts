/** What is on its way and lies on disk: telemetry in the files of a queue, and decisions in the storage. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DecisionOutbox } from '../../../pipeline/decision-outbox.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { Spool } from '../../../pipeline/spool/spool.ts';
import { MemoryStorage } from '../../../pipeline/storage.ts';
import { testContext } from '../../support/context.ts';
import { decisionEvent } from '../../support/decision-event.ts';
import { requestBytes } from '../../support/otlp-requests.ts';
import { allowing, type Target } from '../target.ts';

/** A file of a queue, as a broken disk would leave it. */
async function queueFile(): Promise<Target> {
  const directory = mkdtempSync(join(tmpdir(), 'windback-fuzz-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const settings = { directory, fsync: false, writer: 0, adopts: () => true };
  const { logger } = testContext('queue');
  const first = Spool.open(settings, logger).spool;
  for (const signal of ['traces', 'metrics', 'logs'] as const) await first.append(signal, 3, requestBytes(signal, 3));
  await first.close();
  const path = join(directory, '0000000000.0.spool');
  const seed = readFileSync(path);
  return {
    name: 'file of a queue',
    seeds: [seed],
    words: ['WBQ1', 'WBQ1L\x01', 'D'],
    async run(input) {
      writeFileSync(path, input);
      const { spool, left } = Spool.open(settings, logger);
      for (const place of left.places) {
        await spool.read(place).catch((error: unknown) => allowing([PipelineError], () => rethrow(error)));
        spool.done(place);
      }
      await spool.close();
    },
  };
}

function rethrow(error: unknown): never {
  throw error;
}

/** Kept decisions, as a newer version or a broken disk would leave them. */
function outbox(): Target {
  const { logger } = testContext('kafka');
  const text = JSON.stringify({ form: 1, decisions: [decisionEvent('a'), decisionEvent('b')] });
  return {
    name: 'outbox of decisions',
    seeds: [Buffer.from(text)],
    words: ['null', '[]', '{}', '"form":2', '-1', '"', ','],
    run(input) {
      const storage = new MemoryStorage(true);
      storage.put(new Map([['outbox/0000000000000003', Buffer.from(input).toString('utf8')]]));
      const kept = new DecisionOutbox(storage, logger);
      for (const { key } of kept.left()) kept.forget(key);
      kept.keep({ signal: 'decisions', items: 1, decisions: [decisionEvent('c')] });
    },
  };
}

export async function spools(): Promise<readonly Target[]> {
  return [await queueFile(), outbox()];
}
