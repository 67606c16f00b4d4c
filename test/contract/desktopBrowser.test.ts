import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as listenTo, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { endDisplay, holdDisplay, ownDisplay, startDisplay } from "../../src/desktop/display.ts";
import { RfbClient } from "../../src/desktop/rfb.ts";
import { makeBed, opencodeBinary, repository, script, transcriptOf, untilTurns } from "../fake/bed.ts";
import { missingPrograms, processesOf, unlessMissing } from "../fake/desktop.ts";
import { startMcp, type McpClient } from "../fake/mcpClient.ts";
import { runs, runtimes } from "../fake/toolBed.ts";
import { buildExtension } from "../host/built.ts";
import { eventually } from "../host/eventually.ts";

const missing = missingPrograms("Xtigervnc", "openbox", "chromium");
const program = join(repository, "dist", "browserMcp.js");

describe(unlessMissing("a browser on a desktop", missing), function () {
  this.timeout(180_000);
  let root: string;
  let bin: string;
  let server: Server;
  let url: string;
  before(async function () {
    if (missing.length > 0) this.skip();
    buildExtension();
    root = mkdtempSync(join(tmpdir(), "brow-"));
    bin = join(root, "bin");
    mkdirSync(bin);
    const cli = join(dirname(fileURLToPath(import.meta.resolve("@playwright/mcp/package.json"))), "cli.js");
    const words = `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`;
    writeFileSync(join(bin, "playwright-mcp"), words, { mode: 0o700 });
    server = createServer(({ url: path = "" }, response) => {
      response.setHeader("content-type", "text/html");
      const name = path.slice(1);
      response.end(`<title>${name}</title><body style='background: ${name}'><button>Press ${name}</button>`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  });
  after(() => {
    server.close();
    rmSync(root, { recursive: true, force: true });
  });
  const path = () => `${bin}:${process.env["PATH"] ?? ""}`;

  it("is each mission's own, shown on the desktop that the mission has started last", async () => {
    const base = join(root, "desktops");
    const start = async (name: string, owner: string) => {
      const folder = join(base, name);
      await startDisplay({ folder, width: 800, height: 600, graceSeconds: 0 });
      await holdDisplay(folder);
      ownDisplay(folder, owner);
      return { folder, client: await RfbClient.to(join(folder, "vnc.sock")) };
    };
    const colours = async (...clients: RfbClient[]) => (await Promise.all(clients.map(colourOf))).join(" ");
    const shows = (wanted: string, ...clients: RfbClient[]) =>
      eventually(
        () => colours(...clients),
        (found) => found === wanted,
        20_000,
      );
    const variables = { BUN_BE_BUN: "1", OPEN_AGENT_DESKTOP_FOLDER: base, PATH: path() };
    const mcp = await startMcp([opencodeBinary, program], { cwd: root, env: { ...process.env, ...variables } });
    const go = async (mission: string, page: string) => {
      const { isError, text } = await mcp.call("browser_navigate", { url: `${url}/${page}`, mission });
      assert.ok(!isError, text);
    };
    const sees = async (mission: string) =>
      /button "Press (\w+)"/.exec((await mcp.call("browser_snapshot", { mission })).text)?.[1];
    const { result } = await mcp.ask("tools/list");
    const tools = (result as { tools: { name: string }[] }).tools.map(({ name }) => name);
    assert.ok(tools.includes("browser_navigate") && tools.includes("browser_snapshot"), String(tools));

    const one = await start("d1", "one");
    const refused = await mcp.call("browser_navigate", { url, mission: "two" });
    assert.ok(refused.isError && refused.text.includes("Start one with desktop_start_session"), refused.text);
    const two = await start("d2", "two");
    await Promise.all([go("one", "red"), go("two", "blue")]);
    assert.deepEqual(await Promise.all(["one", "two"].map(sees)), ["red", "blue"]);
    await shows("red blue", one.client, two.client);

    const next = await start("d3", "one");
    await go("one", "red");
    await shows("red", next.client);
    await eventually(
      () => colours(one.client),
      (found) => found !== "red",
      20_000,
    );
    assert.equal(await sees("two"), "blue");

    // Its display and all on it end; what the other mission has stays.
    await endDisplay(next.folder);
    await eventually(
      () => processesOf(next.folder),
      (left) => left.length === 0,
      20_000,
    );
    await eventually(
      () => existsSync(next.folder),
      (is) => !is,
      20_000,
    );
    assert.equal(await sees("two"), "blue");

    const browsers = () => processesOf(two.folder).filter(({ name }) => /^(chrom|node|MainThread)/.test(name));
    assert.notDeepEqual(browsers(), []);
    process.kill(mcp.pid, "SIGKILL");
    await eventually(browsers, (left) => left.length === 0, 20_000);
    for (const { client } of [one, two, next]) client.dispose();
    for (const { folder } of [one, two]) await endDisplay(folder);
  });

  it("is a mission's, where the settings say so, and not another mission's of the same OpenCode", async () => {
    const bed = await makeBed({ environment: { PATH: path() } });
    try {
      const core = bed.core({ desktop: true, browserTools: true });
      const navigate = (page: string) => ({ tool: "playwright_browser_navigate", args: { url: `${url}/${page}` } });
      const outputs = (id: string) =>
        transcriptOf(core, id)
          .messages.flatMap(({ parts }) => parts)
          .flatMap((part) => (part.kind === "tool" ? [part.output ?? ""] : []));
      const launch = async (...steps: object[]) => {
        const { id } = await core.run("createMission", { text: script(...steps), directory: bed.project });
        await untilTurns(core, id, 1, 120_000);
        return id;
      };
      const begin = { tool: "desktop_desktop_start_session", args: {} };
      const one = await launch(begin, navigate("red"), { text: "Seen." });
      assert.match(outputs(one)[1] ?? "", /Page Title: red/);
      const without = await launch(navigate("blue"), { text: "Not seen." });
      assert.match(outputs(without)[0] ?? "", /Start one with desktop_start_session/);
      const two = await launch(begin, navigate("blue"), { text: "Seen." });
      assert.match(outputs(two)[1] ?? "", /Page Title: blue/);
      const look = script({ tool: "playwright_browser_snapshot", args: {} }, { text: "Seen again." });
      await core.run("sendMessage", { missionId: one, text: look });
      await untilTurns(core, one, 2);
      assert.match(outputs(one)[2] ?? "", /Press red/);
      const desktops = join(bed.paths.desktops, "host");
      for (const name of readdirSync(desktops)) await endDisplay(join(desktops, name));
    } finally {
      await bed.close();
    }
  });
});

for (const { name, executable, environment } of runtimes)
  describe(`the tools of browsers on desktops, on ${name}`, function () {
    this.timeout(60_000);
    let root: string;
    let folder: string;
    let mcp: McpClient;
    const ends: (() => void)[] = [];
    const log = () => (existsSync(join(root, "log")) ? readFileSync(join(root, "log"), "utf8") : "");
    const pids = () => [...log().matchAll(/^started (\d+)/gm)].map(([, pid]) => Number(pid));
    const open = (more: NodeJS.ProcessEnv = {}) =>
      startMcp([executable, program], {
        cwd: root,
        env: {
          ...environment,
          PATH: join(root, "bin"),
          LOG: join(root, "log"),
          OPEN_AGENT_DESKTOP_FOLDER: folder,
          ...more,
        },
      });
    /** What is in a display's folder while the display runs, or when it was killed. */
    const display = async (number: number, owner: string, killed = false) => {
      const path = join(folder, String(number));
      mkdirSync(path);
      const [socket, address] = [listenTo(), join(path, "vnc.sock")];
      const deadly = 'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, 9))';
      if (killed) spawnSync(process.execPath, ["-e", deadly, address]);
      else await new Promise<void>((resolve) => socket.listen(address, resolve));
      ends.push(() => socket.close());
      execFileSync("mkfifo", [join(path, "hold")]);
      writeFileSync(join(path, "owner"), owner);
      writeFileSync(join(path, "display"), `${String(number)} 1 800x600 Xtigervnc none`);
      return path;
    };
    const echo = async (mission: string, more: object = {}) =>
      JSON.parse((await mcp.call("echo", { mission, ...more })).text) as Record<string, unknown>;
    const gone = () => eventually(pids, (all) => !all.some(runs), 10_000);
    before(buildExtension);
    beforeEach(async () => {
      root = mkdtempSync(join(tmpdir(), "brow-"));
      folder = join(root, "desktops");
      for (const path of [folder, join(root, "bin")]) mkdirSync(path);
      writeFileSync(join(root, "bin", "chromium"), "#!/bin/sh\n", { mode: 0o700 });
      writeFileSync(join(root, "bin", "playwright-mcp"), `#!${process.execPath}\n${playwright}`, { mode: 0o700 });
      mcp = await open({ TEST_API_KEY: "secret", WAYLAND_DISPLAY: "wayland-0" });
    });
    afterEach(async () => {
      mcp.hangUp();
      await mcp.finished;
      await gone();
      for (const end of ends.splice(0)) end();
      rmSync(root, { recursive: true, force: true });
      assert.deepEqual(mcp.stray, []);
    });

    it("reach the mission's own, with its display and no keys", async () => {
      const paths = [await display(7, "one"), await display(8, "two")];
      const { result } = await mcp.ask("tools/list");
      assert.deepEqual(result, { tools: [{ name: "echo", inputSchema: { type: "object" } }] });
      assert.match(log(), /^started \d+ none --browser chrome --isolated$/m);
      await gone();
      const [one, two] = await Promise.all(["one", "two"].map((mission) => echo(mission, { say: "line\u2028break" })));
      assert.notEqual(one?.["pid"], two?.["pid"]);
      for (const [index, found] of [one, two].entries()) {
        const { pid: _, words, ...rest } = found ?? {};
        assert.deepEqual(rest, {
          arguments: { say: "line\u2028break" },
          DISPLAY: `:${String(7 + index)}`,
          XAUTHORITY: join(paths[index] ?? "", "authority"),
          WAYLAND_DISPLAY: "",
        });
        assert.match(String(words), /--isolated --executable-path \S+\/chromium --output-dir \S+\/browser\/playwright/);
      }
      assert.equal((await echo("one"))["pid"], one?.["pid"], "it goes on with the same one");
    });

    it("tell their progress, and that nobody waits any more", async () => {
      await display(7, "one");
      const call = { name: "echo", arguments: { mission: "one" }, _meta: { progressToken: "mine" } };
      await mcp.ask("tools/call", call);
      assert.deepEqual(mcp.notices, [
        { method: "notifications/progress", params: { progressToken: "mine", progress: 1 } },
      ]);
      const waiting = mcp.begin("wait", { mission: "one" });
      await eventually(log, (text) => text.includes("called wait"));
      waiting.cancel();
      await eventually(log, (text) => /^cancelled \d+ of wait$/m.test(text));
      assert.equal((await echo("one"))["DISPLAY"], ":7");
    });

    it("say so when it has ended by itself, and start it anew", async () => {
      await display(7, "one");
      const waiting = mcp.begin("wait", { mission: "one" });
      const died = await mcp.call("die", { mission: "one" });
      for (const { isError, text } of [died, await waiting.answer])
        assert.ok(isError && text.includes("Playwright's MCP server has ended. Out of luck."), text);
      assert.ok(runs(Number((await echo("one"))["pid"])));
    });

    it("go to the desktop that was started last, once what the one before was asked is answered", async () => {
      await display(7, "one");
      const waiting = mcp.begin("wait", { mission: "one" });
      await eventually(log, (text) => text.includes("called wait"));
      const [before] = pids();
      await display(8, "one");
      await display(9, "one", true);
      assert.equal((await echo("one"))["DISPLAY"], ":8");
      assert.ok(runs(before ?? 0));
      waiting.cancel();
      await eventually(
        () => runs(before ?? 0),
        (is) => !is,
        10_000,
      );
      assert.equal((await echo("one"))["DISPLAY"], ":8");
    });

    it("end with the desktop, and say so", async () => {
      const path = await display(7, "one");
      const waiting = mcp.begin("wait", { mission: "one" });
      await eventually(log, (text) => text.includes("called wait"));
      rmSync(join(path, "hold"));
      const { isError, text } = await waiting.answer;
      assert.ok(isError && text.includes("The desktop of this browser has ended"), text);
      await gone();
      assert.match((await mcp.call("echo", { mission: "one" })).text, /Start one with desktop_start_session/);
    });

    for (const how of ["SIGTERM", "SIGKILL"] as const)
      it(`leave nothing behind on ${how}`, async () => {
        await display(7, "one");
        await display(8, "two");
        void mcp.begin("wait", { mission: "two" });
        await echo("one");
        await eventually(log, (text) => text.includes("called wait"));
        process.kill(mcp.pid, how);
        assert.equal(await mcp.finished, how === "SIGTERM" ? 0 : null);
        await gone();
        assert.equal(pids().length, 2);
      });

    it("are fetched where they are not installed, and name what cannot be", async () => {
      const bin = join(root, "bin");
      writeFileSync(join(bin, "npx"), readFileSync(join(bin, "playwright-mcp")), { mode: 0o700 });
      rmSync(join(bin, "playwright-mcp"));
      const list = async () => (await mcp.ask("tools/list")).error?.message ?? "";
      assert.equal(await list(), "");
      assert.match(log(), /^started \d+ none -y @playwright\/mcp@0\.0\.83 --browser chrome --isolated$/m);
      await display(7, "one");
      for (const [name, says] of [
        ["npx", /Install Node\.js with npx, or the package @playwright\/mcp/],
        ["chromium", /Install the package chromium/],
      ] as const) {
        rmSync(join(bin, name));
        const { isError, text } = await mcp.call("echo", { mission: "one" });
        assert.ok(isError && says.test(text), text);
      }
    });
  });

/** A server that says what it was given, in the place of Playwright's. */
const playwright = String.raw`
const { appendFileSync } = require("node:fs");
const { DISPLAY, XAUTHORITY, TEST_API_KEY, WAYLAND_DISPLAY, LOG } = process.env;
const log = (words) => appendFileSync(LOG, words + "\n");
const words = process.argv.slice(2).join(" ");
log("started " + process.pid + " " + (DISPLAY ?? "none") + " " + words);
const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
const calls = new Map();
let rest = "";
process.stdin.on("end", () => process.exit()).on("data", (bytes) => {
  const lines = (rest + bytes).split("\n");
  rest = lines.pop();
  for (const line of lines) take(JSON.parse(line));
});
function take({ id, method, params }) {
  if (method === "initialize") say({ id, result: { protocolVersion: params.protocolVersion, capabilities: {} } });
  if (method === "tools/list") say({ id, result: { tools: [{ name: "echo", inputSchema: { type: "object" } }] } });
  if (method === "notifications/cancelled") log("cancelled " + params.requestId + " of " + calls.get(params.requestId));
  if (method !== "tools/call") return;
  const { name, arguments: given, _meta } = params;
  calls.set(id, name);
  log("called " + name);
  if (name === "die") process.stderr.write("Out of luck.", () => process.exit(1));
  if (name !== "echo") return;
  const { progressToken } = _meta ?? {};
  if (progressToken) say({ method: "notifications/progress", params: { progressToken, progress: 1 } });
  const found = { arguments: given, DISPLAY, XAUTHORITY, TEST_API_KEY, WAYLAND_DISPLAY, pid: process.pid, words };
  const text = JSON.stringify(found).replaceAll("\u2028", "\\u2028");
  say({ id, result: { content: [{ type: "text", text }] } });
}
`;

/** The colour of a desktop's picture in a place below the pointer, where it is one of these. */
async function colourOf(client: RfbClient): Promise<"red" | "blue" | "none"> {
  await client.refresh();
  const { width, height, data } = client.pixels;
  const at = 4 * (Math.floor((3 * height) / 4) * width + Math.floor(width / 2));
  const [red = 0, green = 0, blue = 0] = data.subarray(at, at + 3);
  if (green !== 0 || red + blue !== 255) return "none";
  return red === 255 ? "red" : "blue";
}
