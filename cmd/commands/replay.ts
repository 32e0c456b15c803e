import type { Batch, TelemetryBatch } from '../../pipeline/batch.ts';
import { ManualClock } from '../../pipeline/clock.ts';
import type { LoadedConfig } from '../../pipeline/config/loaded.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { Service } from '../../pipeline/service.ts';
import { createLogger } from '../../pipeline/telemetry/logger.ts';
import { Meter } from '../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../pipeline/telemetry/metrics-table.ts';
import { structuredEvent } from '../../proto/windback/decision.ts';
import { usage } from '../args.ts';
import type { Args, Command, Io } from '../command.ts';
import { CONFIG_OPTIONS, loadFrom, loadText } from '../config-options.ts';
import { DEFAULT_POLICY } from '../replay/default-policy.ts';
import { mergeCaptures } from '../replay/merge.ts';
import { Progress } from '../replay/progress.ts';
import { type Stage, stage } from '../replay/stage.ts';

/** Event time that passes after the last request, so that everything recorded is judged: longer than any hold. */
const RUN_OUT_MS = 5 * 60_000;

/** More broken lines than this are not shown: the file is no capture, or all of them say the same. */
const PROBLEMS_SHOWN = 100;

export const command: Command = {
  name: 'replay',
  summary: 'Judge recorded telemetry on event time, as fast as the machine can.',
  usage: '[options] CAPTURE...',
  options: CONFIG_OPTIONS,
  positionals: 'captures',
  help: `
A capture is what the Collector's file exporter (or ours) writes: one OTLP/JSON request a line,
plain, gzip or zstd; - is standard input. Several captures are merged in the order of time.

The pipelines of the configuration are used with their ends cut off: receivers are replaced by
the captures, and nothing is sent to any exporter. Without --config the default policy judges.
Each decision is one CloudEvents JSON object a line on stdout. The same input and configuration
give the same bytes. It fails (1) where a capture breaks off or holds no request at all.

Examples:
  windback replay capture.jsonl
  windback replay --config windback.yaml traces.jsonl.gz logs.jsonl.gz | jq -r .data.reason
  windback replay --set processors.verdict.tolerance=0.5 capture.jsonl
`,
  async run(args, io) {
    if (args.positionals.length === 0) throw usage('which capture? For example: windback replay capture.jsonl');
    const hasConfig = args.texts('config').length > 0;
    const loaded = hasConfig ? await loadFrom(args, io, 'replay') : await loadText(DEFAULT_POLICY, args, io);
    if (!loaded.pipelines.some(({ signal }) => signal === 'decisions')) {
      throw new PipelineError('config', 'there is no decisions pipeline, so nothing would be judged');
    }
    return replay(loaded, args, io);
  },
};

/** 1 where a capture could not be read to its end, or no line of all was a request: then nobody may think all is well. */
async function replay(loaded: LoadedConfig, args: Args, io: Io): Promise<number> {
  const progress = new Progress(io.stderr);
  const clock = new ManualClock();
  const staged = stage(loaded, async (batch: Batch) => {
    if (batch.signal !== 'decisions') return;
    for (const decision of batch.decisions) {
      progress.decisions++;
      progress.clear();
      await write(io.stdout, `${JSON.stringify(structuredEvent(decision))}\n`).catch((error: unknown) => {
        progress.isCutShort = true;
        throw error;
      });
    }
  });
  const logger = createLogger('error');
  // A fixed seed: nothing that decides is random, but what is must not differ between two replays either.
  const service = new Service(staged.loaded, { clock, random: () => 0.5, logger, meter: new Meter(METRICS) });
  await service.start();
  await play(args.positionals, staged, clock, progress, io);
  await service.stop();
  progress.finish();
  return progress.isCutShort || (progress.requests === 0 && progress.problems > 0) ? 1 : 0;
}

/** Moves the clock to each request's time, which rings what is due before it, then lets it in. */
async function play(
  paths: readonly string[],
  staged: Stage,
  clock: ManualClock,
  progress: Progress,
  io: Io,
): Promise<void> {
  let isFirst = true;
  for await (const recorded of mergeCaptures(paths)) {
    if ('problem' in recorded) {
      if (recorded.isLast) progress.isCutShort = true;
      if (++progress.problems > PROBLEMS_SHOWN) continue;
      progress.clear();
      io.stderr.write(`${recorded.path}:${recorded.line}: ${recorded.problem}; left out\n`);
      if (progress.problems === PROBLEMS_SHOWN) io.stderr.write('further broken lines are only counted\n');
      continue;
    }
    if (isFirst) clock.startAt(recorded.atMs);
    isFirst = false;
    await clock.advanceTo(recorded.atMs);
    await letIn(staged, recorded.batch);
    progress.step(recorded.atMs, recorded.batch.items);
  }
  await clock.advanceTo(clock.now() + RUN_OUT_MS);
}

async function letIn(staged: Stage, batch: TelemetryBatch): Promise<void> {
  await staged.outlets().to(batch.signal).consume(batch);
}

function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error: NodeJS.ErrnoException | null | undefined) => {
      // A reader that has gone ends the program elsewhere, quietly.
      if (error == null || error.code === 'EPIPE') resolve();
      else reject(new PipelineError('file_unwritable', `the output: ${error.message}`, { cause: error }));
    });
  });
}
