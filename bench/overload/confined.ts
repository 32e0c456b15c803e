/** A process under a memory limit that the kernel holds: a control group, version 1 or 2, where one can be made. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

export interface Confinement {
  /** A command that runs `command` inside. */
  within(command: string, args: readonly string[]): [command: string, args: string[]];
  /** How many processes the kernel has killed in it. */
  killed(): number;
  remove(): void;
}

let groups = 0;

/** Undefined where no control group can be made. */
export function confine(limitBytes: number): Confinement | undefined {
  const isOld = existsSync(join(ROOT, 'memory/memory.limit_in_bytes'));
  const folder = join(isOld ? join(ROOT, 'memory') : ROOT, `windback-overload-${process.pid}-${++groups}`);
  try {
    mkdirSync(folder);
    writeFileSync(join(folder, isOld ? 'memory.limit_in_bytes' : 'memory.max'), String(limitBytes));
  } catch {
    if (existsSync(folder)) rmdirSync(folder);
    return undefined;
  }
  const events = join(folder, isOld ? 'memory.oom_control' : 'memory.events');
  return {
    within: (command, args) => [
      'sh',
      ['-c', `echo $$ > ${join(folder, 'cgroup.procs')} && exec "$@"`, 'sh', command, ...args],
    ],
    killed: () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(events, 'utf8'))?.[1] ?? 0),
    remove() {
      try {
        rmdirSync(folder);
      } catch {
        // Somebody is still in it: an empty group that stays is no harm.
      }
    },
  };
}
