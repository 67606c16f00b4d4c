import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sleep, waitUntil } from "../../src/base/async.ts";
import { isAlive, processesWith } from "../../src/base/processes.ts";
import { isRunning, type MissionHead } from "../../src/protocol/mission.ts";
import type { Message } from "../../src/protocol/transcript.ts";
import { bash, script } from "../fake/bed.ts";
import { faults, type Fault } from "./faults.ts";
import { randomFrom, type Random } from "./random.ts";
import type { World } from "./world.ts";

export interface RoundResult {
  seed: number;
  faults: string[];
  /** Why the round did not end as it must; undefined when it did. */
  problem?: string;
}

const settleLimitMs = 90_000;

/** Some missions with some messages each, and some faults at random instants. The same seed plans the same round. */
export async function playRound(world: World, seed: number): Promise<RoundResult> {
  const random = randomFrom(seed);
  const plan = planRound(world, random, seed);
  const result = { seed, faults: plan.strikes.map(({ fault }) => fault.name) };
  try {
    const missions = await Promise.all(plan.missions.map((texts) => begin(world, texts)));
    const striking = strike(world, plan.strikes, random);
    await Promise.all(missions.map((mission, index) => sendRest(world, mission, plan.missions[index] ?? [])));
    await striking;
    await settled(world, missions);
    await world.command("startServer", {});
    for (const [index, mission] of missions.entries()) await checkMission(world, mission, plan.markers[index] ?? []);
    await checkMachine(world);
    return result;
  } catch (error) {
    return { ...result, problem: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

interface Plan {
  missions: string[][];
  markers: string[][];
  strikes: { fault: Fault; afterMs: number }[];
}

function planRound(world: World, random: Random, seed: number): Plan {
  const markers = Array.from({ length: random.between(1, 3) }, (_, mission) =>
    Array.from(
      { length: random.between(1, 3) },
      (_, message) => `m${String(seed)}-${String(mission)}-${String(message)}`,
    ),
  );
  const missions = markers.map((of) => of.map((marker) => messageWith(marker, random)));
  const possible = faults.filter(({ kinds }) => kinds.includes(world.kind));
  const strikes = Array.from({ length: random.between(1, 3) }, () => ({
    fault: random.pick(possible),
    afterMs: random.between(0, 2_500),
  }));
  return { missions, markers, strikes };
}

/** A message whose turn speaks, leaves a line in a file, and speaks again. */
function messageWith(marker: string, random: Random): string {
  const pause = (random.between(0, 12) / 10).toFixed(1);
  const words = `${marker} `.repeat(random.between(5, 60));
  return `${marker}\n${script(
    { text: words, chunk: 9, delay: random.between(0, 15), ...bash(`echo ${marker} >> ../executed; sleep ${pause}`) },
    { text: `The end of ${marker}.` },
  )}`;
}

async function begin(world: World, texts: readonly string[]): Promise<string> {
  for (;;) {
    const made = (await world.ask("/api/control/missions", { title: texts[0]?.split("\n")[0] })) as
      { id?: string } | undefined;
    if (made?.id !== undefined) {
      await send(world, made.id, texts[0] ?? "");
      return made.id;
    }
    await sleep(200);
  }
}

async function sendRest(world: World, missionId: string, texts: readonly string[]): Promise<void> {
  for (const text of texts.slice(1)) await send(world, missionId, text);
}

/** Sends a message as a careful client does: when it is not known whether it was heard, it looks. */
async function send(world: World, missionId: string, content: string): Promise<void> {
  for (const end = Date.now() + settleLimitMs; Date.now() < end;) {
    if ((await world.ask("/api/control/message", { mission_id: missionId, content })) !== undefined) return;
    await sleep(500);
    if (texts(world, missionId).includes(content)) return;
  }
  throw new Error("A message could not be sent.");
}

/** All that the user said to the mission, waiting or not. */
function texts(world: World, missionId: string): string[] {
  const { view } = world.store.snapshot(missionId, 1_000);
  const said = view.transcript.messages.filter(({ role }) => role === "user").flatMap(spoken);
  return [...said, ...view.head.pending.map(({ text }) => text)];
}

function spoken(message: Message): string[] {
  return message.parts.flatMap((part) => (part.kind === "text" ? [part.text] : []));
}

async function strike(world: World, strikes: Plan["strikes"], random: Random): Promise<void> {
  for (const { fault, afterMs } of strikes) {
    await sleep(afterMs);
    await fault.strike(world, random);
  }
}

async function settled(world: World, missions: readonly string[]): Promise<void> {
  const isDone = (head: MissionHead) => !isRunning(head) && head.pending.length === 0;
  const done = () => missions.every((id) => isDone(world.store.head(id)));
  for (const end = Date.now() + settleLimitMs; !done() && Date.now() < end;) {
    await waitUntil(done, 3_000);
    // A launch that failed waits for the user, who tries again.
    for (const id of missions) {
      const { status, pending, runState } = world.store.head(id);
      if (status === "failed" && pending.length > 0 && runState === "idle")
        await world.command("resumeMission", { missionId: id });
    }
  }
  const stuck = missions.map((id) => world.store.head(id)).filter((head) => !isDone(head));
  assert.deepEqual(stuck, [], "no mission is stuck");
}

interface HeldMessage {
  info: { id: string; role: string };
  parts: { type: string; id: string; text?: string; state?: { status: string; output?: string } }[];
}

async function checkMission(world: World, missionId: string, markers: readonly string[]): Promise<void> {
  const { view } = world.store.snapshot(missionId, 1_000);
  const held = await heldMessages(world, view.head);
  const stored = view.transcript.messages;
  assert.deepEqual(
    stored.map(({ id, role }) => ({ id, role })),
    held.map(({ info }) => ({ id: info.id, role: info.role })),
    "the store has the messages that the server has",
  );
  const asked = stored.filter(({ role }) => role === "user").map((message) => spoken(message)[0]?.split("\n")[0]);
  assert.deepEqual(asked, markers, "every message was sent once and in order");
  for (const [index, message] of stored.entries()) checkParts(message, held[index]?.parts ?? []);
  const path = join(world.bed.root, "executed");
  const executed = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  for (const marker of markers) {
    const times = executed.filter((line) => line === marker).length;
    const finished = stored.some((message) => spoken(message).includes(`The end of ${marker}.`));
    assert.ok(times === 1 || (times === 0 && !finished), `${marker} was executed ${String(times)} times`);
  }
  const seqs = world.store.events(missionId).map(({ seq }) => seq);
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((one, other) => one - other),
    "seqs strictly increase",
  );
}

/** What is finished at the server is the same in the store; what it lost in the middle may be longer there. */
function checkParts(message: Message, held: HeldMessage["parts"]): void {
  for (const part of held) {
    const own = message.parts.find(({ id }) => id === part.id);
    if (part.type === "text" && part.text !== undefined && own?.kind === "text")
      assert.ok(own.text === part.text || (part.text === "" && own.done), `the text of ${part.id}`);
    else if (part.type === "text" && part.text !== undefined && part.text !== "")
      assert.fail(`the text ${part.id} is missing`);
    if (part.type !== "tool") continue;
    assert.ok(own?.kind === "tool", `the call ${part.id} is missing`);
    const ended = part.state?.status === "completed" || part.state?.status === "error";
    assert.equal(own.state, ended ? part.state?.status : "interrupted", `the state of ${part.id}`);
  }
}

async function heldMessages(world: World, head: MissionHead): Promise<HeldMessage[]> {
  const query = `directory=${encodeURIComponent(head.directory)}`;
  for (let attempt = 0; ; attempt++) {
    const server = world.server();
    if (!server || head.sessionId === undefined) throw new Error("There is no server to compare with.");
    try {
      const response = await fetch(`${server.url}/session/${head.sessionId}/message?${query}`, {
        headers: { authorization: server.authorization },
      });
      return (await response.json()) as HeldMessage[];
    } catch (error) {
      // It may have been killed a moment ago, and is started again.
      if (attempt === 20) throw error;
      await sleep(500);
      await world.command("startServer", {});
    }
  }
}

/** No process is left behind, and nobody complained of a lock. */
async function checkMachine(world: World): Promise<void> {
  if (world.kind === "own") {
    const database = join(world.bed.data, "opencode", "opencode.db");
    const pid = world.bed.serverPid();
    const isOver = async () => {
      const servers = await processesWith("OPENCODE_DB", database);
      const foreign: number[] = [];
      for (const one of servers) if (one !== pid && isAlive(one) && !(await belongsTo(one, pid))) foreign.push(one);
      return foreign;
    };
    let left = await isOver();
    for (let attempt = 0; left.length > 0 && attempt < 20; attempt++) {
      await sleep(250);
      left = await isOver();
    }
    assert.deepEqual(left, [], "no process is left behind");
  }
  const complaints = world.processes
    .flatMap(({ log }) => log)
    .filter((line) => /SQLITE_BUSY|database is locked/.test(line));
  assert.deepEqual(complaints, [], "nobody complained of a lock");
}

async function belongsTo(pid: number, server: number | undefined): Promise<boolean> {
  return server !== undefined && (await processesWith("OPENCODE_PID", String(server))).includes(pid);
}
