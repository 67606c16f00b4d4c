import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import { needTool } from "../../src/workspace/tools.ts";

const program = join(import.meta.dirname, "../../src/opencode/egress.ts");

describe("the way out of a container with a private network", function () {
  this.timeout(30_000);
  let folder: string;
  let proxy: ChildProcess | undefined;
  const socket = () => join(folder, "out.sock");

  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "egress-"))));
  afterEach(() => {
    proxy?.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  });

  const start = async (...before: string[]) => {
    const [command, ...args] = [...before, process.execPath, program, socket(), String(process.pid), ""];
    proxy = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
    assert.ok(await waitUntil(() => existsSync(socket()), 20_000));
  };
  /** What is answered to a wish for a connection; empty where it is only closed. */
  const ask = (target: string, leave = false) =>
    new Promise<string>((resolve) => {
      let said = "";
      const client = connect(socket(), () => {
        client.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`, () => leave && client.destroy());
      });
      client.on("data", (bytes: Buffer) => (said += bytes.toString()));
      client
        .on("error", () => undefined)
        .on("close", () => {
          resolve(said);
        });
    });

  it("goes on when somebody inside leaves before the answer", async () => {
    await start();
    for (let round = 0; round < 20; round++) await ask("127.0.0.1:9", true);
    assert.match(await ask("127.0.0.1:9"), /^HTTP\/1\.1 403 /);
    assert.equal(proxy?.exitCode, null);
  });

  it("does not lead to an address that this machine has got meanwhile", async function () {
    try {
      execFileSync("unshare", ["--net", "ip", "link", "set", "lo", "up"], { stdio: "ignore" });
    } catch {
      return this.skip();
    }
    await start("unshare", "--net");
    const inside = (...words: string[]) =>
      execFileSync(needTool("nsenter", "util-linux"), [`--target=${String(proxy?.pid)}`, "--net", "ip", ...words]);
    inside("link", "set", "lo", "up");
    assert.equal(await ask("198.51.100.7:9"), "");
    inside("address", "add", "198.51.100.7/32", "dev", "lo");
    assert.match(await ask("198.51.100.7:9"), /^HTTP\/1\.1 403 /);
  });
});
