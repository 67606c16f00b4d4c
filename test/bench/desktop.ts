/** (j) What it costs to watch a desktop, and how soon what happens is seen, against the original's way. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sleep, waitUntil } from "../../src/base/async.ts";
import { Broker, type Visibility } from "../../src/desktop/broker.ts";
import { endDisplay, holdDisplay, startDisplay, type Display } from "../../src/desktop/display.ts";
import { hasKeyboard, missingPrograms } from "../fake/desktop.ts";
import { ImportLoop } from "./importLoop.ts";
import { processorTime } from "./processorTime.ts";
import { format, limited, median, percentile, type Report, type Row } from "./report.ts";
import { RfbPage } from "./rfbPage.ts";
import { XWindow } from "./xWindow.ts";

/** The programs that are needed, and the Debian packages they are in. */
const needed: Readonly<Record<string, string>> = {
  Xtigervnc: "tigervnc-standalone-server",
  openbox: "openbox",
  xterm: "xterm",
  xprop: "x11-utils",
  import: "imagemagick",
  xdotool: "xdotool",
};
const scenes = ["idle", "typing", "scroll", "video"] as const;
type Scene = (typeof scenes)[number];
/** Who watches, from nobody on. The second of ours is in view, and something else has the attention. */
const ways = ["nobody", "ours", "ours in view", "theirs"] as const;
type Way = (typeof ways)[number];
/** Where little changes, there is nothing to be saved by asking less often. */
const waysOf = (scene: Scene) =>
  ways.filter((way) => way !== "ours in view" || scene === "scroll" || scene === "video");
const [rounds, watchedMs, settleMs] = [2, 4000, 1000];
const changes = 40;
const area = { x: 500, y: 250, width: 240, height: 180 };
/** Colours that nothing else in the desktop has. */
const colours = [0xc83c1e, 0x1e8cc8, 0x3cc85a, 0xb428c8];

/** Of some time: percent of a core at the X server and in the pipeline, and bytes and pictures a second. */
interface Cost {
  server: number;
  pipeline: number;
  bytes: number;
  pictures: number;
}

/** A viewer, ours or theirs. */
interface Watching {
  /** Resolves with the moment when the colour has been seen. */
  sees: (colour: number) => Promise<number>;
  click: () => void;
}

interface Latencies {
  change: number[];
  click: number[];
}

export async function measureDesktop(): Promise<Report> {
  const missing = missingPrograms(...Object.keys(needed));
  if (missing.length > 0) return { rows: [], method: [leftOut(missing)] };
  const load = format(loadavg()[0] ?? NaN);
  await using cleanup = new AsyncDisposableStack();
  const root = mkdtempSync(join(tmpdir(), "desk-"));
  cleanup.defer(() => rmSync(root, { recursive: true, force: true }));
  const folder = join(root, "d");
  const display = await startDisplay({ folder, width: 1280, height: 720, graceSeconds: 0 });
  cleanup.defer(() => endDisplay(folder));
  const hold = await holdDisplay(folder);
  cleanup.defer(() => hold?.dispose());
  const broker = cleanup.adopt(new Broker(display, folder), (one) => one.dispose());
  const bench = {
    display,
    folder,
    broker,
    env: { ...process.env, DISPLAY: display.name, XAUTHORITY: display.authority },
  };
  // A window that comes while the window manager begins may be left alone by it.
  await waitUntil(
    () => execFileSync("xprop", ["-root"], { env: bench.env }).includes("_NET_SUPPORTING_WM_CHECK"),
    15_000,
  );
  await sleep(settleMs);
  const costs = new Map<Scene, Map<Way, Cost[]>>();
  for (let round = 0; round < rounds; round++)
    for (const scene of scenes) {
      console.error(`Round ${String(round + 1)} of ${String(rounds)}: ${scene} …`);
      const found = costs.get(scene) ?? new Map<Way, Cost[]>();
      costs.set(scene, found);
      const end = await begin(bench, scene);
      for (const way of waysOf(scene)) found.set(way, [...(found.get(way) ?? []), await watch(bench, way)]);
      await end();
    }
  console.error("Changes and clicks …");
  const [ours, theirs] = await latencies(bench);
  const after = format(loadavg()[0] ?? NaN);
  return {
    rows: [...scenes.flatMap((scene) => costRows(scene, costs.get(scene))), ...latencyRows(ours, theirs)],
    method: [
      `j: one display of 1280x720 (Xtigervnc, openbox), watched by nobody, by ours and by theirs in turn, ${format(watchedMs / 1000)} s each, mean of ${String(rounds)} rounds. Load of the machine before ${load}, after ${after}.`,
      `Ours is the broker and a viewer that behaves like noVNC: Tight of quality 6, acknowledged at once, the next picture asked for after each. Theirs is a loop: xdotool for what was clicked, then \`import -window root -quality 70 jpeg:-\`, a process for each picture, then 100 ms of sleep. "In view" is ours where something else has the attention, which asks for a picture each 66 ms at most.`,
      `The processor time, of one core, is that of the X server above what it takes with nobody watching, and of the pipeline: for ours all of this process, with the viewer's reading; for theirs the processes of import alone, without the server that starts them. No viewer draws.`,
      `Scenes: an xterm full of text; an xterm into which ten keys a second are typed; one that writes 60 lines a second; a window of 640x360 that changes 30 times a second.`,
      `Latency, of ${String(changes)} each: from a request to X to fill a window of ${String(area.width)}x${String(area.height)}, or from a click on a window that then fills itself, to the end of the picture that shows it. Theirs without the 180 ms for which its client holds a click back, and without the freeze of \`mousemove --sync\`.`,
    ],
  };
}

