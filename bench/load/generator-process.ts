/** The load generator as a process: `{open: Load}`, `{send: Sending}`, `{close: true}`. */
import { answerAll } from './asked.ts';
import { Generator, type Load, type Sending } from './generator.ts';

export interface GeneratorQuestion {
  readonly open?: Load;
  readonly send?: Sending;
  readonly close?: true;
}

let generator: Generator | undefined;

answerAll(async ({ open, send }: GeneratorQuestion) => {
  if (send !== undefined) {
    if (generator === undefined) throw new Error('nothing is open');
    return generator.send(send);
  }
  generator?.close();
  generator = open === undefined ? undefined : await Generator.open(open);
  return true;
});
