/** (d) Opening a stored mission by a click in the list, against OpenCode's own web interface. */
import type { Browser, Page } from "playwright-core";
import { sleep } from "../../src/base/async.ts";
import { launchBrowser } from "../host/chromium.ts";
import { startEditor, type Editor } from "../host/editor.ts";
import { activityBar, newProfile, openWorkbench, treeRow } from "../host/page.ts";
import { packageExtension } from "../host/built.ts";
import { clickToPaint, heapOf, loadToPaint, watchPaints } from "./paint.ts";
import { format, median, percentile, type Report, type Row } from "./report.ts";
import { makeServerBed, type ServerBed } from "./serverBed.ts";
import { makeSessions, type LongSession } from "./sessions.ts";
import { goHome, openList, sessionRow, sessionUrl, webProfile } from "./webInterface.ts";

const rounds = 3;
const lengths = new Map([
  ["Hundred", 100],
  ["Thousand", 1_000],
  ["Longest", 3_525],
]);
/** What a page does after it was opened, or after the last thing was shown, is over by then. */
const restMs = 1_000;

/** Milliseconds, or bytes of heap, of one way to open a session: ours and theirs in pairs. */
interface Pairs {
  ours: number[];
  theirs: number[];
}

type Way = "first of a window" | "first" | "again" | "cold page" | "heap";

class Samples {
  readonly #pairs = new Map<string, Pairs>();

  of(way: Way, length: number): Pairs {
    const name = `${way} ${String(length)}`;
    const known = this.#pairs.get(name) ?? { ours: [], theirs: [] };
    this.#pairs.set(name, known);
    return known;
  }
}

export async function measureOpening(): Promise<Report> {
  const vsix = packageExtension();
  await using cleanup = new AsyncDisposableStack();
  const bed = cleanup.adopt(await makeServerBed(), (one) => one.close());
  console.error("Making sessions …");
  const sessions = await makeSessions(bed, lengths);
  const env = { OPEN_AGENT_DATA_DIR: bed.bed.data };
  const editor = cleanup.adopt(await startEditor({ extension: { vsix }, env }), (one) => one.stop());
  const browser = cleanup.adopt(await launchBrowser(), (one) => one.close());
  const samples = new Samples();
  for (let round = -1; round < rounds; round++) {
    // Each session is the first one in turn. The round before the first warms up.
    const order = sessions.map((_, index) => sessions[(index + round + sessions.length) % sessions.length]);
    const shown = order.filter((session) => session !== undefined);
    console.error(`Round ${String(round + 1)} of ${String(rounds)} …`);
    await openAll({ browser, editor, bed }, shown, round < 0 ? new Samples() : samples);
  }
  return { rows: rowsOf(samples), method: methodOf() };
}

/** Opens a list of each, and in both each session once and then each again, one right after the other. */
async function openAll(
  { browser, editor, bed }: { browser: Browser; editor: Editor; bed: ServerBed },
  order: readonly LongSession[],
  samples: Samples,
): Promise<void> {
  const ours = await openTree(browser, editor, order);
  const profile = await webProfile(browser, bed);
  const theirs = await openList(profile, bed);
  await sleep(2 * restMs);
  const before = await heapOf(ours);
  let isHome = true;
  const open = async (way: Way, { title, marker, length }: LongSession) => {
    const pair = samples.of(way, length);
    pair.ours.push(await clickToPaint(ours, () => treeRow(ours, title).click(), marker));
    await sleep(restMs);
    if (!isHome) await goHome(theirs);
    if (!isHome) await sleep(restMs);
    isHome = false;
    pair.theirs.push(await clickToPaint(theirs, () => sessionRow(theirs, title).click(), marker));
    await sleep(restMs);
  };
  for (const [index, session] of order.entries()) {
    await open(index === 0 ? "first of a window" : "first", session);
    if (index > 0) continue;
    const heap = samples.of("heap", session.length);
    heap.ours.push((await heapOf(ours)) - before);
    heap.theirs.push(await heapOf(theirs));
  }
  for (let time = 0; time < 2; time++) for (const session of order) await open("again", session);
  await theirs.close();
  for (const { sessionId, marker, length } of order.slice(0, 1)) {
    const page = await profile.newPage();
    await page.goto(sessionUrl(bed, sessionId), { waitUntil: "commit" });
    const cold = samples.of("cold page", length);
    cold.theirs.push(await loadToPaint(page, marker));
    cold.ours.push(samples.of("first of a window", length).ours.at(-1) ?? NaN);
  }
  await profile.close();
  await ours.context().close();
}

/** A window with the tree of missions. */
async function openTree(browser: Browser, editor: Editor, order: readonly LongSession[]): Promise<Page> {
  const profile = await newProfile(browser);
  await watchPaints(profile);
  const page = await openWorkbench(profile, editor);
  await activityBar(page, "Open Agent").click();
  await treeRow(page, order[0]?.title ?? "").waitFor();
  return page;
}

function rowsOf(samples: Samples): Row[] {
  return [...lengths.values()].flatMap((length) => {
    const compare = (what: string, way: Way, limit?: number): Row => {
      const { ours, theirs } = samples.of(way, length);
      const ratio = median(ours.map((one, index) => one / (theirs[index] ?? NaN)));
      const shown = way === "heap" ? megabytes : milliseconds;
      return {
        measure: `d ${length.toLocaleString("en")} messages: ${what}`,
        ...{ ours: shown(ours), theirs: shown(theirs), ratio },
        goal: limit === undefined ? "" : `≤ ${format(limit)}`,
        ...(limit !== undefined && { met: ratio <= limit }),
      };
    };
    return [
      compare("first click", "first", 1 / 3),
      compare("again", "again", 1),
      compare("first click of a window", "first of a window", 1 / 3),
      compare("first click of a window against its cold page", "cold page"),
      compare("heap", "heap", 1),
    ];
  });
}

function milliseconds(values: readonly number[]): string {
  return `${format(median(values))} ms (${format(percentile(values, 0))}–${format(percentile(values, 100))})`;
}

function megabytes(values: readonly number[]): string {
  return `${format(median(values) / 2 ** 20)} MB`;
}

function methodOf(): string[] {
  return [
    "d, data: three real turns of the real OpenCode with a scripted model (prose, code, a table, tools), copied as often as needed in the bench's own OpenCode database while its server was stopped, with ids, times and a few words of their own; ours took the same messages over the REST API by the code of a resync, and was given the ends of the turns.",
    `d, time: in real Chromium, from the pointer's press on the row (Missions tree; its list of sessions) until the last line of the last answer is within the window and painted (a frame callback finds it, then the task after that frame). ${String(rounds)} rounds, each in fresh profiles, list and tree open and at rest, clicks in turns, ours and theirs; medians (least–most), and the median of the pairs' ratios. "First click of a window": nothing was opened in it before, so ours makes its webview and theirs loads its session page; "first click": after another session was shown; "again": after two others were shown.`,
    "d, heap: V8 heap in use after three collections. Theirs: its page after the first session. Ours: the difference that the panel makes, since a webview shares the process and heap of the workbench here.",
  ];
}
