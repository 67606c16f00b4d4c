import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Frame, Page } from "playwright-core";
import { sleep } from "../../src/base/async.ts";
import { endDisplay, holdDisplay, readDisplay, startDisplay, type Display } from "../../src/desktop/display.ts";
import { encodePng, type Pixels } from "../../src/desktop/png.ts";
import { RfbClient } from "../../src/desktop/rfb.ts";
import { opencodeBinary, repository } from "../fake/bed.ts";
import { hasKeyboard, missingPrograms, unlessMissing } from "../fake/desktop.ts";
import { bash } from "../fake/scenarios.ts";
import { lineScript } from "../fake/script.ts";
import { eventually } from "../host/eventually.ts";
import { answerQuickInput, choosePath, notification, pickQuickItem, runCommand, webviewFrame } from "../host/page.ts";
import {
  launch,
  makeScene,
  panel,
  panelShows,
  pictureFailures,
  reloadWindow,
  type Scene,
  send,
  turnsEnd,
} from "./scene.ts";

const missing = missingPrograms("Xtigervnc", "openbox", "xterm", "xprop", "xclip");

/** A user with a real window on a display of the test's own, and an agent with a desktop. */
describe(unlessMissing("a desktop in the editor", missing), function () {
  this.timeout(180_000);
  let root: string;
  let scene: Scene;
  let page: Page;
  /** The screen that the user's browser is on. */
  let screen: RfbClient;
  let screenFolder: string;
  /** The agent's desktop. */
  let display: Display;
  let agent: RfbClient;
  const children: ChildProcess[] = [];
  let made = 0;

  before(async function () {
    if (missing.length > 0) this.skip();
    root = mkdtempSync(join(tmpdir(), "xe-"));
    screenFolder = join(root, "screen");
    const own = await startDisplay({ folder: screenFolder, width: 1500, height: 1000, graceSeconds: 0 });
    await holdDisplay(screenFolder);
    screen = await RfbClient.to(own.socket);
    scene = await makeScene({
      display: { DISPLAY: own.name, XAUTHORITY: own.authority },
      editor: { settings: { "openAgent.opencode.path": opencodeBinary, "openAgent.desktop.enabled": true } },
    });
    page = await scene.open();
  });
  after(async () => {
    if (missing.length > 0) return;
    for (const child of children) child.kill();
    await scene.close();
    screen.dispose();
    await endDisplay(screenFolder);
    rmSync(root, { recursive: true, force: true });
  });
  pictureFailures((name) => scene.picture(page, name));

  const start = { tool: "desktop_desktop_start_session", args: {} };
  const gate = (name: string) => bash(`until [ -e ${join(root, name)} ]; do sleep 0.1; done`);
  const open = (name: string) => {
    writeFileSync(join(root, name), "");
  };
  const desktops = () => join(scene.bed.paths.desktops, "host");
  const frame = (): Promise<Frame> => panel(page);
  const isShown = (is: boolean) => panelShows(page, ".desktop canvas", (found) => found.length > 0 === is, 90_000);
  const tool = async (label: string) => (await frame()).locator(`.desktop-bar [aria-label="${label}"]`);
  const control = async () => (await frame()).locator(".desktop-bar .control");
  /** Takes control, or gives it back. */
  const take = async (isWanted: boolean) => {
    await (await control()).click();
    await panelShows(page, ".desktop-hand", (found) => found.length > 0 === isWanted);
  };
  const keepPicture = async (name: string) => {
    await screen.refresh();
    mkdirSync(join(repository, "out", "e2e"), { recursive: true });
    writeFileSync(join(repository, "out", "e2e", `${name}.png`), await encodePng(screen.pixels));
  };

  /** Looks at the only desktop of the agent. */
  const takeUp = async () => {
    const folders = readdirSync(desktops()).filter((name) => /^[0-9a-f]{8}$/.test(name));
    assert.equal(folders.length, 1);
    const found = readDisplay(join(desktops(), folders[0] ?? ""));
    assert.ok(found);
    display = found;
    agent = await RfbClient.to(display.socket);
  };
  const env = () => ({ ...process.env, LANG: "C.UTF-8", DISPLAY: display.name, XAUTHORITY: display.authority });
  /** A window in the agent's desktop that has its keyboard. */
  const xterm = async (script: string, geometry = "80x24+40+40"): Promise<void> => {
    const title = `window${String(++made)}`;
    const words = ["-u8", "-T", title, "-geometry", geometry, "-e", "sh", "-c", script];
    children.push(spawn("xterm", words, { env: env(), stdio: "ignore" }));
    await hasKeyboard(title, env());
    await agent.still(300, 5000);
  };

  it("opens beside the mission when the agent starts it, and shows the same pixels", async () => {
    await launch(page, lineScript("Use a desktop", start, gate("first"), { text: "Done." }));
    await isShown(true);
    await takeUp();
    await xterm("printf '\\033[41m%2000s\\033[44m%2000s\\033[0m' '' ''; cat");
    await agent.refresh();
    const { width, height, data } = agent.pixels;
    const points = [...Array(60).keys()].map((index) => [(index * 97) % width, (index * 61) % height] as const);
    const wanted = points.map(([x, y]) => [...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3)]);
    const seen = async () => (await frame()).evaluate(pixelsAt, points as unknown as [number, number][]);
    const near = (found: number[][]) =>
      found.length === wanted.length &&
      found.every((colour, index) => colour.every((value, at) => Math.abs(value - (wanted[index]?.[at] ?? 0)) < 40));
    await eventually(seen, near, 10_000);
    const colours = new Set(wanted.map((colour) => colour.join()));
    assert.ok(colours.size >= 3, "the points are on red, blue and the rest");
    await keepPicture("desktop-panel");
  });

  it("takes no key before control is taken, and all of them then, until Escape is held", async () => {
    const typed = join(root, "typed");
    await xterm(`cat > ${typed}`);
    const canvas = (await frame()).locator(".desktop canvas");
    await canvas.click({ position: { x: 60, y: 60 } });
    await page.keyboard.type("nobody");
    await (await control()).click();
    await panelShows(page, ".desktop-hand", ([words = ""]) => words.includes("You have mouse and keyboard"));
    await page.keyboard.type("hello w");
    await page.keyboard.press("Enter");
    await eventually(
      () => readFileSync(typed, "utf8"),
      (text) => text === "hello w\n",
      10_000,
    );
    await keepPicture("desktop-control");
    await page.keyboard.down("Escape");
    await panelShows(page, ".desktop-hand", (found) => found.length === 0, 10_000);
    await page.keyboard.up("Escape");
    assert.equal(await (await control()).innerText(), "Take Control");
    await page.keyboard.type("nobody again");
    await page.keyboard.press("Enter");
    await sleep(300);
    assert.equal(readFileSync(typed, "utf8"), "hello w\n");
    // Pressed for a moment, Escape is the desktop's; held, it is not.
    await take(true);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Enter");
    await eventually(
      () => readFileSync(typed, "utf8"),
      (text) => text === "hello w\n\u001b\n",
      10_000,
    );
    await take(false);
  });

  it("pastes what the user has copied", async () => {
    const pasted = join(root, "pasted");
    await xterm(`stty -icanon; cat > ${pasted}`);
    await page.evaluate(() => navigator.clipboard.writeText("Grüße 世界"));
    await take(true);
    // The clipboard is there for programs in the desktop as soon as the keys that paste it come.
    await page.keyboard.press("Control+v");
    const clipboard = () => agentClipboard(env());
    assert.equal(await eventually(clipboard, (text) => text === "Grüße 世界", 10_000), "Grüße 世界");
    // What a program in it copies meanwhile is the user's.
    const copying = spawn("xclip", ["-selection", "clipboard", "-quiet"], {
      env: env(),
      stdio: ["pipe", "ignore", "ignore"],
    });
    children.push(copying);
    copying.stdin.end("copied over there");
    const own = () => page.evaluate(() => navigator.clipboard.readText());
    assert.equal(await eventually(own, (text) => text === "copied over there", 10_000), "copied over there");
    await take(false);
  });

  it("is saved as a picture where the user wants it", async () => {
    const path = join(root, "shot.png");
    await (await tool("Save Screenshot…")).click();
    await choosePath(page, "Save Screenshot", path);
    await page.locator(".tab", { hasText: "shot.png" }).waitFor();
    const png = readFileSync(path);
    assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [1280, 720]);
    await runCommand(page, "View: Close Editor");
    await isShown(true);
  });

  it("lets a click land where it should, fitted, at 100 % and in another place", async () => {
    const log = join(root, "clicks");
    // A terminal that writes down where in it, in pixels, a button was let go.
    await xterm(`stty -echo -icanon; printf '\\033[?1000;1006;1016h'; cat -v > ${log}`, "150x48+0+0");
    const at = { x: 420, y: 260 };
    let read = 0;
    const reported = async (act: () => Promise<void> | void) => {
      await act();
      const news = await eventually(
        () => readFileSync(log, "utf8").slice(read),
        (text) => /\^\[\[<0;\d+;\d+m/.test(text),
        10_000,
      );
      read += news.length;
      const [, x, y] = /\^\[\[<0;(\d+);(\d+)m/.exec(news) ?? [];
      return { x: Number(x), y: Number(y) };
    };
    const wanted = await reported(() => {
      agent.point(at.x, at.y, 1);
      agent.point(at.x, at.y, 0);
    });
    const clicked = async (where: string) => {
      await take(true);
      const box = await (await frame()).locator(".desktop canvas").boundingBox();
      assert.ok(box);
      const scale = box.width / 1280;
      const { x, y } = await reported(() => page.mouse.click(box.x + at.x * scale, box.y + at.y * scale));
      const words = `${where}: ${String(x)},${String(y)} for ${String(wanted.x)},${String(wanted.y)}`;
      // A pixel of the page is several of the desktop.
      const most = 1 + Math.ceil(1 / scale);
      assert.ok(Math.abs(x - wanted.x) <= most && Math.abs(y - wanted.y) <= most, words);
      await take(false);
      return scale;
    };
    const fitted = await clicked("fitted");
    await (await tool("Show at 100 %")).click();
    assert.equal(await clicked("at 100 %"), 1);
    await (await tool("Fit to the Room")).click();
    await (await tool("Show Below the Conversation")).click();
    const below = await clicked("below");
    assert.ok(fitted < 1 && below < 1 && fitted !== below, `${String(fitted)} ${String(below)}`);
    await (await tool("Show Beside the Conversation")).click();
  });

  it("floats in Picture-in-Picture, and goes on there while the panel is hidden", async () => {
    await xterm(
      "while :; do printf '\\033[2J\\033[41m%4000s' ''; sleep 0.4; printf '\\033[2J\\033[42m%4000s' ''; sleep 0.4; done",
    );
    await (await tool("Picture-in-Picture")).click();
    await (await tool("Close Picture-in-Picture")).waitFor();
    await runCommand(page, "Help: Welcome");
    await page.locator(".tab.active", { hasText: "Welcome" }).waitFor();
    const seen = new Set<string>();
    await eventually(
      async () => {
        await screen.refresh();
        const { width, height, data } = screen.pixels;
        // The window lies in the corner, above all others.
        const counts = { red: 0, green: 0 };
        for (let y = height - 260; y < height; y += 4)
          for (let x = width - 460; x < width; x += 4) {
            const [r = 0, g = 0, b = 0] = data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3);
            if (r > 120 && g < 60 && b < 60) counts.red++;
            if (g > 120 && r < 60 && b < 60) counts.green++;
          }
        if (counts.red > 100) seen.add("red");
        if (counts.green > 100) seen.add("green");
        return seen.size;
      },
      (size) => size === 2,
      20_000,
    );
    await keepPicture("desktop-pip");
    await runCommand(page, "View: Close Editor");
    await page.locator(".tab", { hasText: "Welcome" }).waitFor({ state: "detached" });
    await (await tool("Close Picture-in-Picture")).click();
    await (await tool("Picture-in-Picture")).waitFor();
    children.pop()?.kill();
  });

  it("is there again after the window was reloaded in the middle", async () => {
    await reloadWindow(page);
    await page.locator(".tab", { hasText: "Use a desktop" }).click();
    await isShown(true);
    const typed = join(root, "after-reload");
    await xterm(`cat > ${typed}`);
    await take(true);
    await page.keyboard.type("still here");
    await page.keyboard.press("Enter");
    await eventually(
      () => readFileSync(typed, "utf8"),
      (text) => text === "still here\n",
      10_000,
    );
    await take(false);
  });

  it("is in the list of desktops with a picture, and opens in a window of its own", async () => {
    await runCommand(page, "Open Agent: Show Missions");
    await runCommand(page, "Open Agent: Focus on Desktops View");
    const list = await webviewFrame(page, ".desktop-list .thumbnail canvas");
    assert.match(await list.locator(".desktop-list .title").innerText(), /^Use a desktop/);
    await eventually(
      () => list.evaluate(() => document.querySelector("canvas")?.width ?? 0),
      (width) => width === 1280,
      10_000,
    );
    await keepPicture("desktop-list");
    const opened = page.context().waitForEvent("page");
    await list.locator('[aria-label^="Open the Desktop of"]').click();
    const own = await opened;
    // What is drawn there belongs to a document of the first window.
    await own.locator(".monaco-workbench, .editor-group-container").first().waitFor();
    await own.bringToFront();
    // A place in the frame of the window that has the keyboard, which is neither black nor white.
    await agent.refresh();
    const { place, colour: wanted } = coloured(agent.pixels);
    await eventually(
      async () => {
        const frames = own.frames().filter((one) => one.url().includes("/fake.html"));
        const seen = await Promise.all(frames.map((one) => one.evaluate(pixelsAt, [place])));
        return seen.flat();
      },
      (colours) => colours.some((colour) => colour.every((value, at) => Math.abs(value - (wanted[at] ?? 0)) < 40)),
      20_000,
    );
    await keepPicture("desktop-window");
    await own.close();
    await runCommand(page, "Explorer: Focus on Folders View").catch(() => undefined);
  });

  it("changes its size, and says no to what is none", async () => {
    await (await frame()).locator(".desktop-bar .plain-button", { hasText: "1280x720" }).click();
    await pickQuickItem(page, "Other…");
    await answerQuickInput(page, "huge");
    await notification(page, "“huge” is no size of a desktop").first().waitFor();
    await (await frame()).locator(".desktop-bar .plain-button", { hasText: "1280x720" }).click();
    await pickQuickItem(page, "1024x768");
    await eventually(
      async () => (await frame()).evaluate(() => document.querySelector("canvas")?.width ?? 0),
      (width) => width === 1024,
      10_000,
    );
  });

  it("stays with who has it in hand when the turn ends, and ends when it is closed", async () => {
    await take(true);
    open("first");
    await turnsEnd(page, 1);
    assert.equal((await (await frame()).locator(".desktop-hand").count()) > 0, true);
    // Its mission rests: given back, it hides.
    await (await control()).click();
    await isShown(false);
    await (await frame()).locator("header button", { hasText: /^\s*Desktop$/ }).click();
    await isShown(true);
    await panelShows(page, ".desktop > .status", ([words = ""]) => words.includes("Its mission rests: it closes at"));
    await (await tool("Hide the Desktop")).click();
    await isShown(false);
    await (await frame()).locator("header button", { hasText: /^\s*Desktop$/ }).click();
    await isShown(true);
    agent.dispose();
    await runCommand(page, "Open Agent: Close Desktop");
    await isShown(false);
    await eventually(
      () => existsSync(display.socket),
      (is) => !is,
    );
    await panelShows(page, "header button", (buttons) => !buttons.some((words) => words.trim() === "Desktop"));
  });

  it("that was hidden by hand stays so until the next one is started, and goes when it is killed", async () => {
    const look = { tool: "desktop_desktop_computer", args: { action: "screenshot" } };
    const steps = [start, gate("hide"), look, gate("again"), start, gate("stop")];
    await send(page, lineScript("Once more", ...steps, { text: "Done." }));
    await isShown(true);
    await (await tool("Hide the Desktop")).click();
    await isShown(false);
    open("hide");
    await panelShows(page, ".fold .verb", (verbs) => verbs.includes("Looked at"));
    await isShown(false);
    open("again");
    await isShown(true);
    const names = readdirSync(desktops()).filter((name) => /^[0-9a-f]{8}$/.test(name));
    assert.equal(names.length, 2);
    // Killed, as by a fault: the page says so, and the mission goes on.
    for (const name of names) {
      const found = readDisplay(join(desktops(), name));
      if (found) process.kill(found.pid, "SIGKILL");
    }
    await isShown(false);
    open("stop");
    await turnsEnd(page, 2);
  });

  it("hides by itself with the end of the turn", async () => {
    await send(page, lineScript("And again", start, gate("last"), { text: "Done." }));
    await isShown(true);
    open("last");
    await turnsEnd(page, 3);
    await isShown(false);
  });
});

/** A place with a colour, and all around it of the same. */
function coloured({ width, height, data }: Pixels): { place: [number, number]; colour: number[] } {
  const at = (x: number, y: number) => [...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3)];
  for (let y = 2; y < height - 2; y++)
    for (let x = 8; x < width - 8; x += 4) {
      const colour = at(x, y);
      const isPlain = [-6, 6].every((step) => at(x + step, y).join() === colour.join());
      if (isPlain && Math.max(...colour) - Math.min(...colour) > 60) return { place: [x, y], colour };
    }
  return assert.fail("Nothing on the desktop has a colour");
}

/** The colours of a canvas at some places. Runs in the page. */
function pixelsAt(points: [number, number][]): number[][] {
  const context = document.querySelector<HTMLCanvasElement>(".desktop canvas")?.getContext("2d");
  if (!context) return [];
  return points.map(([x, y]) => [...context.getImageData(x, y, 1, 1).data.slice(0, 3)]);
}

/** What programs in a display get when they paste. */
async function agentClipboard(env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn("xclip", ["-selection", "clipboard", "-o", "-t", "UTF8_STRING"], {
    env,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const pieces: Buffer[] = [];
  child.stdout.on("data", (piece: Buffer) => pieces.push(piece));
  await new Promise((resolve) => child.once("close", resolve));
  return Buffer.concat(pieces).toString();
}
