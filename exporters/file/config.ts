import { z } from 'zod';

export const fileConfig = z.strictObject({
  path: z.string().min(1).describe('The file to write. Missing folders are made.'),
  append: z.boolean().default(true).describe('Whether to keep what is in the file at start.'),
  compression: z
    .enum(['none', 'gzip', 'zstd'])
    .default('none')
    .describe('Compresses each line by itself; together they are an ordinary .gz or .zst file, whole after a crash.'),
});

export type FileConfig = z.output<typeof fileConfig>;
