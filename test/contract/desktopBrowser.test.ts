import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { endDisplay, holdDisplay, startDisplay } from "../../src/desktop/display.ts";
import { RfbClient } from "../../src/desktop/rfb.ts";
import { browserTools } from "../../src/orchestrator/browserTools.ts";
import { makeBed, script, transcriptOf, untilTurns } from "../fake/bed.ts";
import { missingPrograms, unlessMissing } from "../fake/desktop.ts";
import { startMcp } from "../fake/mcpClient.ts";
import { eventually } from "../host/eventually.ts";

const missing = missingPrograms("Xtigervnc", "openbox", "chromium");

describe(unlessMissing("a browser on a desktop", missing), function () {
  this.timeout(180_000);
  let root: string;
  let bin: string;
  let server: Server;
  let url: string;
  before(async function () {
    if (missing.length > 0) this.skip();
    root = mkdtempSync(join(tmpdir(), "brow-"));
    bin = join(root, "bin");
    mkdirSync(bin);
    const program = join(dirname(fileURLToPath(import.meta.resolve("@playwright/mcp/package.json"))), "cli.js");
    const words = `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`;
    writeFileSync(join(bin, "playwright-mcp"), words, { mode: 0o700 });
    server = createServer((_, response) => {
      response.setHeader("content-type", "text/html");
      response.end("<title>Red</title><body style='background: #f00'><button>Press me</button>");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`;
  });
  after(() => {
    server.close();
    rmSync(root, { recursive: true, force: true });
  });
  const path = () => `${bin}:${process.env["PATH"] ?? ""}`;

  it("is fetched where it is not installed, and its launcher is its user's alone", () => {
    const { entry, path: launcher } = browserTools(join(root, "none"), root, { PATH: "/nowhere" });
    const { command } = entry as { command: string[] };
    assert.deepEqual(command.slice(0, 5), ["npx", "-y", "@playwright/mcp@0.0.83", "--browser", "chrome"]);
    assert.equal(command.includes("--no-sandbox"), process.getuid?.() === 0);
    assert.equal(statSync(launcher).mode & 0o777, 0o700);
  });

  it("is shown on the one that was started last, and asks for one where there is none", async () => {
    const desktops = join(root, "it's");
    const folders = ["d1", "d2"].map((name) => join(root, "desktops", name));
    const start = async (place: string) => {
      const { entry } = browserTools(place, join(root, "runtime"), { PATH: path() });
      const { command, environment } = entry as { command: string[]; environment: NodeJS.ProcessEnv };
      assert.equal(command[0], join(bin, "playwright-mcp"));
      return startMcp(command, { cwd: root, env: { ...process.env, PATH: path(), ...environment } });
    };
    const without = await start(desktops);
    const refused = await without.call("browser_navigate", { url });
    assert.ok(refused.isError && refused.text.includes("Start a desktop first: desktop_start_session"), refused.text);
    without.hangUp();

    for (const folder of folders) {
      await startDisplay({ folder, width: 800, height: 600, graceSeconds: 0 });
      await holdDisplay(folder);
      // Their ages are told apart by the second on some file systems.
      await new Promise((resolve) => setTimeout(resolve, 1100));
    }
    const [first, last] = await Promise.all(folders.map((folder) => RfbClient.to(join(folder, "vnc.sock"))));
    assert.ok(first && last);
    const mcp = await start(join(root, "desktops"));
    const opened = await mcp.call("browser_navigate", { url });
    assert.ok(!opened.isError, opened.text);
    assert.match((await mcp.call("browser_snapshot")).text, /button "Press me"/);
    await eventually(() => isRed(last), Boolean, 15_000);
    assert.ok(!(await isRed(first)));
    await mcp.call("browser_close");
    await eventually(
      () => isRed(last),
      (is) => !is,
      15_000,
    );
    mcp.hangUp();
    for (const client of [first, last]) client.dispose();
    for (const folder of folders) await endDisplay(folder);
  });

  it("is a mission's, where the settings say so", async () => {
    const bed = await makeBed({ environment: { PATH: path() } });
    try {
      const core = bed.core({ desktop: true, browserTools: true });
      const text = script(
        { tool: "desktop_desktop_start_session", args: {} },
        { tool: "playwright_browser_navigate", args: { url } },
        { text: "Seen." },
      );
      const { id } = await core.run("createMission", { text, directory: bed.project });
      await untilTurns(core, id, 1, 120_000);
      const parts = transcriptOf(core, id).messages.flatMap((message) => message.parts);
      const outputs = parts.flatMap((part) => (part.kind === "tool" ? [part.output ?? ""] : []));
      assert.match(outputs[1] ?? "", /Page Title: Red/);
      assert.ok(existsSync(join(bed.paths.runtime, "desktop-browser")));
      for (const name of readdirSync(join(bed.paths.desktops, "host")))
        await endDisplay(join(bed.paths.desktops, "host", name));
    } finally {
      await bed.close();
    }
  });
});

/** Whether a desktop's picture is red, in a place below the pointer. */
async function isRed(client: RfbClient): Promise<boolean> {
  await client.refresh();
  const { width, height, data } = client.pixels;
  const at = 4 * (Math.floor((3 * height) / 4) * width + Math.floor(width / 2));
  const [first = 0, green = 255, third = 0] = data.subarray(at, at + 3);
  return green === 0 && first + third === 255;
}
