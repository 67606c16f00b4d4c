/** (c) From the model's delta to its paint in the panel, against OpenCode's own web interface on the same stream. */
import type { Browser, Frame, Page } from "playwright-core";
import { sleep, waitUntil } from "../../src/base/async.ts";
import { fields, text } from "../../src/base/fields.ts";
import { script } from "../fake/bed.ts";
import { launchBrowser } from "../host/chromium.ts";
import { startEditor, type Editor } from "../host/editor.ts";
import { activityBar, answerQuickInput, openWorkbench, runCommand, treeRow, webviewFrame } from "../host/page.ts";
import { packageExtension } from "../host/built.ts";
import { format, percentile, type Report, type Row } from "./report.ts";
import { authorization, makeServerBed, type ServerBed } from "./serverBed.ts";
import { makeSessions } from "./sessions.ts";
import { sessionUrl, webProfile } from "./webInterface.ts";

const rounds = 4;
/** Deltas in a round, and milliseconds between two. */
const [count, pause] = [250, 25];
const title = "Stream";

/** Epoch milliseconds of something by the time at which the model sent the delta. */
type Times = Map<string, number>;

export async function measureDeltas(): Promise<Report> {
  const vsix = packageExtension();
  await using cleanup = new AsyncDisposableStack();
  const bed = cleanup.adopt(await makeServerBed(), (one) => one.close());
  const [session] = await makeSessions(bed, new Map([[title, 8]]));
  if (!session) throw new Error("There is no session.");
  const env = { OPEN_AGENT_DATA_DIR: bed.bed.data };
  const settings = { "openAgent.opencode.url": bed.connection.url };
  const editor = cleanup.adopt(await startEditor({ extension: { vsix }, env, settings }), (one) => one.stop());
  const browser = cleanup.adopt(await launchBrowser(), (one) => one.close());
  const panel = await openPanel(browser, editor, bed);
  const web = await (await webProfile(browser, bed)).newPage();
  await web.goto(sessionUrl(bed, session.sessionId));
  await web.getByText(session.marker).first().waitFor();
  await sleep(1_500);
  const latencies = { ours: [] as number[], theirs: [] as number[], stream: [] as number[] };
  for (let round = -1; round < rounds; round++) {
    const found = await oneTurn(bed, panel, web);
    if (round < 0) continue;
    for (const [sent, arrived] of found.arrived) {
      latencies.stream.push(arrived - Number(sent));
      for (const who of ["ours", "theirs"] as const) {
        const painted = found[who].get(sent);
        if (painted !== undefined) latencies[who].push(painted - arrived);
      }
    }
  }
  const row = (percent: number, goal: boolean): Row => {
    const [ours, theirs] = [percentile(latencies.ours, percent), percentile(latencies.theirs, percent)];
    const shown = (value: number) => `${format(value)} ms`;
    const measure = `c delta arrived → painted, p${String(percent)}`;
    const ratio = ours / theirs;
    return {
      measure,
      ours: shown(ours),
      theirs: shown(theirs),
      ratio,
      goal: goal ? "≤ 1" : "",
      ...(goal && { met: ratio <= 1 }),
    };
  };
  const stream = [50, 95].map((percent) => format(percentile(latencies.stream, percent))).join(" / ");
  const seen = [latencies.ours, latencies.theirs].map((all) => String(all.length)).join(" and ");
  return {
    rows: [row(50, false), row(95, true)],
    method: [
      `c: one OpenCode server, one session, both pages open in one Chromium. The scripted model sends ${String(count)} deltas a round, one each ${String(pause)} ms, each holding its time; a raw reader of the same server's /event notes the arrival (${stream} ms p50 / p95 after the sending); in both pages a MutationObserver and the task after the frame that holds the change note when the delta is painted. ${String(rounds)} rounds, ${seen} of ${String(rounds * count)} deltas seen.`,
    ],
  };
}

/** The session's panel, with the extension attached to the server. */
async function openPanel(browser: Browser, editor: Editor, { connection }: ServerBed): Promise<Frame> {
  const page = await openWorkbench(browser, editor);
  await activityBar(page, "Open Agent").click();
  await treeRow(page, title).waitFor();
  await runCommand(page, "Open Agent: Enter Password of OpenCode Server…");
  await answerQuickInput(page, connection.password);
  await treeRow(page, title).click();
  return webviewFrame(page, ".composer textarea");
}

