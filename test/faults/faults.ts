import { sleep } from "../../src/base/async.ts";
import { isAlive } from "../../src/base/processes.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

/** Something that goes wrong. It leaves the world so that it can work again, though not as it was. */
export interface Fault {
  name: string;
  kinds: readonly World["kind"][];
  strike(world: World, random: Random): Promise<void>;
}

const both = ["own", "attached"] as const;
const promptRequest = /^POST \S*\/prompt_async/;

export const faults: readonly Fault[] = [
  { name: "the leader is killed", kinds: both, strike: (world) => replace(world, "leader") },
  { name: "a follower is killed", kinds: both, strike: (world) => replace(world, "follower") },
  {
    name: "all processes are killed",
    kinds: both,
    strike: async (world, random) => {
      for (const one of [...world.processes]) await world.kill(one);
      await sleep(random.between(0, 1_500));
      await world.start();
      await world.start();
    },
  },
  { name: "OpenCode is killed", kinds: ["own"], strike: (world) => killServer(world) },
  {
    name: "OpenCode and the leader are killed",
    kinds: ["own"],
    strike: async (world) => {
      await killServer(world);
      await replace(world, "leader");
    },
  },
  {
    name: "the disk is full for a while",
    kinds: ["own"],
    strike: async (world, random) => {
      world.disk?.fill();
      await sleep(random.between(300, 2_000));
      world.disk?.free();
    },
  },
  {
    name: "the clock jumps",
    kinds: both,
    strike: (world, random) => {
      world.shiftClock(random.pick([-3_600_000, -5_000, 5_000, 3_600_000]));
      return Promise.resolve();
    },
  },
  { name: "the connections are cut", kinds: ["attached"], strike: (world) => Promise.resolve(world.proxy?.cut()) },
  {
    name: "the network is away",
    kinds: ["attached"],
    strike: async (world, random) => {
      world.proxy?.refuse(true);
      world.proxy?.cut();
      await sleep(random.between(200, 2_500));
      world.proxy?.refuse(false);
    },
  },
  {
    name: "the network is frozen, then cut",
    kinds: ["attached"],
    strike: async (world, random) => {
      world.proxy?.freeze();
      await sleep(random.between(200, 2_000));
      world.proxy?.cut();
      world.proxy?.thaw();
    },
  },
  ...(["split", "twice", "garbage"] as const).map((how): Fault => ({
    name: `the event stream comes ${how === "split" ? "in tiny pieces" : how === "twice" ? "twice" : "with garbage in it"}`,
    kinds: ["attached"],
    strike: async (world, random) => {
      world.proxy?.mangle(how);
      await sleep(random.between(300, 1_500));
      world.proxy?.mangle(undefined);
      // Where bytes came twice the stream is out of step and may say nothing more.
      world.proxy?.cut();
    },
  })),
  {
    name: "a prompt is lost on its way",
    kinds: ["attached"],
    strike: (world) => Promise.resolve(world.proxy?.dropRequest(promptRequest)),
  },
  {
    name: "the answer to a prompt is lost",
    kinds: ["attached"],
    strike: (world) => Promise.resolve(world.proxy?.swallowAnswer(promptRequest)),
  },
];

/** Kills a process of this role and starts another in its place. */
async function replace(world: World, role: "leader" | "follower"): Promise<void> {
  const leader = world.leader();
  const victim = role === "leader" ? leader : world.processes.find((one) => one !== leader);
  if (victim) await world.kill(victim);
  await world.start();
}

async function killServer(world: World): Promise<void> {
  const pid = world.bed.serverPid();
  if (pid !== undefined && isAlive(pid)) process.kill(pid, "SIGKILL");
  await sleep(50);
}
