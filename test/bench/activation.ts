/** (a) How long the editor needs to activate the extension, against one that does nothing. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import { launchBrowser } from "../host/chromium.ts";
import { startEditor } from "../host/editor.ts";
import { openWorkbench } from "../host/page.ts";
import { packageExtension } from "../host/built.ts";
import { install, pack, writeExtension } from "./editorBed.ts";
import { limited, median, type Report } from "./report.ts";

const rounds = 10;
const ours = "open-agent.open-agent";
/** One that comes before ours in the editor's list, and one that comes after. */
const empties = ["aaa.empty", "zzz.empty"];

/** Waits until all are active and writes down what the editor's own statistics tell. */
const probeCode = `
const vscode = require("vscode");
const { readFileSync, writeFileSync } = require("node:fs");
const pause = () => new Promise((resolve) => setTimeout(resolve, 100));
exports.activate = async () => {
  const ids = ${JSON.stringify([ours, ...empties])};
  while (!ids.every((id) => vscode.extensions.getExtension(id)?.isActive)) await pause();
  await vscode.commands.executeCommand("perfview.show");
  for (;;) {
    const texts = vscode.workspace.textDocuments.map((document) => document.getText());
    const text = texts.find((one) => one.includes("Extension Activation Stats"));
    if (text) return writeFileSync(readFileSync(process.env.BENCH_PROBE, "utf8"), text);
    await pause();
  }
};
`;

export async function measureActivation(): Promise<Report> {
  const vsix = packageExtension();
  const work = mkdtempSync(join(tmpdir(), "bench-activation-"));
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => {
    rmSync(work, { recursive: true, force: true });
  });
  const extensions = join(work, "extensions");
  const packages = [];
  for (const id of empties) {
    const [publisher] = id.split(".");
    const manifest = { name: "empty", publisher, activationEvents: ["onStartupFinished"] };
    writeExtension(join(work, id), { manifest, code: "exports.activate = () => undefined;" });
    packages.push(await pack(join(work, id)));
  }
  await install([vsix, ...packages], extensions);
  activateAtStart(extensions);
  const probe = join(work, "probe");
  writeExtension(probe, { manifest: { name: "probe", activationEvents: ["onStartupFinished"] }, code: probeCode });
  const target = join(work, "target");
  const editor = cleanup.adopt(
    await startEditor({ extension: { folder: probe }, extensions, env: { BENCH_PROBE: target } }),
    (one) => one.stop(),
  );
  const browser = cleanup.adopt(await launchBrowser(), (one) => one.close());
  const found = { ours: [] as Activation[], empty: [] as Activation[] };
  for (let round = 0; round <= rounds; round++) {
    const path = join(work, `round-${String(round)}`);
    writeFileSync(target, path);
    const page = await openWorkbench(browser, editor);
    await waitUntil(() => existsSync(path), 30_000, 50);
    await page.context().close();
    if (!existsSync(path)) throw new Error("The editor told nothing of its extensions.");
    const text = readFileSync(path, "utf8");
    // The first window of a server compiles what later ones find ready.
    if (round === 0) continue;
    found.ours.push(activationOf(text, ours));
    for (const id of empties) found.empty.push(activationOf(text, id));
  }
  const total = (all: Activation[]) => mean(all.map(({ load, call, finish }) => load + call + finish));
  const parts = (all: Activation[]) =>
    (["load", "call", "finish"] as const).map((part) => String(median(all.map((one) => one[part])))).join(" + ");
  return {
    rows: [limited("a activation at the start of a window", total(found.ours), total(found.empty), "ms", 2)],
    method: [
      `a: the editor's own "Startup Performance": Load Code + Call Activate + Finish Activate (medians: ours ${parts(found.ours)}, empty ${parts(found.empty)} ms). The package is given the activation event onStartupFinished, which ours lacks, so that it and two empty extensions (one before and one after it in the editor's list) start by the same event in the same host. Means of ${String(rounds)} windows, each a fresh extension host; the editor counts whole milliseconds.`,
    ],
  };
}

/** Changes the installed package: it has no event by which it would start by itself. */
function activateAtStart(extensions: string): void {
  const folder = readdirSync(extensions).find((name) => name.startsWith(ours)) ?? "";
  const path = join(extensions, folder, "package.json");
  const manifest = JSON.parse(readFileSync(path, "utf8")) as object;
  writeFileSync(path, JSON.stringify({ ...manifest, activationEvents: ["onStartupFinished"] }));
}

interface Activation {
  load: number;
  call: number;
  finish: number;
}

/** Reads `| id | Eager | Load Code | Call Activate | Finish Activate | … |`. */
function activationOf(text: string, id: string): Activation {
  const line = text.split("\n").find((one) => one.startsWith(`| ${id} `));
  const cells = line?.split("|").map((cell) => cell.trim()) ?? [];
  const [load = NaN, call = NaN, finish = NaN] = cells.slice(3, 6).map(Number);
  if ([load, call, finish].some(Number.isNaN)) throw new Error(`The editor tells of ${id}: ${line ?? "nothing"}`);
  return { load, call, finish };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
