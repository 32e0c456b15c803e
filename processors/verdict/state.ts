import type { Context } from '../../pipeline/component.ts';
import { asPipelineError, PipelineError } from '../../pipeline/errors.ts';
import type { DecisionEvent } from '../../proto/windback/decision.ts';
import type { BoardState } from './board.ts';
import type { VerdictConfig } from './config.ts';
import { evidenceDigestOf } from './decision.ts';
import { type DecisionLog, type DecisionLogState, MAX_DECISIONS } from './decision-log.ts';
import type { HandOn } from './hand-on.ts';
import { InParts, type PartOf } from './in-parts.ts';
import { Rollout, type RolloutState } from './rollout.ts';
import { type JudgeState, ServiceJudge, type Surroundings } from './service-judge.ts';
import { atOnce, type InTurn, type Steps, type Turns } from './turns.ts';

/** The form of what is saved, and the oldest one that is read. Form 2 had all bins flat. */
const FORM = 3;
const OLDEST_FORM = 2;
/** Characters of state that are put at once, more or less: a put waits for the disk, and is never interrupted. */
const PUT_CHARACTERS = 1 << 19;
const SERVICE = 'service/';
const DECISIONS = 'decisions';
/** Decisions that have not been handed on, and those that were taken since `DECISIONS` was saved. */
const LATEST = 'latest-decisions';
const OVERRIDES = 'overrides';
const BOARD = 'board';

interface Saved<T> {
  readonly form: number;
  /** Of that in the configuration by which evidence was weighed. */
  readonly digest: string;
  readonly state: T;
}

/** Saves the state of the judge where the context's storage keeps it, and brings it back after a restart. */
export class StateKeeper {
  readonly #context: Context;
  readonly #surroundings: Surroundings;
  readonly #services: Map<string, ServiceJudge>;
  readonly #decisions: DecisionLog;
  readonly #handOn: Pick<HandOn, 'waiting'>;
  readonly #digest: string;
  /** Services that have changed since they were saved. */
  readonly #touched = new Set<string>();
  /** Whether a newer version has saved it: then nothing is written any more. */
  #isOfNewer = false;
  #isLoaded = false;
  #savedAtMs = 0;
  /** The changes of the decisions when they were saved. */
  #savedChanges = -1;
  /** Decisions that were taken since the log of all of them was saved. */
  #latest: DecisionEvent[] = [];
  /** How many decisions are saved as the latest ones. */
  #savedLatest = 0;

  constructor(
    context: Context,
    surroundings: Surroundings,
    services: Map<string, ServiceJudge>,
    decisions: DecisionLog,
    handOn: Pick<HandOn, 'waiting'>,
  ) {
    this.#context = context;
    this.#surroundings = surroundings;
    this.#services = services;
    this.#decisions = decisions;
    this.#handOn = handOn;
    this.#digest = evidenceDigestOf(surroundings.config);
  }

  /** Whether all that was saved before has been read. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** Notes that a service has changed. */
  touch(key: string): void {
    this.#touched.add(key);
  }

