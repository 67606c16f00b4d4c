import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "../../src/base/async.ts";
import { Broker } from "../../src/desktop/broker.ts";
import {
  endDisplay,
  holdDisplay,
  keepDisplay,
  readDisplay,
  startDisplay,
  type Display,
} from "../../src/desktop/display.ts";
import { typeText } from "../../src/desktop/hands.ts";
import { Keyboard } from "../../src/desktop/keyboard.ts";
import { PassingHand } from "../../src/desktop/passingHand.ts";
import { encodePng } from "../../src/desktop/png.ts";
import { RfbClient } from "../../src/desktop/rfb.ts";
import { makeBed, opencodeBinary, repository, script, transcriptOf, untilTurns } from "../fake/bed.ts";
import {
  hasKeyboard,
  holders,
  isLeft,
  missingPrograms,
  parentOf,
  pictureOf,
  table,
  unlessMissing,
  watcher,
  where,
} from "../fake/desktop.ts";
import { startMcp } from "../fake/mcpClient.ts";
import { runs } from "../fake/toolBed.ts";
import { buildExtension } from "../host/built.ts";
import { eventually } from "../host/eventually.ts";

const missing = missingPrograms("Xtigervnc", "openbox", "xterm", "xprop");

describe(unlessMissing("a desktop", missing), function () {
  this.timeout(60_000);
  let root: string;
  before(function () {
    if (missing.length > 0) this.skip();
    root = mkdtempSync(join(tmpdir(), "desk-"));
  });
  after(() => {
    rmSync(root, { recursive: true, force: true });
  });
  const size = { width: 800, height: 600, graceSeconds: 0 };
  let made = 0;
  const fresh = () => join(root, `d${String(++made)}`);
  const start = (folder = fresh(), graceSeconds = 0) => startDisplay({ ...size, folder, graceSeconds });

  describe("that one process holds", () => {
    let folder: string;
    let display: Display;
    let client: RfbClient;
    const children: ChildProcess[] = [];
    before(async () => {
      folder = fresh();
      const began = performance.now();
      display = await start(folder);
      assert.ok(performance.now() - began < 3000, "it starts quickly, even on a busy machine");
      await holdDisplay(folder);
      client = await RfbClient.to(display.socket);
    });
    after(async () => {
      for (const child of children) child.kill();
      client.dispose();
      await endDisplay(folder);
    });
    const env = () => ({ ...process.env, LANG: "C.UTF-8", DISPLAY: display.name, XAUTHORITY: display.authority });
    /** Runs a script in a window, which has the keyboard when this resolves. */
    const xterm = async (script: string) => {
      const title = `window${String(++made)}`;
      const ready = join(root, title);
      const words = ["-u8", "-T", title, "-geometry", "60x20+50+50", "-e", "sh", "-c", `: > ${ready}; ${script}`];
      children.push(spawn("xterm", words, { env: env(), stdio: "ignore" }));
      await hasKeyboard(title, env());
      // What is typed before its terminal has begun is lost.
      await eventually(
        () => existsSync(ready),
        (is) => is,
        15_000,
      );
      await client.still(300, 5000);
    };

    it("is reached by a private socket and a cookie only", () => {
      assert.equal(statSync(display.socket).mode & 0o777, 0o600);
      assert.equal(statSync(display.authority).mode & 0o777, 0o600);
      assert.equal(statSync(folder).mode & 0o777, 0o700);
      const sockets = new Set(
        readdirSync(`/proc/${String(display.pid)}/fd`)
          .map((fd) => /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${String(display.pid)}/fd/${fd}`))?.[1])
          .filter((inode) => inode !== undefined),
      );
      const unix = table("unix").filter((line) => sockets.has(line[6] ?? ""));
      const paths = new Set(unix.map((line) => line[7]).filter((path) => path !== undefined));
      assert.deepEqual([...paths].sort(), [`/tmp/.X11-unix/X${display.name.slice(1)}`, display.socket].sort());
      const others = ["tcp", "tcp6", "udp", "udp6"].flatMap(table).filter((line) => sockets.has(line[9] ?? ""));
      assert.deepEqual(others, []);
      const stranger = { ...env(), XAUTHORITY: "/dev/null" };
      assert.throws(() => execFileSync("xdpyinfo", { env: stranger, stdio: "pipe" }), /unable to open display/);
      assert.match(execFileSync("xdpyinfo", { env: env(), encoding: "utf8" }), /800x600 pixels/);
    });

    it("shows what a program draws, and gives it what is typed in any script", async () => {
      const typed = join(root, "typed");
      await client.refresh();
      const empty = Buffer.from(client.pixels.data);
      await xterm(`cat > ${typed}`);
      await client.refresh();
      const before = Buffer.from(client.pixels.data);
      assert.ok(!before.equals(empty));
      // More characters than a keyboard has keys to spare.
      const many = Array.from({ length: 60 }, (_, index) => String.fromCodePoint(0x4e00 + 11 * index)).join("");
      const text = `plain {}[]|~^'" Ünï €\nΕλληνικά Кириллица 日本語 😀\n${many}\n`;
      const keyboard = await Keyboard.of(display);
      await typeText(client, text, 0, keyboard);
      keyboard.dispose();
      const isSeen = async () => {
        await client.refresh();
        return !before.equals(client.pixels.data);
      };
      await eventually(isSeen, (is) => is, 5000);
      const png = await encodePng(client.pixels);
      assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [800, 600]);
      client.key(0xffe3, true);
      client.key(0x64, true);
      client.key(0x64, false);
      client.key(0xffe3, false);
      assert.equal(
        await eventually(
          () => readFileSync(typed, "utf8"),
          (found) => found === text,
          5000,
        ),
        text,
      );
    });

    it("has keys to lend for who types into it, unless its X server is not here", async () => {
      for (const isContained of [false, true]) {
        const hand = new PassingHand({ folder, isContained }, () => RfbClient.to(display.socket));
        await hand.use(({ keyboard }) => assert.equal(keyboard === undefined, isContained));
        hand.dispose();
      }
    });

    it("changes its size at once", async () => {
      assert.ok(await client.resize(1000, 500));
      await client.refresh();
      assert.equal(client.pixels.data.length, 4 * 1000 * 500);
      assert.match(execFileSync("xdpyinfo", { env: env(), encoding: "utf8" }), /1000x500 pixels/);
      assert.ok(await client.resize(800, 600));
    });

    it("is watched by many and used by one of them", async () => {
      const typed = join(root, "by-hand");
      await xterm(`cat > ${typed}`);
      const broker = new Broker(display, folder);
      const [one, other] = [watcher(broker), watcher(broker)];
      await Promise.all([one, other].map(({ started }) => started()));
      const letter = Buffer.from([4, 1, 0, 0, 0, 0, 0, 0x78, 4, 0, 0, 0, 0, 0, 0, 0x78, 4, 1, 0, 0, 0, 0, 0xff, 0x0d]);
      one.viewer.receive(letter);
      assert.equal(one.viewer.traffic.dropped, 3);
      broker.giveControl(one.viewer);
      assert.ok(existsSync(join(folder, "taken")));
      one.viewer.receive(letter);
      other.viewer.receive(letter);
      // Return is still down, and is let go by itself.
      broker.giveControl(undefined);
      assert.ok(!existsSync(join(folder, "taken")));
      await client.still(300, 3000);
      client.key(0xffe3, true);
      client.key(0x64, true);
      client.key(0x64, false);
      client.key(0xffe3, false);
      assert.equal(
        await eventually(
          () => readFileSync(typed, "utf8"),
          (found) => found !== "",
          5000,
        ),
        "x\n",
      );
      assert.deepEqual([one.viewer.traffic.dropped, other.viewer.traffic.dropped], [3, 3]);
      broker.dispose();
    });

    it("is sent to nobody who does not look or does not keep up", async () => {
      const broker = new Broker(display, folder);
      const [hidden, slow, quick] = [watcher(broker), watcher(broker), watcher(broker)];
      await Promise.all([hidden, slow, quick].map(({ started }) => started()));
      hidden.viewer.visibility = "hidden";
      slow.acknowledges = false;
      const before = [hidden, slow, quick].map(({ viewer }) => viewer.traffic.delivered);
      const done = join(root, "done");
      await xterm(`for i in $(seq 20000); do echo $i $i $i $i $i $i $i; done; : > ${done}; cat`);
      await eventually(
        () => existsSync(done),
        (is) => is,
        15_000,
      );
      await client.still(300, 5000);
      const [unseen = 0, unread = 0, seen = 0] = [hidden, slow, quick].map(
        ({ viewer }, index) => viewer.traffic.delivered - (before[index] ?? 0),
      );
      const picture = 4 * 800 * 600;
      // What was asked for before it was hidden may still come, once.
      assert.ok(unseen < picture + 1000, `${String(unseen)} bytes unseen`);
      assert.ok(unread < 2 * picture, `${String(unread)} bytes unread`);
      assert.ok(seen > unread, `${String(seen)} bytes seen, ${String(unread)} unread`);
      // An idle screen costs nothing.
      const idle = quick.viewer.traffic.delivered;
      await sleep(500);
      assert.equal(quick.viewer.traffic.delivered, idle);
      broker.dispose();
    });

    it("ends a viewer that sends what is wrong, and no other", async () => {
      const broker = new Broker(display, folder);
      const [wrong, right] = [watcher(broker), watcher(broker)];
      await Promise.all([wrong, right].map(({ started }) => started()));
      wrong.viewer.receive(Buffer.from([99]));
      assert.match(wrong.ended?.message ?? "", /unknown type 99/);
      assert.equal(right.ended, undefined);
      broker.dispose();
    });
  });

  it("is one of several that do not collide, each with an end of its own", async () => {
    const folders = [fresh(), fresh(), fresh()];
    const displays = await Promise.all(folders.map((folder) => start(folder)));
    assert.equal(new Set(displays.map(({ name }) => name)).size, 3);
    const holds = await Promise.all(folders.map((folder) => holdDisplay(folder)));
    await endDisplay(folders[0] ?? "");
    assert.ok(displays[0] && !isLeft(displays[0]));
    for (const display of displays.slice(1)) (await RfbClient.to(display.socket)).dispose();
    for (const hold of holds) hold?.dispose();
    await eventually(
      () => displays.some(isLeft),
      (found) => !found,
      5000,
    );
    await eventually(
      () => folders.filter((folder) => existsSync(folder)),
      (left) => left.length === 0,
      5000,
    );
  });

  it("is kept for a while, and found by who comes after", async () => {
    const folder = fresh();
    const display = await start(folder, 30);
    (await holdDisplay(folder))?.dispose();
    await sleep(300);
    assert.ok(isLeft(display));
    assert.deepEqual(readDisplay(folder), display);
    const again = await holdDisplay(folder);
    assert.ok(again && (await keepDisplay(folder, 0)));
    // While another one, which nobody holds any more, comes to its end.
    const otherFolder = fresh();
    const other = await start(otherFolder);
    (await holdDisplay(otherFolder))?.dispose();
    await eventually(
      () => isLeft(other),
      (found) => !found,
      5000,
    );
    assert.ok(isLeft(display), "as long as it is held");
    again.dispose();
    await eventually(
      () => isLeft(display),
      (found) => !found,
      5000,
    );
    assert.equal(await holdDisplay(folder), undefined);
    assert.equal(await keepDisplay(folder, 5), false);
  });

  it("ends when its folder was taken away, however long it was to be kept", async () => {
    const folder = fresh();
    const display = await start(folder, 3600);
    (await holdDisplay(folder))?.dispose();
    await sleep(300);
    rmSync(folder, { recursive: true });
    await eventually(
      () => isLeft(display),
      (is) => !is,
      15_000,
    );
  });

  describe("leaves nothing", () => {
    /** A process that holds a display, and its display. */
    const owned = async () => {
      const folder = fresh();
      const module = (name: string) => JSON.stringify(join(repository, "src", "desktop", name));
      const script = `const { startDisplay, holdDisplay } = await import(${module("display.ts")});
        await startDisplay({ folder: ${JSON.stringify(folder)}, width: 640, height: 480, graceSeconds: 0 });
        await holdDisplay(${JSON.stringify(folder)}); console.log("held"); setInterval(() => {}, 1000);`;
      const owner = spawn(process.execPath, ["--input-type=module", "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      await new Promise((resolve) => owner.stdout.once("data", resolve));
      const display = readDisplay(folder);
      assert.ok(display && isLeft(display));
      return { folder, owner, display, guard: parentOf(display.pid) };
    };
    const gone = async (folder: string, display: Display, guard: number) => {
      await eventually(
        () => [isLeft(display), runs(guard), holders(folder).length > 0],
        (found) => !found.some(Boolean),
        8000,
      );
      assert.equal(await holdDisplay(folder), undefined);
    };

    it("when its owner is killed", async () => {
      const { folder, owner, display, guard } = await owned();
      owner.kill("SIGKILL");
      await gone(folder, display, guard);
      await eventually(
        () => existsSync(folder),
        (is) => !is,
        5000,
      );
    });

    it("when its guard is killed", async () => {
      const { folder, owner, display, guard } = await owned();
      process.kill(guard, "SIGKILL");
      await gone(folder, display, guard);
      owner.kill("SIGKILL");
    });

    it("when its X server is killed, and says so", async () => {
      const { folder, owner, display, guard } = await owned();
      const client = await RfbClient.to(display.socket);
      process.kill(display.pid, "SIGKILL");
      await assert.rejects(client.changes(5000), /display has gone: .* Start a new session/);
      await gone(folder, display, guard);
      owner.kill("SIGKILL");
    });

    it("for long when all of it is killed at once", async () => {
      const { folder, owner, display, guard } = await owned();
      for (const pid of [guard, display.pid, owner.pid ?? 0]) process.kill(pid, "SIGKILL");
      await eventually(
        () => runs(display.pid),
        (found) => !found,
        5000,
      );
      // The next one in the folder takes away its lock and its socket.
      const next = await start(folder);
      await holdDisplay(folder);
      await endDisplay(folder);
      assert.ok(!isLeft(display) && !isLeft(next));
    });
  });

  it("says what to install where there is no X server", async () => {
    const bin = join(root, "bin");
    mkdirSync(bin);
    const wrap = ([command = "", ...args]: readonly string[]) =>
      Promise.resolve({ command, args, cwd: "/", env: { PATH: bin } });
    for (const name of ["mkfifo", "rm", "sleep", "rmdir"]) execFileSync("ln", ["-s", where(name), join(bin, name)]);
    await assert.rejects(startDisplay({ ...size, folder: fresh(), wrap }), {
      code: "desktop_unavailable",
      message: /Install the packages tigervnc-standalone-server and openbox/,
    });
    await assert.rejects(startDisplay({ ...size, folder: join(root, "x".repeat(120)) }), /too long/);
  });

  for (const [runtime, executable, more] of [
    ["Node.js", process.execPath, {}],
    ["OpenCode's own runtime", opencodeBinary, { BUN_BE_BUN: "1" }],
  ] as const)
    it(`is the agent's by its tools on ${runtime}`, async () => {
      buildExtension();
      const folder = join(root, `mcp${String(++made)}`);
      const variables = {
        OPEN_AGENT_DESKTOP_FOLDER: folder,
        OPEN_AGENT_DESKTOP_GRACE: "20",
        DESKTOP_RESOLUTION: "640x480",
      };
      const environment = { ...process.env, ...more, ...variables, LANG: "C.UTF-8" };
      const server = () =>
        startMcp([executable, join(repository, "dist", "desktopMcp.js")], { cwd: root, env: environment });
      let mcp = await server();
      assert.match(
        (await mcp.call("desktop_computer", { action: "screenshot" })).text,
        /Start one with desktop_start_session/,
      );
      const started = JSON.parse((await mcp.call("desktop_start_session")).text) as Record<string, unknown>;
      assert.equal(started["success"], true);
      assert.equal(started["resolution"], "640x480");
      const display = String(started["display"]);
      const typed = join(root, `typed${String(made)}`);
      const run = await mcp.call("desktop_i3_command", {
        display,
        command: `exec xterm -u8 -T typed -geometry +20+20 -e sh -c 'cat > ${typed}'`,
      });
      assert.equal(run.isError, false, run.text);
      await hasKeyboard("typed", { ...process.env, ...(started["environment"] as NodeJS.ProcessEnv) });
      await eventually(
        () => existsSync(typed),
        (is) => is,
        15_000,
      );
      await mcp.call("desktop_click", { display, x: 200, y: 200 });
      await mcp.call("desktop_type", { display, text: "Grüße, 世界 😀" });
      await mcp.call("desktop_computer", { action: "key", text: "Return ctrl+d" });
      assert.equal(
        await eventually(
          () => readFileSync(typed, "utf8"),
          (found) => found !== "",
          5000,
        ),
        "Grüße, 世界 😀\n",
      );
      // Another server finds the desktop that this one leaves.
      mcp.hangUp();
      assert.equal(await mcp.finished, 0);
      mcp = await server();
      await mcp.call("desktop_mouse_move", { display, x: 30, y: 40 });
      assert.equal((await mcp.call("desktop_computer", { action: "cursor_position" })).text, "X=30,Y=40");
      const png = await pictureOf(mcp, "desktop_computer", { action: "zoom", region: [0, 0, 160, 120] });
      assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [640, 480]);
      const saved = JSON.parse((await mcp.call("desktop_screenshot", { display, filename: "a" })).text) as {
        path: string;
      };
      assert.equal(readFileSync(saved.path).readUInt32BE(16), 640);
      for (const [tool, args, says] of [
        ["desktop_click", { display: ":1", x: 1, y: 1 }, /:1 is no desktop of yours/],
        ["desktop_computer", { action: "left_click", coordinate: [640, 1] }, /not on the desktop, which is 640x480/],
        ["desktop_computer", { action: "key", text: "nokey" }, /“nokey” is no key/],
        ["desktop_screenshot", { display, filename: "../a" }, /no name of a file/],
      ] as const) {
        const answer = await mcp.call(tool, args);
        assert.ok(answer.isError && says.test(answer.text), answer.text);
      }
      const stopped = JSON.parse((await mcp.call("desktop_stop_session", { display })).text) as Record<string, unknown>;
      assert.equal(stopped["success"], true);
      mcp.hangUp();
      await mcp.finished;
      assert.ok(!runs(Number(started["xvfb_pid"])));
      assert.deepEqual(readdirSync(folder), ["screenshots"]);
      assert.deepEqual(mcp.stray, []);
    });

  it("is started, seen and stopped by a mission's agent, where the settings say so", async function () {
    this.timeout(150_000);
    const bed = await makeBed();
    try {
      const core = bed.core({ desktop: true });
      const tools = (missionId: string) =>
        transcriptOf(core, missionId).messages.flatMap(({ parts }) =>
          parts.flatMap((part) => (part.kind === "tool" ? [part.output ?? ""] : [])),
        );
      const text = script({ tool: "desktop_desktop_start_session", args: {} }, { text: "Started." });
      const { id } = await core.run("createMission", { text, directory: bed.project });
      await untilTurns(core, id, 1, 60_000);
      const begun = JSON.parse(tools(id)[0] ?? "") as { display: string; folder: string; environment: object };
      assert.ok(begun.folder.startsWith(join(bed.paths.runtime, "desktops")), begun.folder);
      const { display } = begun;
      const goOn = script(
        { tool: "desktop_desktop_screenshot", args: { display } },
        { tool: "desktop_desktop_stop_session", args: { display } },
        { text: "Stopped." },
      );
      await core.run("sendMessage", { missionId: id, text: goOn });
      await untilTurns(core, id, 2, 60_000);
      const [, picture = "", stopped = ""] = tools(id);
      const { path } = JSON.parse(picture) as { path: string };
      assert.equal(readFileSync(path).subarray(1, 4).toString("latin1"), "PNG");
      assert.equal((JSON.parse(stopped) as { success: boolean }).success, true);
      assert.equal(existsSync(begun.folder), false);
    } finally {
      await bed.close();
    }
  });
});

function linkOf(path: string): string {
  try {
    return execFileSync("readlink", [path], { encoding: "utf8" }).trim();
  } catch {
    // It was closed in between.
    return "";
  }
}
