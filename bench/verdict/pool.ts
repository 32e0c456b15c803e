/** Deals tasks out to threads. The result does not depend on who did what when. */
import { Worker } from 'node:worker_threads';
import type { Answer, Task } from './worker.ts';

/** Answers in the order of the tasks; `done` is told of each as it comes in. */
export async function runTasks(tasks: readonly Task[], threads: number, done: () => void): Promise<Answer[]> {
  const answers: Answer[] = [];
  let next = 0;
  const one = (worker: Worker) =>
    new Promise<void>((resolve, reject) => {
      let at = -1;
      const deal = () => {
        if (next === tasks.length) return resolve();
        at = next++;
        worker.postMessage(tasks[at], []);
      };
      worker.on('error', reject);
      worker.on('message', (answer: Answer) => {
        answers[at] = answer;
        done();
        deal();
      });
      deal();
    });
  const workers = Array.from({ length: Math.min(threads, tasks.length) }, () => {
    return new Worker(new URL('./worker.ts', import.meta.url));
  });
  try {
    await Promise.all(workers.map(one));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return answers;
}
