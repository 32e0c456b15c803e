import { createHash } from 'node:crypto';
import { compareSync } from 'bcryptjs';
import { digest, isOneOf } from './same-text.ts';

const BCRYPT = /^\$2[aby]?\$/;
/** The only ones that can be right; others would end at once, or with an error. */
const WHOLE_BCRYPT = /^\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/;
const SHA = '{SHA}';
/** Behind the cost, bcrypt of nothing in particular. */
const NOTHING = 'p.D14R60AOeOZNKjUImfQ.tgfuoVSIbVAv1VSsZViwgH6AG9/3npa';

/** How a password is kept: what a comparison with it costs. */
type Kind = 'plain' | 'sha' | `bcrypt ${string}`;

/** Users, and the passwords that are kept of them, in any of the forms of htpasswd. */
export class Passwords {
  readonly #byUser: ReadonlyMap<string, string>;
  /** By kind, what somebody is compared with who has no password of that kind. Of all kinds that some user has. */
  readonly #decoys = new Map<Kind, string>();

  constructor(byUser: ReadonlyMap<string, string>) {
    this.#byUser = byUser;
    for (const kept of byUser.values()) {
      const kind = kindOf(kept);
      if (kind !== undefined) this.#decoys.set(kind, decoyOf(kind));
    }
  }

  has(user: string): boolean {
    return this.#byUser.has(user);
  }

  /**
   * Whether it is the password of this user. Where it is not, it has been compared once by each kind that there is,
   * whoever it is of: else how long that takes would tell which users there are. Of bcrypt a lower cost is half the work,
   * so that all of them are less than twice the highest.
   */
  fits(user: string, password: string): boolean {
    const kept = this.#byUser.get(user);
    const own = kept === undefined ? undefined : kindOf(kept);
    for (const [kind, decoy] of this.#decoys) {
      const isOwn = kind === own;
      const isSame = compare(kind, password, isOwn ? (kept as string) : decoy);
      if (isOwn && isSame) return true;
    }
    return false;
  }
}

/** Undefined for what nothing can fit: it begins as bcrypt, and is none. */
function kindOf(kept: string): Kind | undefined {
  if (BCRYPT.test(kept)) {
    const cost = WHOLE_BCRYPT.exec(kept)?.[1];
    return cost === undefined ? undefined : `bcrypt ${cost}`;
  }
  return kept.startsWith(SHA) ? 'sha' : 'plain';
}

function decoyOf(kind: Kind): string {
  if (kind === 'plain') return '';
  if (kind === 'sha') return SHA;
  return `$2b$${kind.slice(-2)}$${NOTHING}`;
}

function compare(kind: Kind, password: string, kept: string): boolean {
  if (kind === 'plain') return isOneOf(password, [digest(kept)]);
  if (kind === 'sha') return isOneOf(SHA + createHash('sha1').update(password).digest('base64'), [digest(kept)]);
  return compareSync(password, kept);
}
