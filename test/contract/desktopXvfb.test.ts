import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endDisplay, holdDisplay, startDisplay } from "../../src/desktop/display.ts";
import { click } from "../../src/desktop/hands.ts";
import { RfbClient } from "../../src/desktop/rfb.ts";
import {
  missingPrograms,
  unlessMissing,
  hasKeyboard,
  isLeft,
  processesOf,
  socketsOf,
  table,
  makePath,
} from "../fake/desktop.ts";
import { eventually } from "../host/eventually.ts";

const missing = missingPrograms("Xvfb", "x11vnc", "openbox", "xterm", "xprop");

describe(unlessMissing("a desktop without Xtigervnc", missing), function () {
  this.timeout(60_000);
  let root: string;
  let bin: string;
  before(function () {
    if (missing.length > 0) this.skip();
    root = mkdtempSync(join(tmpdir(), "xvfb-"));
    bin = join(root, "bin");
    makePath(bin, "chmod", "true", "Xvfb", "x11vnc", "openbox");
  });
  after(() => {
    rmSync(root, { recursive: true, force: true });
  });
  const start = (folder: string) => {
    const wrap = ([command = "", ...args]: readonly string[]) =>
      Promise.resolve({ command, args, cwd: "/", env: { ...process.env, WAYLAND_DISPLAY: "wayland-0", PATH: bin } });
    return startDisplay({ folder, width: 640, height: 480, graceSeconds: 0, wrap });
  };
  const gone = async (folder: string) => {
    const left = () => [
      ...processesOf(folder).map(({ name }) => name),
      ...(existsSync(folder) ? readdirSync(folder) : []),
    ];
    await eventually(left, (found) => found.length === 0, 10_000);
  };

  it("is shown by x11vnc, on a private socket and no port, and used by its viewers", async () => {
    const folder = join(root, "d1");
    const display = await start(folder);
    assert.equal(display.server, "Xvfb");
    await holdDisplay(folder);
    assert.equal(statSync(display.socket).mode & 0o777, 0o600);
    const processes = processesOf(folder);
    for (const name of ["Xvfb", "x11vnc", "openbox"])
      assert.ok(
        processes.some((one) => one.name === name),
        processes.map((one) => one.name).join(" "),
      );
    const ours = processes.flatMap(({ pid }) => socketsOf(pid));
    const others = ["tcp", "tcp6", "udp", "udp6"].flatMap(table).filter((line) => ours.includes(line[9] ?? ""));
    assert.deepEqual(others, []);
    const listening = table("unix").filter((line) => ours.includes(line[6] ?? "") && line[3] === "00010000");
    for (const [, , , , , , , path = ""] of listening)
      assert.ok(path.startsWith(folder) || path === `/tmp/.X11-unix/X${display.name.slice(1)}`, path);

    const viewers = [await RfbClient.to(display.socket), await RfbClient.to(display.socket)] as const;
    const [client] = viewers;
    assert.deepEqual([client.width, client.height], [640, 480]);
    await client.refresh();
    const empty = Buffer.from(client.pixels.data);
    const env = { ...process.env, DISPLAY: display.name, XAUTHORITY: display.authority };
    const typed = join(root, "typed");
    const xterm = spawn("xterm", ["-T", "typed", "-e", "sh", "-c", `cat > ${typed}`], { env, stdio: "ignore" });
    await hasKeyboard("typed", env);
    await eventually(() => existsSync(typed), Boolean, 15_000);
    // It looks at the X server only now and then.
    for (const viewer of viewers)
      await eventually(
        async () => {
          await viewer.refresh();
          return !empty.equals(viewer.pixels.data);
        },
        (isSeen) => isSeen,
        5000,
      );
    await click(client, "left", 1, { x: 100, y: 100 });
    for (const key of [0x78, 0xff0d]) {
      client.key(key, true);
      client.key(key, false);
    }
    client.key(0xffe3, true);
    client.key(0x64, true);
    client.key(0x64, false);
    client.key(0xffe3, false);
    await eventually(
      () => statSync(typed).size,
      (size) => size === 2,
      5000,
    );
    for (const viewer of viewers) viewer.dispose();
    xterm.kill();
    await endDisplay(folder);
    await gone(folder);
    assert.ok(!isLeft(display));
  });

  for (const [name, what] of [
    ["x11vnc", "what shows it"],
    ["Xvfb", "its X server"],
    ["sh", "its guard"],
  ] as const)
    it(`ends when ${what} is killed`, async () => {
      const folder = join(root, `killed-${name}`);
      const display = await start(folder);
      await holdDisplay(folder);
      const client = await RfbClient.to(display.socket);
      const found = processesOf(folder).find((one) => one.name === name) ?? assert.fail();
      process.kill(found.pid, "SIGKILL");
      await eventually(
        () => client.error?.message ?? "",
        (message) => message.includes("display has gone"),
        10_000,
      );
      await eventually(
        () => processesOf(folder).map((one) => one.name),
        (left) => left.length === 0,
        10_000,
      );
    });
});
