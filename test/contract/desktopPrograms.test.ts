import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endDisplay, holdDisplay, keepDisplay, startDisplay } from "../../src/desktop/display.ts";
import { readTextIfPresent } from "../../src/base/files.ts";
import { repository } from "../fake/bed.ts";
import { hasKeyboard, isLeft, makePath, missingPrograms, unlessMissing } from "../fake/desktop.ts";
import { startMcp } from "../fake/mcpClient.ts";
import { runs } from "../fake/toolBed.ts";
import { buildExtension } from "../host/built.ts";
import { eventually } from "../host/eventually.ts";

const missing = missingPrograms("Xtigervnc", "openbox", "xterm", "xprop");
const withoutI3 = missingPrograms("i3", "i3-msg");

interface Started {
  display: string;
  folder: string;
  window_manager: string;
  i3_pid: number;
  environment: Record<string, string>;
}

describe(unlessMissing("a desktop's programs", missing), function () {
  this.timeout(60_000);
  let root: string;
  let made = 0;
  before(function () {
    if (missing.length > 0) this.skip();
    buildExtension();
    root = mkdtempSync(join(tmpdir(), "prog-"));
  });
  after(() => {
    rmSync(root, { recursive: true, force: true });
  });
  /** What a user's own session on Wayland has in its environment. */
  const session = {
    WAYLAND_DISPLAY: "wayland-0",
    WAYLAND_SOCKET: "7",
    XDG_SESSION_TYPE: "wayland",
    GDK_BACKEND: "wayland",
    QT_QPA_PLATFORM: "wayland",
    MOZ_ENABLE_WAYLAND: "1",
    DBUS_SESSION_BUS_ADDRESS: "unix:path=/run/user/4711/bus",
    AT_SPI_BUS_ADDRESS: "unix:path=/run/user/4711/at-spi/bus",
    SESSION_MANAGER: "local/user",
    I3SOCK: "/run/user/4711/i3.sock",
    SWAYSOCK: "/run/user/4711/sway.sock",
  };
  const server = (environment: NodeJS.ProcessEnv = {}) => {
    const own = { OPEN_AGENT_DESKTOP_FOLDER: join(root, `d${String(++made)}`), OPEN_AGENT_DESKTOP_GRACE: "0" };
    const env = { ...process.env, ...own, DESKTOP_RESOLUTION: "640x480", LANG: "C.UTF-8", ...environment };
    return startMcp([process.execPath, join(repository, "dist", "desktopMcp.js")], { cwd: root, env });
  };
  type Mcp = Awaited<ReturnType<typeof server>>;
  const start = async (mcp: Mcp, args: object = {}) =>
    JSON.parse((await mcp.call("desktop_start_session", args)).text) as Started;
  const written = (path: string) =>
    eventually(
      () => readTextIfPresent(path) ?? "",
      (text) => text.endsWith("\n"),
      15_000,
    );
  /** A PATH with these programs only, and with a browser that writes down how it was started. */
  const pathWith = (...names: string[]) => {
    const bin = join(root, `bin${String(++made)}`);
    makePath(bin, "Xtigervnc", "setsid", "xterm", "env", ...names);
    const browser = `#!/bin/sh\nenv > ${bin}/environment\nprintf '%s\\n' "$@" > ${bin}/words\nexec xterm -e cat\n`;
    writeFileSync(join(bin, "chromium"), browser, { mode: 0o700 });
    return bin;
  };

  for (const [name, programs, bus] of [
    ["a bus of its own", ["openbox", "dbus-daemon"], /^unix:path=.*\/bus$/],
    ["no bus", ["openbox"], /^disabled:$/],
  ] as const)
    it(`are led to it alone, where it has ${name}`, async function () {
      if (missingPrograms(...programs).length > 0 || (programs.length > 1 && !hasAccessibility())) this.skip();
      const bin = pathWith(...programs);
      const mcp = await server({ ...session, PATH: bin, SOME_API_KEY: "secret" });
      const { display, folder, environment, ...started } = await start(mcp, { launch_browser: true });
      const lines = (text: string): Record<string, string> =>
        Object.fromEntries(text.split(/[\n\0]/).map((line) => line.split(/=(.*)/s, 2) as [string, string]));
      const found: Record<string, Record<string, string>> = {
        "the browser": lines(await written(join(bin, "environment"))),
        "the window manager": lines(readFileSync(`/proc/${String(started.i3_pid)}/environ`, "latin1")),
        "the agent's shell": { ...session, ...environment },
      };
      for (const [who, variables] of Object.entries(found)) {
        const { DBUS_SESSION_BUS_ADDRESS: address = "", ...others } = variables;
        const expected = {
          ...{ DISPLAY: display, XAUTHORITY: join(folder, "authority"), I3SOCK: join(folder, "i3.sock") },
          ...{ WAYLAND_DISPLAY: "", WAYLAND_SOCKET: "", SWAYSOCK: "", SESSION_MANAGER: "", AT_SPI_BUS_ADDRESS: "" },
          ...{ XDG_SESSION_TYPE: "x11", GDK_BACKEND: "x11", QT_QPA_PLATFORM: "xcb", MOZ_ENABLE_WAYLAND: "0" },
        };
        assert.deepEqual({ ...others, ...expected }, others, who);
        assert.match(address, bus, who);
        assert.equal(others["SOME_API_KEY"], undefined, who);
      }
      assert.ok((await written(join(bin, "words"))).split("\n").includes("--ozone-platform=x11"));
      await mcp.call("desktop_stop_session", { display });
      mcp.hangUp();
      await mcp.finished;
    });

  const withI3 = withoutI3.length === 0 ? it : it.skip;
  withI3(unlessMissing("are managed by an i3 that is not the user's", withoutI3), async () => {
    const bin = pathWith("i3", "i3-msg", "touch");
    const home = join(root, "home");
    mkdirSync(join(home, ".config", "i3"), { recursive: true });
    writeFileSync(join(home, ".config", "i3", "config"), `# i3 config file (v4)\nexec touch ${root}/ran\n`);
    const mcp = await server({ ...session, PATH: bin, HOME: home });
    const { display, folder, environment, window_manager: manager } = await start(mcp);
    assert.equal(manager, "i3");
    const command = async (words: string) => (await mcp.call("desktop_i3_command", { display, command: words })).text;
    assert.match(await command("exec xterm -T managed -e cat"), /Started as process/);
    await hasKeyboard("managed", { ...process.env, ...environment });
    assert.deepEqual(JSON.parse(await command("mark here")), [{ success: true }]);
    assert.match(await command("nop; [con_mark=here] kill"), /success.*success/);
    assert.ok(existsSync(join(folder, "i3.sock")));
    assert.ok(!existsSync(join(root, "ran")), "what the user's own configuration starts");
    await mcp.call("desktop_stop_session", { display });
    assert.ok(!existsSync(folder));
    mcp.hangUp();
    await mcp.finished;
  });

  for (const [name, end] of [
    ["is stopped", (mcp: Mcp, display: string) => mcp.call("desktop_stop_session", { display })],
    ["loses its server", (mcp: Mcp) => process.kill(mcp.pid, "SIGKILL")],
  ] as const)
    it(`end with it when it ${name}, though they have no window, no parent and no ear`, async () => {
      const mcp = await server();
      const { display } = await start(mcp);
      const path = join(root, `pids${String(made)}`);
      const deaf = `trap "" TERM HUP; echo $$ >> ${path}; while :; do sleep 1; done`;
      const program = join(root, `deaf${String(made)}`);
      writeFileSync(program, `#!/bin/sh\n${deaf}\n`, { mode: 0o700 });
      await mcp.call("desktop_i3_command", { display, command: `exec sh -c 'setsid ${program} & ${program}'` });
      const pids = (
        await eventually(
          () => readTextIfPresent(path) ?? "",
          (text) => text.split("\n").length === 3,
          15_000,
        )
      )
        .trim()
        .split("\n")
        .map(Number);
      assert.ok(pids.every(runs));
      await end(mcp, display);
      await eventually(
        () => pids.filter(runs),
        (left) => left.length === 0,
        15_000,
      );
      mcp.hangUp();
      await mcp.finished;
    });
});

