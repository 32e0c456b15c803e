/** The sink as a process: answers `start` with its ports, slows down to a rate, and `received` with what it has counted and used. */
import { answerAll } from './asked.ts';
import { type Received, Sink } from './sink.ts';

export interface SinkAnswer extends Received {
  readonly cpuSeconds: number;
}

const sink = new Sink();

answerAll((question: 'start' | 'received' | { readonly itemsPerSecond: number }) => {
  if (typeof question === 'object') return (sink.itemsPerSecond = question.itemsPerSecond);
  if (question === 'start') return sink.start();
  const { user, system } = process.cpuUsage();
  return { ...sink.received, cpuSeconds: (user + system) / 1e6 } satisfies SinkAnswer;
});
