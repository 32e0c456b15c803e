/** The demo cannot go on, or did not show what it should. The message is for people. */
export class DemoFailure extends Error {
  /** Lines that help to see why, such as the end of a log. */
  readonly details: string;

  constructor(message: string, details = '') {
    super(message);
    this.details = details;
  }
}

/** Somebody pressed Ctrl-C. */
export class Interrupted extends Error {}
