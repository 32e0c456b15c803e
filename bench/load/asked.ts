/** A process of ours that answers questions, one at a time: the load generator and the sink run in one each. */
import { type ChildProcess, fork } from 'node:child_process';

interface Answer {
  readonly answer?: unknown;
  readonly error?: string;
}

export class Asked {
  readonly #child: ChildProcess;

  /** Starts `script`, which calls `answerAll`. */
  constructor(script: string) {
    this.#child = fork(script, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** Rejects with what went wrong there, or where the process ends instead of answering. */
  ask<A>(question: unknown): Promise<A> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`the process ended with exit code ${code}`));
      child.once('exit', ended);
      child.once('message', ({ answer, error }: Answer) => {
        child.removeListener('exit', ended);
        if (error === undefined) resolve(answer as A);
        else reject(new Error(error));
      });
      child.send(question as object);
    });
  }

  stop(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
    });
  }
}

/** The other side: answers each question with what `answer` gives. */
export function answerAll(answer: (question: never) => unknown): void {
  process.on('message', (question) => {
    void (async () => {
      let message: Answer;
      try {
        message = { answer: await answer(question as never) };
      } catch (thrown) {
        message = { error: (thrown as Error).message };
      }
      process.send?.(message);
    })();
  });
  // Whoever asked is gone.
  process.on('disconnect', () => process.kill(process.pid));
}
