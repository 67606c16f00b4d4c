import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accessibleProgram, shown } from "../fake/accessible.ts";
import { repository } from "../fake/bed.ts";
import { missingPrograms, unlessMissing, processesOf, socketsOf, table, makePath } from "../fake/desktop.ts";
import { startMcp, type McpClient } from "../fake/mcpClient.ts";
import { runtimes, type Runtime } from "../fake/toolBed.ts";
import { buildExtension } from "../host/built.ts";
import { eventually } from "../host/eventually.ts";

const launchers = ["/usr/libexec/at-spi-bus-launcher", "/usr/lib/at-spi2-core/at-spi-bus-launcher"];
const missing = [
  ...missingPrograms("Xtigervnc", "openbox", "xterm", "chromium", "dbus-daemon"),
  ...(launchers.some(existsSync) ? [] : ["at-spi2-core"]),
];

interface Started {
  display: string;
  folder: string;
  environment: Record<string, string>;
}

describe(unlessMissing("the text of a desktop", missing), function () {
  this.timeout(90_000);
  let root: string;
  let made = 0;
  before(function () {
    if (missing.length > 0) this.skip();
    buildExtension();
    root = mkdtempSync(join(tmpdir(), "text-"));
  });
  after(() => {
    rmSync(root, { recursive: true, force: true });
  });
  const server = ({ executable, environment }: Runtime, more: NodeJS.ProcessEnv = {}) => {
    const folder = join(root, `d${String(++made)}`);
    const own = { OPEN_AGENT_DESKTOP_FOLDER: folder, OPEN_AGENT_DESKTOP_GRACE: "0", DESKTOP_RESOLUTION: "900x700" };
    const env = { ...process.env, ...environment, ...own, LANG: "C.UTF-8", ...more };
    return startMcp([executable, join(repository, "dist", "desktopMcp.js")], { cwd: root, env });
  };
  const start = async (mcp: McpClient, args: object = {}) =>
    JSON.parse((await mcp.call("desktop_start_session", args)).text) as Started;
  const textOf = async (mcp: McpClient, display: string, until: RegExp) => {
    const read = async () => (await mcp.call("desktop_get_text", { display })).text;
    return eventually(read, (text) => until.test(text), 30_000);
  };
  const end = async (mcp: McpClient, display: string) => {
    await mcp.call("desktop_stop_session", { display });
    mcp.hangUp();
    await mcp.finished;
    assert.deepEqual(mcp.stray, []);
  };
  const onNode = () => runtimes[0] ?? assert.fail();

  for (const runtime of runtimes)
    it(`is what its programs tell of it, on ${runtime.name}`, async () => {
      const page = join(root, "page.html");
      writeFileSync(
        page,
        `<title>Orders</title><h1>All orders</h1><p>Some <b>bold</b> words, then <a href="#x">a link</a>.</p>
         <button>Save</button> <button disabled>Delete</button> <label>Name <input value="Ada"></label>
         <input type="password" value="hunter2" aria-label="Secret"> <input type="checkbox" checked aria-label="Agree">
         <select aria-label="Colour"><option>Red<option>Green</select> <p style="display:none">Not shown</p>
         <div style="height: 5000px"></div><p>The end of it</p>`,
      );
      const mcp = await server(runtime);
      const { display } = await start(mcp, { launch_browser: true, url: `file://${page}` });
      const text = await textOf(mcp, display, /\[push button\] Save/);
      const [first, ...lines] = text.split("\n");
      assert.equal(first, "--- Accessibility tree ---");
      assert.match(lines[0] ?? "", /^## Orders .*Chromium/);
      const told = [
        ...["All orders", "Some bold words, then", "[link] a link", "[push button] Save"],
        ...["[push button] Delete (disabled)", "Name", "[entry] Name: Ada", "[password text] Secret"],
        ...["[check box] Agree (checked)", "[combo box] Colour", "[menu item] Red (selected)"],
      ];
      assert.deepEqual(
        lines.filter((line) => told.includes(line)),
        told,
        text,
      );
      assert.doesNotMatch(text, /hunter2|Not shown|Green|The end of it/);
      await mcp.call("desktop_click", { display, x: 600, y: 500 });
      await mcp.call("desktop_type", { display, key: "End" });
      assert.doesNotMatch(await textOf(mcp, display, /The end of it/), /All orders/);
      await end(mcp, display);
    });

  it("is told within bounds by programs that tell too much, too slowly or nothing", async () => {
    const mcp = await server(onNode());
    const { display, environment } = await start(mcp);
    const bus = environment["DBUS_SESSION_BUS_ADDRESS"] ?? assert.fail();
    const path = "/org/a11y/atspi/accessible/";
    const [endless, large, mute, good] = await Promise.all([
      accessibleProgram(bus, (at, member, owner) => {
        const children = ["a", "b", "root"].map((name) => [owner, name === "root" ? at : `${at}${name}`] as const);
        return shown(member, at.length > 40 ? "push button" : "frame", "again", children);
      }),
      accessibleProgram(bus, (at, member, owner) =>
        member === "Name" && !at.endsWith("root")
          ? ["s", "x".repeat(8 * 2 ** 20)]
          : shown(member, "frame", "large", at.endsWith("root") ? [[owner, `${path}1`]] : []),
      ),
      accessibleProgram(bus, () => undefined),
      accessibleProgram(bus, (at, member, owner) =>
        at.endsWith("root")
          ? shown(member, "application", "Good", [[owner, `${path}1`]])
          : at.endsWith("1")
            ? shown(member, "frame", "Good\nwindow", [[owner, `${path}2`]])
            : shown(member, "push button", "A good\n## button", []),
      ),
    ]);
    const began = performance.now();
    const { text } = await mcp.call("desktop_get_text", { display });
    assert.ok(performance.now() - began < 15_000);
    assert.ok(text.length < 150_000);
    for (const part of [
      /^## Good window — Good\n\[push button\] A good ## button$/m,
      /there is too much of it/,
      /large does not answer/,
      /a program does not answer/,
    ])
      assert.ok(part.test(text), `${String(part)}: ${text.slice(-1000)}`);
    for (const program of [endless, large, mute, good]) program.end();
    await end(mcp, display);
  });

  const withTesseract = missingPrograms("tesseract").length === 0 ? it : it.skip;
  withTesseract("is recognised where no program tells it", async () => {
    const mcp = await server(onNode());
    const { display } = await start(mcp);
    const line = "exec xterm -fa Monospace -fs 24 -geometry 30x8+20+20 -e sh -c 'echo Recognise 4711; sleep 60'";
    await mcp.call("desktop_i3_command", { display, command: line });
    const text = await textOf(mcp, display, /Recognise 4711/);
    assert.match(text, /^--- OCR Text ---\n/);
    await end(mcp, display);
  });

  it("is not there where nothing reads it, and that names the packages", async () => {
    const bin = join(root, "bin");
    makePath(bin, "Xtigervnc");
    const mcp = await server(onNode(), { PATH: bin });
    const { display, environment } = await start(mcp);
    assert.equal(environment["DBUS_SESSION_BUS_ADDRESS"], "disabled:");
    assert.ok(!("ACCESSIBILITY_ENABLED" in environment));
    const answer = await mcp.call("desktop_get_text", { display });
    assert.ok(answer.isError);
    assert.match(answer.text, /Nothing here reads text\..* at-spi2-core and dbus .* or tesseract-ocr/);
    await end(mcp, display);
  });

  it("leaves nothing behind when what leads to it was killed", async () => {
    const mcp = await server(onNode());
    const { display, folder } = await start(mcp);
    const launcher = processesOf(folder).find(({ name }) => name === "at-spi-bus-laun") ?? assert.fail();
    process.kill(launcher.pid, "SIGKILL");
    await end(mcp, display);
    await eventually(
      () => processesOf(folder),
      (left) => left.length === 0,
      5000,
    );
  });

  it("leaves nothing behind when the server is killed, and listens nowhere but in its folder", async () => {
    const mcp = await server(onNode());
    const { display, folder } = await start(mcp, { launch_browser: true });
    await textOf(mcp, display, /^--- Accessibility tree ---/);
    const around = processesOf(folder);
    const names = around.map(({ name }) => name);
    for (const name of ["Xtigervnc", "dbus-daemon", "at-spi-bus-laun", "at-spi2-registr"])
      assert.ok(names.includes(name), names.join(" "));
    const ours = around.filter(({ name }) => /^(dbus|at-spi)/.test(name)).flatMap(({ pid }) => socketsOf(pid));
    const paths = table("unix").filter((line) => ours.includes(line[6] ?? "") && line[7] !== undefined);
    for (const [, , , , , , , path = ""] of paths) assert.ok(path.startsWith(`${folder}/`), path);
    const others = ["tcp", "tcp6", "udp", "udp6"].flatMap(table).filter((line) => ours.includes(line[9] ?? ""));
    assert.deepEqual(others, []);
    process.kill(mcp.pid, "SIGKILL");
    await eventually(
      () => [
        ...processesOf(folder).map(({ name, pid }) => `${name} ${String(pid)}`),
        ...(existsSync(folder) ? readdirSync(folder) : []),
      ],
      (left) => left.length === 0,
      10_000,
    );
  });
});
