import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HEADER_BYTES } from '../../../pipeline/spool/record.ts';
import { type Leftovers, type Place, Spool } from '../../../pipeline/spool/spool.ts';
import { recordingLogger } from '../../support/context.ts';

const CHILD = join(import.meta.dirname, 'child.ts');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'windback-spool-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function open(writer = 0, adopts: (other: number) => boolean = () => true) {
  const { logger, lines } = recordingLogger();
  return { ...Spool.open({ directory, fsync: true, writer, adopts }, logger), lines };
}

const append = (spool: Spool, text: string): Promise<Place> => spool.append('logs', text.length, Buffer.from(text));
const texts = (spool: Spool, { places }: Leftovers) =>
  Promise.all(places.map(async (place) => (await spool.read(place)).toString()));
const files = () => readdirSync(directory).sort();
const onlyFile = () => join(directory, files()[0] as string);

test('what is not done comes back, in its order, with its signal and items', async () => {
  const { spool, left } = open();
  expect(left.places).toEqual([]);
  const [, second] = await Promise.all(['one', 'second', 'three'].map((text) => append(spool, text)));
  spool.done(second as Place);
  await spool.close();
  const again = open();
  expect(await texts(again.spool, again.left)).toEqual(['one', 'three']);
  expect(again.left.places.map(({ signal, items }) => [signal, items])).toEqual([
    ['logs', 3],
    ['logs', 5],
  ]);
  await again.spool.close();
});

test('a file goes once all that is in it is done, and the folder is empty then', async () => {
  const { spool } = open();
  const places = await Promise.all(Array.from({ length: 30 }, () => append(spool, 'x'.repeat(1 << 20))));
  expect(files()).toHaveLength(2);
  expect(spool.bytes).toBe(30 * ((1 << 20) + HEADER_BYTES));
  for (const place of places.slice(0, 29)) spool.done(place);
  expect(files()).toHaveLength(1);
  spool.done(places[29] as Place);
  await spool.close();
  expect(files()).toEqual([]);
});

test('others may not read it', async () => {
  const { spool } = open();
  await append(spool, 'secret');
  expect(statSync(onlyFile()).mode & 0o777).toBe(0o600);
  await spool.close();
});

test('a damaged batch is told of, and the others come', async () => {
  const { spool } = open();
  for (const text of ['one', 'two', 'three']) await append(spool, text);
  await spool.close();
  const bytes = readFileSync(onlyFile());
  bytes[bytes.indexOf('two')] = 0;
  writeFileSync(onlyFile(), bytes);
  const again = open();
  expect(await texts(again.spool, again.left)).toEqual(['one', 'three']);
  expect([...again.left.damagedItems]).toEqual([['logs', 3]]);
  expect(again.lines.map(({ code, level }) => [code, level])).toEqual([['spool_damaged', 50]]);
  await again.spool.close();
  // It is told of once.
  const third = open();
  expect([third.left.damagedItems.size, third.lines]).toEqual([0, []]);
  await third.spool.close();
});

test('damage that comes later shows when the batch is read', async () => {
  const { spool } = open();
  const place = await append(spool, 'one');
  const bytes = readFileSync(onlyFile());
  bytes[bytes.length - 1] = 0;
  writeFileSync(onlyFile(), bytes);
  await expect(spool.read(place)).rejects.toMatchObject({ code: 'spool_damaged' });
  rmSync(onlyFile());
  await expect(spool.read(place)).rejects.toMatchObject({ code: 'spool_damaged' });
  await spool.close();
});

test('a file that cannot be read now is no damage: the batch is there still', async () => {
  const { spool } = open();
  const place = await append(spool, 'one');
  const path = onlyFile();
  renameSync(path, `${path}.away`);
  // Reading a folder fails, whoever reads, as reading a file does that the system refuses to give.
  mkdirSync(path);
  await expect(spool.read(place)).rejects.toMatchObject({ code: 'spool_unreadable', row: { retryable: true } });
  rmSync(path, { recursive: true });
  renameSync(`${path}.away`, path);
  expect((await spool.read(place)).toString()).toBe('one');
  await spool.close();
});