describe(unlessMissing("a desktop that is started", missing), function () {
  this.timeout(60_000);
  before(function () {
    if (missing.length > 0) this.skip();
  });

  it("says why its X server did not start, and what can be done", async () => {
    const root = mkdtempSync(join(tmpdir(), "fail-"));
    const PATH = join(root, "bin");
    makePath(PATH);
    writeFileSync(join(PATH, "Xtigervnc"), "#!/bin/sh\necho 'No space left on device' >&2\n", { mode: 0o700 });
    const options = { folder: join(root, "d"), width: 640, height: 480, graceSeconds: 0, environment: { PATH } };
    await assert.rejects(startDisplay(options), {
      code: "desktop_failed",
      message: /did not start: No space left on device\. Try again\. .* \/tmp can be written to and has room/,
    });
    rmSync(root, { recursive: true, force: true });
  });

  it("is kept for as long as its user has said, though an agent has had it since", async () => {
    const folder = join(mkdtempSync(join(tmpdir(), "kept-")), "d");
    const display = await startDisplay({ folder, width: 640, height: 480, graceSeconds: 0 });
    /** For how long it is kept, and since when that is known. */
    const kept = () => {
      const since = statSync(join(folder, "limit"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
      return [Number(readTextIfPresent(join(folder, "limit"))?.split(" ")[0]), since] as const;
    };
    const hold = await holdDisplay(folder);
    await keepDisplay(folder, 600);
    hold?.dispose();
    const [, before] = await eventually(kept, ([seconds]) => seconds > 500, 5000);
    (await holdDisplay(folder))?.dispose();
    await eventually(kept, ([seconds, since]) => seconds > 500 && since > before, 5000);
    assert.ok(isLeft(display));
    await endDisplay(folder);
  });
});

function hasAccessibility(): boolean {
  return ["/usr/libexec", "/usr/lib/at-spi2-core"].some((folder) => existsSync(join(folder, "at-spi-bus-launcher")));
}
