/** Targets with a fault, for the test of the fuzzer. */
import type { Target } from './target.ts';

export async function allTargets(): Promise<readonly Target[]> {
  return [
    { name: 'sound', seeds: [Buffer.from('abc')], run() {} },
    {
      name: 'throws at a word',
      seeds: [Buffer.from('some text')],
      words: ['needle'],
      run(input) {
        if (Buffer.from(input).includes('needle')) throw new TypeError('a defect');
      },
    },
    {
      name: 'hangs at a byte',
      seeds: [Buffer.from('aaaa')],
      run(input) {
        while (input.includes(0xff));
      },
    },
  ];
}
