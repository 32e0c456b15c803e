import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { headerOf } from '../../pipeline/spool/record.ts';
import type { Fault, FaultKind } from './plan.ts';
import type { World } from './world.ts';

type Run = (world: World, fault: Fault) => Promise<void>;

const CUT_EVERY_MS = 150;
const DELAY_MS = 120;
/** Between a process that was killed and the next one. */
const DOWN_MS = 150;
/** How long a decision is waited for, and how often it is looked for. */
const DECIDED_MS = 10_000;
const LOOK_MS = 5;

/** How each kind is done, from its beginning to its end. What is left over is ended by `World.calm`. */
const FAULTS: Readonly<Record<FaultKind, Run>> = {
  kill: (world, fault) => killed(world, fault, () => {}),
  async kill_decided(world, fault) {
    const { logged } = world.program;
    const before = logged.length;
    const wanted = fault.times === 1 ? 'hold' : 'rollback';
    const isDecided = (): boolean => logged.slice(before).some(({ decision }) => decision === wanted);
    for (let waitedMs = 0; waitedMs < DECIDED_MS && !isDecided(); waitedMs += LOOK_MS) await sleep(LOOK_MS);
    await sleep(fault.forMs / 20);
    await killed(world, { ...fault, times: 1 }, () => {});
  },
  async reload(world, { times, forMs }) {
    for (let reloads = 1; reloads <= times; reloads++) {
      world.changeConfig();
      await world.program.reload();
      await sleep(forMs / 4);
    }
  },
  torn: (world, fault) => killed(world, fault, tear),
  async stop(world, { forMs }) {
    await world.program.stop();
    await sleep(forMs / 4);
    await world.start().ready;
  },
  broker_stop: (world, fault) => brokerDown(world, fault, () => world.broker.takeDown()),
  broker_kill: (world, fault) => brokerDown(world, fault, () => world.broker.kill()),
  async broker_hang({ broker }, { forMs }) {
    await broker.freeze();
    await sleep(2 * forMs);
    await broker.thaw();
  },
  async sink_away({ proxies }, { forMs }) {
    await proxies.sink.close();
    await sleep(forMs);
    await proxies.sink.open();
  },
  sink_slow: (world, fault) => sinkIs(world, fault, 'slow'),
  sink_refuses: (world, fault) => sinkIs(world, fault, 'refuses'),
  sink_lies: (world, fault) => sinkIs(world, fault, 'taken_and_refused'),
  async net_cut({ proxies }, { line, forMs }) {
    for (let leftMs = forMs; leftMs > 0; leftMs -= CUT_EVERY_MS) {
      proxies[line].cut();
      await sleep(CUT_EVERY_MS);
    }
  },
  async net_slow({ proxies }, { line, forMs }) {
    proxies[line].delay(DELAY_MS);
    await sleep(forMs);
    proxies[line].delay(0);
  },
  async net_stuck({ proxies }, { line, forMs }) {
    proxies[line].setStuck(true);
    await sleep(forMs);
    proxies[line].setStuck(false);
  },
  async disk_full({ disk }, { forMs }) {
    if (!disk.isMounted) return;
    disk.fill();
    await sleep(forMs);
    disk.free();
  },
  async clock(world, { stepMs, forMs }) {
    world.setClock(stepMs);
    await sleep(forMs);
    world.setClock(0);
    // Until it has looked.
    await sleep(200);
  },
};

export async function runFault(world: World, fault: Fault): Promise<void> {
  await sleep(fault.atMs);
  world.program.note(`--- ${fault.kind} begins`);
  await FAULTS[fault.kind](world, fault);
  world.program.note(`--- ${fault.kind} is over`);
}

/** Kills it, and then each next one as well, which may not even have started by then. */
async function killed(world: World, { times, forMs }: Fault, between: (world: World) => void): Promise<void> {
  for (let kills = 1; ; kills++) {
    await world.program.kill();
    between(world);
    await sleep(DOWN_MS);
    const { ready } = world.start();
    if (kills === times) return ready;
    ready.catch(() => {});
    await sleep(forMs);
  }
}

/** What a write leaves that the process did not live to finish: nobody was told that it is there. */
function tear({ queueFolder, torn }: World): void {
  if (!existsSync(queueFolder)) return;
  const last = readdirSync(queueFolder).sort().at(-1);
  // No process writes to a file that another one has left: the end of each is torn once.
  if (last === undefined || torn.has(last)) return;
  torn.add(last);
  const path = join(queueFolder, last);
  const request = readFileSync(path).subarray(0, 300);
  const record = Buffer.concat([headerOf('traces', 3, request), request]);
  appendFileSync(path, record.subarray(0, 1 + (readFileSync(path).length % (record.length - 1))));
}

async function brokerDown(world: World, { forMs }: Fault, down: () => Promise<void>): Promise<void> {
  await down();
  await sleep(forMs);
  await world.bringUpBroker();
}

async function sinkIs({ sink }: World, { forMs }: Fault, mode: World['sink']['mode']): Promise<void> {
  sink.mode = mode;
  await sleep(forMs);
  sink.mode = 'takes';
}