interface Bench {
  display: Display;
  folder: string;
  broker: Broker;
  env: NodeJS.ProcessEnv;
}

/** Begins a scene; what is returned ends it. */
async function begin({ folder, env }: Bench, scene: Scene): Promise<() => Promise<void>> {
  const program = fileURLToPath(new URL("./desktopScene.ts", import.meta.url));
  const terminal = (...words: string[]) => ["xterm", "-T", scene, "-geometry", "210x53+0+0", "-e", ...words];
  const commands: Record<Scene, string[][]> = {
    idle: [terminal("sh", "-c", "ls -l /usr/bin | head -n 300 | column -c 200; cat")],
    typing: [terminal("cat")],
    scroll: [terminal(process.execPath, program, "scroll")],
    video: [[process.execPath, program, "video", folder]],
  };
  const start = ([command = "", ...args]: readonly string[]) => {
    const child = spawn(command, args, { env, stdio: "ignore" });
    const ended = new Promise((resolve) => child.once("close", resolve));
    return async () => {
      child.kill();
      await ended;
    };
  };
  const ends = commands[scene].map(start);
  if (scene !== "video") await hasKeyboard(scene, env);
  if (scene === "typing") ends.push(start([process.execPath, program, "type", folder]));
  await sleep(settleMs);
  return async () => {
    for (const end of ends.reverse()) await end();
    await sleep(settleMs);
  };
}

async function watch({ display, broker, env }: Bench, way: Way): Promise<Cost> {
  const measure = async (pipeline: () => number, counted: () => { bytes: number; pictures: number }) => {
    const look = () => ({
      at: performance.now(),
      server: processorTime(display.pid).own,
      pipeline: pipeline(),
      ...counted(),
    });
    const before = look();
    await sleep(watchedMs);
    const after = look();
    const seconds = (after.at - before.at) / 1000;
    return {
      server: (after.server - before.server) / 10 / seconds,
      pipeline: (after.pipeline - before.pipeline) / 10 / seconds,
      bytes: (after.bytes - before.bytes) / seconds,
      pictures: (after.pictures - before.pictures) / seconds,
    };
  };
  if (way === "nobody")
    return measure(
      () => 0,
      () => ({ bytes: 0, pictures: 0 }),
    );
  if (way === "theirs") {
    const loop = new ImportLoop(env);
    await sleep(settleMs);
    const cost = await measure(
      () => processorTime(process.pid).children,
      () => ({ bytes: loop.bytes, pictures: loop.frames }),
    );
    await loop.stop();
    return cost;
  }
  const visibility: Visibility = way === "ours" ? "focused" : "visible";
  const page = await RfbPage.open(broker, visibility);
  await sleep(settleMs);
  const cost = await measure(
    () => processorTime(process.pid).own,
    () => ({ bytes: page.viewer.traffic.delivered, pictures: page.updates }),
  );
  page.dispose();
  return cost;
}

