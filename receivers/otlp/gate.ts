import type { Authenticator } from '../../pipeline/auth/authenticator.ts';
import type { Context } from '../../pipeline/component.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import type { Headers } from '../../pipeline/http2/protocol.ts';
import type { Budget } from './budget.ts';
import type { Tenants } from './tenants.ts';

/** What every request passes before any of its body is read. */
export class Gate {
  readonly #authenticator: Authenticator | undefined;
  readonly #tenants: Tenants | undefined;
  /** Of all requests. */
  readonly budget: Budget;

  /** `authenticator`: the id of one, if the configuration names it. Throws `config` where there is no such. */
  constructor(authenticator: string | undefined, tenants: Tenants | undefined, budget: Budget, context: Context) {
    this.#tenants = tenants;
    this.budget = budget;
    if (authenticator === undefined) return;
    this.#authenticator = context.authenticators?.get(authenticator);
    if (this.#authenticator === undefined)
      throw new PipelineError('config', `there is no authenticator ${authenticator}`);
  }

  /** What a client that was not let in is to be told, for the header `www-authenticate`. */
  get challenge(): string | undefined {
    return this.#authenticator?.challenge;
  }

  /** The budget that the body is taken from. Throws `unauthenticated`, `auth_busy` or `tenant_limit`. */
  admit(headers: Headers): Budget {
    this.#authenticator?.check(headers);
    return this.#tenants === undefined ? this.budget : this.#tenants.budgetFor(headers);
  }
}
