import type { Target } from './target.ts';
import { files } from './targets/files.ts';
import { spools } from './targets/spool.ts';
import { http } from './targets/http.ts';
import { telemetry } from './targets/telemetry.ts';

/** Everything that takes bytes from outside, but for records of Kafka, which Windback writes and does not read. */
export async function allTargets(): Promise<readonly Target[]> {
  return [...telemetry, ...http, ...(await files()), ...(await spools())];
}
