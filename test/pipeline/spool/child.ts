/** Writes batches to a spool until it is killed, and prints the number of each once it is there. */
import { pino } from 'pino';
import { Spool } from '../../../pipeline/spool/spool.ts';

const [directory = '', bytes = '1000'] = process.argv.slice(2);
const settings = { directory, fsync: false, writer: 0, adopts: () => true };
const { spool } = Spool.open(settings, pino({ level: 'silent' }));
let next = 0;
const write = async (): Promise<void> => {
  for (;;) {
    const number = next++;
    const request = Buffer.alloc(Number(bytes), String(number).padStart(10, '0'));
    try {
      await spool.append('traces', 1, request);
      process.stdout.write(`${number}\n`);
    } catch (error) {
      process.stdout.write(`refused ${(error as { code: string }).code}\n`);
      return;
    }
  }
};
await Promise.all(Array.from({ length: 4 }, write));
