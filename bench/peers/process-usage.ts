/** What a process and its children have used, as Linux tells it (proc(5)). */
import { readFileSync } from 'node:fs';

/** Clock ticks a second: USER_HZ, 100 on every Linux that Node runs on. */
const TICKS = 100;

export interface ProcessUsage {
  /** User and system time since its start. */
  readonly cpuSeconds: number;
  /** The most memory that was resident, of each process at its own time. */
  readonly peakRssBytes: number;
}

export function usageOf(pid: number): ProcessUsage {
  const own = { cpuSeconds: cpuSecondsOf(statOf(pid)), peakRssBytes: peakOf(pid) };
  return childrenOf(pid)
    .map((child) => usageOf(child))
    .reduce(
      (sum, one) => ({
        cpuSeconds: sum.cpuSeconds + one.cpuSeconds,
        peakRssBytes: sum.peakRssBytes + one.peakRssBytes,
      }),
      own,
    );
}

/** From a line of /proc/PID/stat: fields 14 and 15. The second field is a name in parentheses and may hold anything. */
export function cpuSecondsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function statOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8');
}

function peakOf(pid: number): number {
  const [, kib = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}