test('an end that was cut off is taken away', async () => {
  const { spool } = open();
  await append(spool, 'one');
  await append(spool, 'two');
  await spool.close();
  const bytes = readFileSync(onlyFile());
  writeFileSync(onlyFile(), bytes.subarray(0, bytes.length - 1));
  const again = open();
  expect(await texts(again.spool, again.left)).toEqual(['one']);
  expect(statSync(onlyFile()).size).toBe(HEADER_BYTES + 3);
  await again.spool.close();
});

test('each thread takes up what it adopts, and leaves the rest alone', async () => {
  for (const writer of [0, 1, 2]) {
    const { spool } = open(writer, () => false);
    await append(spool, `of ${writer}`);
    await spool.close();
  }
  const first = open(0, (other) => other === 2);
  const second = open(1, () => false);
  expect(await texts(first.spool, first.left)).toEqual(['of 0', 'of 2']);
  expect(await texts(second.spool, second.left)).toEqual(['of 1']);
  await first.spool.close();
  await second.spool.close();
  expect(files()).toHaveLength(3);
});

async function child(command: string): Promise<{ numbers: number[]; refusals: string[] }> {
  const started = spawn('/bin/sh', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  started.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  const isFull = () => text.includes('refused');
  while (text.split('\n').length < 200 && !isFull() && started.exitCode === null) await once(started.stdout, 'data');
  if (!isFull()) started.kill('SIGKILL');
  if (started.exitCode === null && started.signalCode === null) await once(started, 'exit');
  const lines = text.split('\n').slice(0, -1);
  return { numbers: lines.filter((line) => /^\d/.test(line)).map(Number), refusals: lines.filter((l) => l[0] === 'r') };
}

const ofNumbers = (number: number) => String(number).padStart(10, '0');

test('a process that is killed has lost nothing that it said was there', async () => {
  const { numbers } = await child(`exec '${process.execPath}' '${CHILD}' '${directory}' 20000`);
  expect(numbers.length).toBeGreaterThan(100);
  const { spool, left } = open();
  const found = new Set((await texts(spool, left)).map((text) => text.slice(0, 10)));
  expect(numbers.filter((number) => !found.has(ofNumbers(number)))).toEqual([]);
  await spool.close();
});

test('where the disk takes no more, that is said, and what was there stays', async () => {
  // In blocks of 512 bytes or of 1 KiB, as the shell sees it: less than a segment in any case.
  const { numbers, refusals } = await child(
    `ulimit -f 1000; exec '${process.execPath}' '${CHILD}' '${directory}' 10000`,
  );
  expect(refusals[0]).toBe('refused file_unwritable');
  expect(numbers.length).toBeGreaterThan(20);
  const { spool, left } = open();
  const found = (await texts(spool, left)).map((text) => text.slice(0, 10));
  expect(found.toSorted()).toEqual(numbers.map(ofNumbers).toSorted());
  // And it goes on where there is room again.
  await append(spool, 'more');
  await spool.close();
  const again = open();
  expect(again.left.places).toHaveLength(numbers.length + 1);
  await again.spool.close();
});

test('one whose folder another one has taken over acknowledges nothing, and leaves the files alone', async () => {
  const before = open();
  const first = await append(before.spool, 'first');
  const second = append(before.spool, 'second').catch(({ code }) => code);
  const third = append(before.spool, 'third').catch(({ code }) => code);
  // While it is written.
  const after = open();
  expect(await Promise.all([second, third])).toEqual(['stopping', 'stopping']);
  await expect(append(before.spool, 'late')).rejects.toMatchObject({ code: 'stopping' });
  before.spool.done(first);
  await before.spool.close();
  const taken = await append(after.spool, 'taken');
  expect((await texts(after.spool, after.left)).slice(0, 1)).toEqual(['first']);
  expect((await after.spool.read(taken)).toString()).toBe('taken');
  for (const place of [...after.left.places, taken]) after.spool.done(place);
  await after.spool.close();
  expect([...before.lines, ...after.lines].filter(({ code }) => code !== undefined)).toEqual([]);
});

test('one that another one has taken over, and whose disk fails as well, refuses what may be sent again', async () => {
  const before = open();
  // In the way of the next file.
  mkdirSync(join(directory, '0000000000.0.spool'));
  const refused = append(before.spool, 'first').catch(({ code }) => code);
  expect(() => open()).toThrow(expect.objectContaining({ code: 'file_unreadable' }));
  expect(await refused).toBe('stopping');
  await before.spool.close();
});
