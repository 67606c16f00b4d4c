/** (f) What many missions that stream at once cost the page that shows one of them, and the process that runs them. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Frame } from "playwright-core";
import { sleep, waitUntil } from "../../src/base/async.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import { readLeaderRecord } from "../../src/orchestrator/endpoint.ts";
import { makeBed, opencodeBinary, script, until, untilTurns, type Bed } from "../fake/bed.ts";
import { launchBrowser } from "../host/chromium.ts";
import { startEditor } from "../host/editor.ts";
import { openWorkbench, runCommand, treeRow, webviewFrame } from "../host/page.ts";
import { packageExtension } from "../host/built.ts";
import { processorTime } from "./processorTime.ts";
import { format, type Report, type Row } from "./report.ts";

const counts = [1, 10, 50];
/** Deltas of a mission, characters in each, and milliseconds between two. */
const [deltas, size, pause] = [200, 24, 40];
/** All turns have this long to end, in ms. */
const limitMs = 180_000;

interface Found {
  count: number;
  /** Bytes to the page for each byte of the model in the mission that it shows. */
  page: number;
  /** Microseconds of the extension host's processor time for each byte of the model, in all missions. */
  processor: number;
  /** Longest tasks of the page, in ms: only those over 50. */
  longTasks: number[];
  seconds: number;
}

export async function measureParallel(): Promise<Report> {
  const vsix = packageExtension();
  await using cleanup = new AsyncDisposableStack();
  const bed = cleanup.adopt(await makeBed(), (one) => one.close());
  const settings = { "openAgent.opencode.path": opencodeBinary, "openAgent.maxParallelMissions": Math.max(...counts) };
  const env = { HOME: bed.home, OPEN_AGENT_DATA_DIR: bed.data };
  const options = { extension: { vsix }, workspace: bed.project, env, settings };
  const editor = cleanup.adopt(await startEditor(options), (one) => one.stop());
  const browser = cleanup.adopt(await launchBrowser(), (one) => one.close());
  const page = await openWorkbench(browser, editor);
  await runCommand(page, "Open Agent: Show Missions");
  await waitUntil(() => readLeaderRecord(bed.paths.leaderRecord) !== undefined, 60_000, 50);
  // Older than the extension, so that it does not take the lead from it.
  const core = bed.core({ build: "0.0.0", maxParallelMissions: Math.max(...counts) });
  const show = async (title: string) => {
    await treeRow(page, title).first().click({ timeout: 60_000 });
    return webviewFrame(page, async (frame) => (await frame.locator("h1").allInnerTexts())[0] === title, 60_000);
  };
  const found: Found[] = [];
  // The first round warms up.
  for (const [round, count] of [1, ...counts].entries()) found.push(await measure(bed, core, count, round, show));
  return reportOf(found.slice(1));
}

async function measure(
  bed: Bed,
  core: Core,
  count: number,
  round: number,
  show: (title: string) => Promise<Frame>,
): Promise<Found> {
  const gate = join(bed.root, "gate");
  rmSync(gate, { force: true });
  const stream = { text: "ready, go", gate, flood: { n: deltas, size, every: 1, delay: pause } };
  const ids: string[] = [];
  const titleOf = (index: number) => `Round ${String(round)}, mission ${String(index)} of ${String(count)}`;
  for (let index = 0; index < count; index++) {
    const title = titleOf(index);
    const { id } = await core.run("createEmptyMission", { title, directory: bed.project });
    await core.run("sendMessage", { missionId: id, text: script(stream) });
    ids.push(id);
  }
  for (const id of ids)
    await until(
      core,
      id,
      () => JSON.stringify(core.store.snapshot(id, 5).view.transcript).includes('"text":"read'),
      limitMs,
    );
  // The newest stands on top of the tree, which draws only what is in view.
  const panel = await show(titleOf(count - 1));
  await sleep(2_000);
  await panel.evaluate(watchPage);
  const leader = readLeaderRecord(bed.paths.leaderRecord)?.pid ?? 0;
  const [began, spent] = [performance.now(), processorTime(leader).own];
  writeFileSync(gate, "");
  for (const id of ids) await untilTurns(core, id, 1, limitMs);
  const modelBytes = deltas * size;
  const processor = ((processorTime(leader).own - spent) * 1_000) / (modelBytes * count);
  const seconds = (performance.now() - began) / 1_000;
  await sleep(1_500);
  const { bytes, longTasks } = await panel.evaluate(() => window.benchPage ?? { bytes: NaN, longTasks: [] });
  return { count, page: bytes / modelBytes, processor, longTasks, seconds };
}

declare global {
  interface Window {
    benchPage?: { bytes: number; longTasks: number[] };
  }
}

/** Runs in the page of the panel: counts what it is sent, and its long tasks. */
function watchPage(): void {
  const seen = { bytes: 0, longTasks: [] as number[] };
  window.benchPage = seen;
  window.addEventListener("message", ({ data }) => {
    if (window.benchPage === seen) seen.bytes += new TextEncoder().encode(JSON.stringify(data)).length;
  });
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) seen.longTasks.push(duration);
  }).observe({ type: "longtask" });
}

function reportOf(found: readonly Found[]): Report {
  const [alone] = found;
  const row = (one: Found, what: string, unit: string, value: (of: Found) => number): Row => {
    const [ours, theirs] = [value(one), alone ? value(alone) : NaN];
    const shown = (number: number) => `${format(number)} ${unit}`;
    const measure = `f ${String(one.count)} at once: ${what}`;
    return { measure, ours: shown(ours), theirs: shown(theirs), ratio: ours / theirs, goal: "" };
  };
  const rows = found.flatMap((one) => [
    row(one, "to the page per model byte", "B", ({ page }) => page),
    row(one, "extension host per model byte", "µs", ({ processor }) => processor),
  ]);
  const tasks = found.map(({ count, longTasks, seconds }) => {
    const longest = longTasks.length === 0 ? "" : `, the longest ${format(Math.max(...longTasks))} ms`;
    return `${String(count)}: ${String(longTasks.length)} long tasks${longest}, in ${format(seconds)} s`;
  });
  return {
    rows,
    method: [
      `f: one window leads and shows one mission while 1, 10 and 50 stream ${String(deltas)} deltas of ${String(size)} characters each, one each ${String(pause)} ms, let go at the same moment. "Theirs" is one mission alone. Counted in the panel's page: the bytes of its messages as JSON, and tasks over 50 ms (${tasks.join("; ")}). The processor time is that of the extension host, which takes in and stores all of them.`,
    ],
  };
}