interface Turn {
  arrived: Times;
  ours: Times;
  theirs: Times;
}

/** Sends a message in the panel and follows the answer in three places. */
async function oneTurn(bed: ServerBed, panel: Frame, web: Page): Promise<Turn> {
  const reader = await readStream(bed);
  for (const page of [panel, web]) await page.evaluate(watchStamps);
  const flood = { n: count, size: 0, every: 1, delay: pause, stamp: true };
  await panel.fill(".composer textarea", script({ flood }));
  await panel.press(".composer textarea", "Enter");
  await waitUntil(() => reader.times.size >= count, 30_000 + count * pause, 50);
  const shown = () => Promise.all([panel, web].map((page) => page.evaluate(() => window.benchStamps ?? [])));
  let stamps = await shown();
  // On a busy machine a page may lag far behind.
  for (const end = Date.now() + 20_000; stamps.some(({ length }) => length < count) && Date.now() < end;) {
    await sleep(250);
    stamps = await shown();
  }
  reader.stop();
  const [ours, theirs] = stamps;
  // The turn ends half a second after the server is idle.
  await sleep(1_500);
  return { arrived: reader.times, ours: new Map(ours), theirs: new Map(theirs) };
}

declare global {
  interface Window {
    benchStamps?: [string, number][];
    benchObserver?: MutationObserver;
  }
}

/** Runs in a page: notes each stamp of the model when the frame that first shows it is painted. */
function watchStamps(): void {
  const seen = new Set<string>();
  const found: [string, number][] = [];
  window.benchStamps = found;
  window.benchObserver?.disconnect();
  const channel = new MessageChannel();
  /** Changed since the last frame; changed before the paint of the frame that is being made. */
  let [waiting, painting] = [new Set<Node>(), new Set<Node>()];
  let inFrame = false;
  const stampsIn = (nodes: Iterable<Node>) =>
    [...nodes].flatMap((node) => (node.textContent ?? "").match(/\d{13}(?:\.\d+)?(?=\|)/g) ?? []);
  // What earlier turns left does not count.
  for (const stamp of stampsIn([document.body])) seen.add(stamp);
  window.benchObserver = new MutationObserver((records) => {
    for (const { target } of records) (inFrame ? painting : waiting).add(target);
  });
  channel.port1.onmessage = () => {
    const now = performance.timeOrigin + performance.now();
    inFrame = false;
    for (const stamp of stampsIn(painting)) {
      if (!seen.has(stamp)) found.push([stamp, now]);
      seen.add(stamp);
    }
    painting = new Set();
  };
  const frame = () => {
    if (window.benchStamps !== found) return;
    inFrame = true;
    [painting, waiting] = [waiting, painting];
    // A task that is posted in a frame runs after its paint.
    channel.port2.postMessage(0);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  window.benchObserver.observe(document.body, { childList: true, characterData: true, subtree: true });
}

/** Follows the server's events as bytes, and nothing more. */
async function readStream({ bed, connection }: ServerBed): Promise<{ times: Times; stop(): void }> {
  const times: Times = new Map();
  const abort = new AbortController();
  const url = `${connection.url}/event?directory=${encodeURIComponent(bed.project)}`;
  const response = await fetch(url, { headers: { authorization: authorization(connection) }, signal: abort.signal });
  const read = async () => {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of response.body as AsyncIterable<Uint8Array>) {
      const now = performance.timeOrigin + performance.now();
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (!line.includes("message.part.delta")) continue;
        const event = fields(JSON.parse(line.replace(/^data: /, "")));
        const delta = text(fields(event["properties"])["delta"]);
        for (const stamp of delta.match(/\d{13}(?:\.\d+)?(?=\|)/g) ?? []) times.set(stamp, now);
      }
    }
  };
  read().catch((error: unknown) => {
    if (!abort.signal.aborted) throw error;
  });
  return {
    times,
    stop: () => {
      abort.abort();
    },
  };
}
