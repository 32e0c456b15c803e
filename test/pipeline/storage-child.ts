/** Writes until it is killed: see storage.test.ts. */
import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { fileStorageConfig } from '../../pipeline/config/file-storage.ts';
import { openStorages } from '../../pipeline/sqlite-storage.ts';

const directory = process.argv[2] as string;
const storages = await openStorages(fileStorageConfig.parse({ directory }), pino({ level: 'silent' }));
const storage = storages.of('verdict');
for (let i = Number(storage.get('a')?.split(' ')[0] ?? -1) + 1; ; i++) {
  const value = `${i} ${'x'.repeat((i * 7919) % 20_000)}`;
  storage.put(
    new Map([
      ['a', value],
      ['b', value],
    ]),
  );
  writeSync(1, `${i}\n`);
}