/** How soon changes and clicks are seen by ours and by theirs. */
async function latencies({ display, broker, env }: Bench): Promise<[Latencies, Latencies]> {
  const window = await XWindow.open(display, area);
  const [x, y] = [area.x + area.width / 2, area.y + area.height / 2];
  const page = await RfbPage.open(broker);
  broker.giveControl(page.viewer);
  const ours = await latenciesOf(window, {
    sees: (colour) =>
      new Promise((resolve) => {
        page.onUpdate = (seen) => {
          if (seen.has(colour)) resolve(performance.now());
        };
      }),
    click: () => page.click(x, y),
  });
  page.dispose();
  const loop = new ImportLoop(env);
  let last: Buffer | undefined;
  let changed: () => void = () => undefined;
  loop.onFrame = (jpeg) => {
    // Nothing else moves, and the same pixels make the same bytes.
    if (last && !last.equals(jpeg)) changed();
    last = jpeg;
  };
  const theirs = await latenciesOf(window, {
    sees: () => new Promise((resolve) => (changed = () => resolve(performance.now()))),
    click: () => loop.click(x, y),
  });
  await loop.stop();
  window.dispose();
  return [ours, theirs];
}

async function latenciesOf(window: XWindow, watching: Watching): Promise<Latencies> {
  const found: Latencies = { change: [], click: [] };
  let count = 0;
  for (const way of ["click", "change"] as const)
    // The first one puts the pointer into its place.
    for (let round = -1; round < changes; round++) {
      // So that the moments are spread evenly over the time between two pictures.
      await sleep(300 + 200 * ((round * 0.618034 + 1) % 1));
      const colour = colours[++count % colours.length] ?? 0;
      window.onPress = () => window.fill(colour);
      const seen = watching.sees(colour);
      const began = performance.now();
      if (way === "click") watching.click();
      else window.fill(colour);
      const took = (await inTime(seen, `a ${way} was not seen`)) - began;
      if (round >= 0) found[way].push(took);
    }
  return found;
}

async function inTime<T>(what: Promise<T>, otherwise: string): Promise<T> {
  const timer = new AbortController();
  const late = sleep(10_000, timer.signal).then(
    () => Promise.reject(new Error(otherwise)),
    // It was in time.
    () => what,
  );
  try {
    return await Promise.race([what, late]);
  } finally {
    timer.abort();
  }
}

function costRows(scene: Scene, costs: ReadonlyMap<Way, readonly Cost[]> | undefined): Row[] {
  const mean = (way: Way, value: (cost: Cost) => number) => {
    const found = costs?.get(way) ?? [];
    return found.reduce((sum, cost) => sum + value(cost), 0) / found.length;
  };
  const server = ({ server }: Cost) => server;
  const processor = (way: Way) =>
    Math.max(0, mean(way, server) - mean("nobody", server)) + mean(way, (cost) => cost.pipeline);
  const kilobytes = (way: Way) => mean(way, ({ bytes }) => bytes) / 1000;
  const row = (what: string, ours: number, theirs: number, unit: string): Row => {
    const shown = (value: number) => `${format(value)} ${unit}`;
    return {
      measure: `desktop ${scene}: ${what}`,
      ours: shown(ours),
      theirs: shown(theirs),
      ratio: ours / theirs,
      goal: "",
    };
  };
  if (scene === "idle") {
    const bytes = row("delivered", kilobytes("ours"), kilobytes("theirs"), "kB/s");
    const [limit, most] = [
      limited("desktop idle: processor", processor("ours"), processor("theirs"), "%", 1 / 20),
      0.5,
    ];
    return [
      { ...limit, goal: `${limit.goal}, ≤ ${format(most)} %`, met: limit.met === true && processor("ours") <= most },
      { ...bytes, goal: "0 kB/s", met: kilobytes("ours") === 0 },
    ];
  }
  const watched = waysOf(scene).filter((way) => way === "ours" || way === "ours in view");
  return watched.flatMap((way) => {
    const suffix = way === "ours" ? "" : ", in view";
    return [
      row(`processor${suffix}`, processor(way), processor("theirs"), "%"),
      row(`delivered${suffix}`, kilobytes(way), kilobytes("theirs"), "kB/s"),
      row(
        `pictures${suffix}`,
        mean(way, ({ pictures }) => pictures),
        mean("theirs", ({ pictures }) => pictures),
        "/s",
      ),
    ];
  });
}

function latencyRows(ours: Latencies, theirs: Latencies): Row[] {
  return (["change", "click"] as const).flatMap((way) => [
    limited(`desktop: ${way} to picture, median`, median(ours[way]), median(theirs[way]), "ms", 1 / 5),
    limited(`desktop: ${way} to picture, p95`, percentile(ours[way], 95), percentile(theirs[way], 95), "ms", 1 / 5),
  ]);
}

function leftOut(missing: readonly string[]): string {
  const packages = [...new Set(missing.map((name) => needed[name]))].join(", ");
  return `j: was left out, since ${missing.join(", ")} cannot be found here. Install the packages ${packages}.`;
}
