import { z } from 'zod';
import { duration } from './scalars.ts';

/** The extension `file_storage`. Keys are the Collector's, as far as they mean something here. */
export const fileStorageConfig = z.strictObject({
  directory: z
    .string()
    .min(1)
    .default('./windback-state')
    .describe('Where windback.db lies, and the queues of exporters, in queue.'),
  create_directory: z.boolean().default(true).describe('Whether the directory is made where there is none.'),
  directory_permissions: z
    .string()
    .regex(/^0?[0-7]{3}$/, 'want an octal mode in quotes, such as "0750"')
    .default('0750')
    .describe('The mode of a directory that is made, in quotes.'),
  timeout: duration.prefault('1s').describe('How long to wait for another process to let go of the file.'),
  fsync: z
    .boolean()
    .default(true)
    .describe(
      'Whether every write waits for the disk. Without, the last ones are lost when the machine crashes; not when the process does.',
    ),
  recreate: z
    .boolean()
    .default(false)
    .describe(
      'Whether a damaged file is moved aside at the start, and a new one begun; else the start fails. Queues need no such thing: what is whole in them is delivered.',
    ),
  compaction: z.looseObject({}).optional().describe('Accepted, without effect: freed space is used again.'),
});

export type FileStorageConfig = z.output<typeof fileStorageConfig>;