  /** A service is gone. Where nothing is saved before the end, it would be noted until then, as all that come and go. */
  forget(key: string): void {
    if (this.#context.storage.survives) this.touch(key);
    else if (this.#put(new Map([[SERVICE + key, null]]))) this.#touched.delete(key);
  }

  /**
   * Returns what the process before may have decided without handing it on; it is to be handed on (again). Throws
   * `state_newer` where a newer version has saved: to go on would write over what only that one understands.
   */
  load(): readonly DecisionEvent[] {
    const { storage } = this.#context;
    this.#savedAtMs = this.#context.clock.now();
    for (const key of storage.keys()) {
      if (key.startsWith(SERVICE))
        this.#restore(key, (state: JudgeState, isSame) => this.#restoreService(state, isSame));
    }
    const services = this.#services.size;
    if (services > 0)
      this.#context.logger.info({ services }, 'the state of services was restored: their rollouts go on');
    this.#restore(DECISIONS, (state: DecisionLogState) => this.#decisions.restore(state));
    this.#restore(LATEST, (state: readonly DecisionEvent[]) => {
      this.#latest = [...state];
      this.#savedLatest = state.length;
      for (const event of state) this.#decisions.add(event);
    });
    this.#restore(BOARD, (state: BoardState, isSame) => isSame && this.#surroundings.board.restore(state));
    this.#restore(OVERRIDES, (state: string) => this.#surroundings.overrides.restore(state));
    this.#isLoaded = true;
    return [...this.#latest];
  }

  /**
   * Saves what was decided a moment ago together with the services that it is about, all or nothing, before anybody is
   * told. Else, after a crash, a decision that is out would be taken again from what was saved before it: with other
   * figures under the same id, or under another id where the rollout had not been saved either.
   */
  async saveDecided(decisions: readonly DecisionEvent[], turns: Turns, inTurn: InTurn): Promise<void> {
    if (!this.#context.storage.survives) return;
    this.#latest = [...this.#latest, ...decisions].slice(-MAX_DECISIONS);
    const known = new Set(this.#latest);
    const latest = [...this.#handOn.waiting.filter((event) => !known.has(event)), ...this.#latest];
    const written = await turns.through(this.#written(InParts.list(latest, (event) => event)));
    const entries = new Map<string, string | null>([[LATEST, written]]);
    for (const key of new Set(decisions.map(({ subject }) => subject))) {
      const text = await inTurn(() => turns.through(this.#textOf(key)));
      if (text !== undefined) entries.set(SERVICE + key, text);
    }
    if (this.#put(entries)) this.#savedLatest = latest.length;
  }

  /** Saves what has changed, if it is time. */
  async saveIfDue(nowMs: number, turns: Turns, inTurn: InTurn): Promise<void> {
    const sinceMs = nowMs - this.#savedAtMs;
    // A clock that was put back must not keep it from being saved until it is as late as it was.
    if (sinceMs >= 0 && sinceMs < this.#surroundings.config.state.save_interval) return;
    this.#savedAtMs = nowMs;
    // What does not outlive the process is only written at the end, for who comes next.
    if (this.#context.storage.survives) await this.saveChanged(turns, inTurn);
  }

  /**
   * Saves what has changed. Others have a turn while a state is written, but whoever would change it waits: each is of
   * one moment.
   */
  async saveChanged(turns: Turns, inTurn: InTurn): Promise<void> {
    if (this.#isOfNewer) return;
    let entries = new Map<string, string | null>();
    let characters = 0;
    const put = () => {
      if (!this.#put(entries)) for (const key of entries.keys()) this.touch(key.slice(SERVICE.length));
      entries = new Map();
      characters = 0;
    };
    for (const key of [...this.#touched].sort()) {
      // What changes it from here on is for the next time.
      this.#touched.delete(key);
      const text = await inTurn(() => turns.through(this.#textOf(key)));
      if (text !== undefined) entries.set(SERVICE + key, text);
      characters += text?.length ?? 0;
      if (characters >= PUT_CHARACTERS) put();
    }
    put();
    await inTurn(() => this.#saveShared(turns));
  }

  /** At once, since a person was told that it is so. Throws where it cannot be saved. */
  saveOverrides(): void {
    if (this.#isOfNewer) throw new PipelineError('state_newer', OVERRIDES);
    this.#context.storage.put(new Map([[OVERRIDES, atOnce(this.#written(this.#surroundings.overrides.save()))]]));
  }

  /** What is not one service's. */
  async #saveShared(turns: Turns): Promise<void> {
    const { changes } = this.#decisions;
    const board = await turns.through(this.#written(this.#surroundings.board.parts()));
    const entries = new Map<string, string | null>([[BOARD, board]]);
    if (changes !== this.#savedChanges) {
      entries.set(DECISIONS, await turns.through(this.#written(this.#decisions.parts())));
    }
    // By its size: it only grows by decisions, which change the log too, or shrinks as they are taken.
    const waiting = this.#handOn.waiting;
    if (changes !== this.#savedChanges || waiting.length !== this.#savedLatest) {
      entries.set(LATEST, waiting.length === 0 ? null : atOnce(this.#written(waiting)));
    }
    if (!this.#put(entries)) return;
    this.#savedChanges = changes;
    this.#savedLatest = waiting.length;
    this.#latest = [];
  }

  /** Null for a service that is gone; undefined where its state cannot be written, which must not keep back the others. */
  *#textOf(key: string): Steps<string | null | undefined> {
    const service = this.#services.get(key);
    if (service === undefined) return null;
    try {
      return yield* this.#written(service.parts());
    } catch (thrown) {
      this.#context.logger.error({ key }, `the state of a service was not saved: ${String(thrown)}`);
      return undefined;
    }
  }

  #put(entries: ReadonlyMap<string, string | null>): boolean {
    try {
      this.#context.storage.put(entries);
      return true;
    } catch (thrown) {
      const { code, message, row } = asPipelineError(thrown);
      this.#context.logger.error({ code, todo: row.todo }, `the state was not saved: ${message}`);
      return false;
    }
  }

  #written<T>(state: PartOf<T>): Steps<string> {
    return InParts.record<Saved<T>>({ form: FORM, digest: this.#digest, state }).text();
  }

  #restore(key: string, restore: (state: never, isSameConfig: boolean) => void): void {
    const { storage, logger } = this.#context;
    const text = storage.get(key);
    if (text === undefined) return;
    try {
      const { form, digest, state } = JSON.parse(text) as Saved<never>;
      const readable = `its form is ${form}, this version reads ${OLDEST_FORM} to ${FORM}`;
      if (form > FORM) {
        this.#isOfNewer = true;
        throw new PipelineError('state_newer', `${key}: ${readable}`);
      }
      if (!(form >= OLDEST_FORM)) throw new Error(readable);
      // Before there were two, it was that of the whole configuration.
      restore(state, digest === this.#digest || digest === this.#surroundings.digest);
    } catch (thrown) {
      if (thrown instanceof PipelineError) throw thrown;
      logger.error({ key }, `saved state cannot be read and is left out: ${String(thrown)}`);
    }
  }

  /**
   * Evidence that another configuration weighed is no evidence under this one: rollouts then begin anew. But for those
   * that were rolled back: begun anew they would be rolled back once more, as if they were others.
   */
  #restoreService(state: JudgeState, isSameConfig: boolean): void {
    const { config } = this.#surroundings;
    const rolledBack = ({ flags: [isRolledBack] }: RolloutState) => isRolledBack;
    const underWay = () =>
      state.rollouts.underWay.filter(rolledBack).map((rollout) => withoutEvidence(rollout, config));
    const kept = isSameConfig ? state : { ...state, rollouts: { ...state.rollouts, underWay: underWay() } };
    this.#services.set(state.identity.key, ServiceJudge.restore(kept, this.#surroundings));
  }
}

function withoutEvidence(saved: RolloutState, config: VerdictConfig): RolloutState {
  const { comparisons, silence, historical } = new Rollout(saved.identity, config).save();
  return { ...saved, comparisons, silence, historical };
}
