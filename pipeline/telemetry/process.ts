import type { Meter } from './meter.ts';

/** What the process itself uses, read when somebody looks. */
export function observeProcess(meter: Meter): void {
  meter.observe('windback_process_uptime_seconds', {}, () => process.uptime());
  meter.observe('windback_process_memory_rss_bytes', {}, () => process.memoryUsage.rss());
  const cpuSeconds = meter.counter('windback_process_cpu_seconds_total');
  let countedMicros = 0;
  meter.beforeText(() => {
    const { user, system } = process.cpuUsage();
    cpuSeconds.add((user + system - countedMicros) / 1e6);
    countedMicros = user + system;
  });
}
