/** Where figures were measured. */
import { cpus, release, totalmem } from 'node:os';

/** `Measured 2026-11-28 on 2 cores of AMD EPYC, 24 GiB, Linux 6.18.44, Node.js v24.21.0`, without a full stop. */
export function measuredWhere(now = new Date()): string {
  const [first] = cpus();
  const memory = Math.round(totalmem() / 1024 ** 3);
  const system = `Linux ${release().split('-')[0]}, Node.js ${process.version}`;
  return `Measured ${now.toISOString().slice(0, 10)} on ${cpus().length} cores of ${first?.model.trim()}, ${memory} GiB, ${system}`;
}
