import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { OpenAgentError } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/base/log.ts";
import { OpenAgentGuard } from "../../src/opencode/guard.ts";
import { prepareHome, type HomeOptions } from "../../src/opencode/home.ts";
import { nextMessageId } from "../../src/opencode/ids.ts";
import { isSupported, locateOpenCode, packageNames } from "../../src/opencode/locate.ts";
import { newMemory, normalise, sessionOf, type RawEvent } from "../../src/opencode/normalise.ts";
import { toolCard } from "../../src/opencode/toolCard.ts";

const repository = join(import.meta.dirname, "../..");
const guard = join(repository, "src/opencode/guard.ts");

function temporary(): string {
  return mkdtempSync(join(tmpdir(), "opencode-"));
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof OpenAgentError) return error.code;
    throw error;
  }
  return "none";
}

describe("the plugin of ours in OpenCode", () => {
  it("names the mission to our own servers only, also where the user has one of the same name", async () => {
    const plugin = await OpenAgentGuard();
    const told = async (tool: string) => {
      const args: Record<string, unknown> = {};
      await plugin["tool.execute.before"]({ tool, sessionID: "ses_1" }, { args });
      return args["mission"];
    };
    for (const [playwright, mission] of [
      [{ environment: { OPEN_AGENT_DESKTOP_FOLDER: "/d" } }, "ses_1"],
      [{ environment: {} }, undefined],
      [{}, undefined],
      [undefined, "ses_1"],
    ] as const) {
      await plugin.config({ mcp: { playwright } });
      assert.equal(await told("playwright_browser_click"), mission);
      assert.equal(await told("desktop_desktop_click"), "ses_1");
      assert.equal(await told("my_browser_click"), undefined);
    }
  });
});

describe("locating OpenCode", function () {
  this.timeout(30_000);
  const none = { configured: undefined, environment: { PATH: "", HOME: "/nowhere" }, packageFolders: [] };

  it("finds the platform binary of the npm package, with its version", async () => {
    const { path, version } = await locateOpenCode({ ...none, packageFolders: [repository] });
    assert.ok(path.includes(`opencode-${process.platform}-${process.arch}`) && isSupported(version), path);
  });

  it("never returns the script that npm puts on PATH, but the binary behind it", async () => {
    const root = temporary();
    const shim = join(root, "node_modules", "opencode-ai", "bin", "opencode");
    mkdirSync(join(shim, ".."), { recursive: true });
    writeFileSync(shim, "#!/usr/bin/env node\nconsole.log('1.18.33')\n");
    chmodSync(shim, 0o755);
    const packages = join(root, "node_modules", `opencode-${process.platform}-${process.arch}`);
    symlinkSync(join(repository, "node_modules", `opencode-${process.platform}-${process.arch}`), packages);
    const bin = join(root, "bin");
    mkdirSync(bin);
    symlinkSync(shim, join(bin, "opencode"));
    const { path } = await locateOpenCode({ ...none, environment: { PATH: bin, HOME: root } });
    assert.equal(path, join(packages, "bin", "opencode"));
    const alone = join(root, "alone");
    mkdirSync(alone);
    writeFileSync(join(alone, "opencode"), "#!/bin/sh\necho 1.18.33\n", { mode: 0o755 });
    assert.equal(
      await codeOf(locateOpenCode({ ...none, environment: { PATH: alone, HOME: alone } })),
      "opencode_missing",
    );
  });

  it("says that there is none, and that a configured one is none", async () => {
    assert.equal(await codeOf(locateOpenCode(none)), "opencode_missing");
    assert.equal(await codeOf(locateOpenCode({ ...none, configured: "/nowhere/opencode" })), "opencode_not_executable");
    assert.equal(await codeOf(locateOpenCode({ ...none, configured: guard })), "opencode_not_executable");
  });

  it("refuses another program by what it answers to --version", async () => {
    assert.equal(await codeOf(locateOpenCode({ ...none, configured: process.execPath })), "opencode_unsupported");
  });

  it("asks a file again once it is another one", async () => {
    const configured = join(temporary(), "opencode");
    const found = () =>
      locateOpenCode({ ...none, configured }).then(
        () => "supported",
        (error: unknown) => (error instanceof OpenAgentError ? error.detail["version"]?.split(".")[0] : error),
      );
    copyFileSync("/bin/bash", configured);
    assert.deepEqual([await found(), await found()], ["5", "5"]);
    copyFileSync("/usr/bin/git", configured);
    assert.equal(await found(), "2");
  });

  it("knows the packages for a machine, and that the plain x64 binary needs AVX2", () => {
    const first = [
      packageNames("win32", "x64", ""),
      packageNames("darwin", "arm64", ""),
      packageNames("linux", "x64", "flags : sse avx avx2 fma"),
      packageNames("linux", "x64", "flags : sse avx"),
    ].map(([name]) => name);
    assert.deepEqual(first, [
      "opencode-windows-x64",
      "opencode-darwin-arm64",
      "opencode-linux-x64",
      "opencode-linux-x64-baseline",
    ]);
    assert.ok(!packageNames("linux", "x64", "flags : sse avx").includes("opencode-linux-x64"));
  });

  it("speaks with 1.18 or newer 1.x only", () => {
    const answers = ["1.18.0", "1.18.33", "1.40.2-beta", "1.17.9", "0.9.1", "2.0.1", "10.18.0"].map(isSupported);
    assert.deepEqual(answers, [true, true, true, false, false, false, false]);
  });
});

describe("what OpenCode runs with", () => {
  function prepare(change: (root: string) => Partial<HomeOptions> = () => ({})) {
    const root = temporary();
    const options: HomeOptions = {
      folder: join(root, "data"),
      environment: { HOME: join(root, "home"), PATH: "/usr/bin" },
      guard,
      passEnvironment: [],
      providers: {},
      version: "1.18.33",
      log: silentLogger,
      ...change(root),
    };
    const environment = prepareHome(options, "secret");
    return { root, environment, mirror: join(root, "data", "config", "opencode") };
  }

  it("has the user's configuration as a copy, and packages that make the background install find nothing to do", () => {
    const { root, mirror } = prepare((folder) => {
      const source = join(folder, "home", ".config", "opencode");
      mkdirSync(join(source, "agent"), { recursive: true });
      writeFileSync(join(source, "opencode.jsonc"), "// mine\n{}");
      writeFileSync(join(source, "agent", "reviewer.md"), "---\n---\n");
      return {};
    });
    assert.equal(readFileSync(join(mirror, "opencode.jsonc"), "utf8"), "// mine\n{}");
    assert.ok(existsSync(join(mirror, "agent", "reviewer.md")) && existsSync(join(mirror, "node_modules")));
    const lock = JSON.parse(readFileSync(join(mirror, "package-lock.json"), "utf8")) as object;
    assert.deepEqual(lock, {
      lockfileVersion: 3,
      packages: { "": { dependencies: { "@opencode-ai/plugin": "1.18.33" } } },
    });
    assert.ok(
      !existsSync(join(root, "home", ".config", "opencode", "node_modules")),
      "the user's own folder is left alone",
    );
  });

  it("uses the packages that the user has, and mirrors what is deleted", () => {
    const root = temporary();
    const source = join(root, "home", ".config", "opencode");
    mkdirSync(join(source, "node_modules"), { recursive: true });
    writeFileSync(join(source, "AGENTS.md"), "rules");
    const options = {
      folder: join(root, "data"),
      environment: { HOME: join(root, "home") },
      guard,
      passEnvironment: [],
      providers: {},
      version: "1",
      log: silentLogger,
    };
    prepareHome(options, "x");
    const mirror = join(root, "data", "config", "opencode");
    assert.ok(lstatSync(join(mirror, "node_modules")).isSymbolicLink() && existsSync(join(mirror, "AGENTS.md")));
    writeFileSync(join(source, "AGENTS.md"), "");
    prepareHome(options, "x");
    assert.equal(readFileSync(join(mirror, "AGENTS.md"), "utf8"), "");
    assert.ok(existsSync(join(source, "node_modules")), "what the link stands for is not deleted with it");
  });

  it("adds the endpoints of the user below what the user's own files say", () => {
    const { mirror } = prepare((folder) => {
      const source = join(folder, "home", ".config", "opencode");
      mkdirSync(source, { recursive: true });
      writeFileSync(join(source, "config.json"), JSON.stringify({ theme: "x", provider: { mine: { name: "mine" } } }));
      return { providers: { mine: { name: "ours" }, other: { name: "other" } } };
    });
    const merged: unknown = JSON.parse(readFileSync(join(mirror, "config.json"), "utf8"));
    assert.deepEqual(merged, { theme: "x", provider: { mine: { name: "mine" }, other: { name: "other" } } });
  });

  it("leaves a configuration that does not parse as it is", () => {
    const { mirror } = prepare((folder) => {
      const source = join(folder, "home", ".config", "opencode");
      mkdirSync(source, { recursive: true });
      writeFileSync(join(source, "config.json"), "{ oops");
      return { providers: { other: {} } };
    });
    assert.equal(readFileSync(join(mirror, "config.json"), "utf8"), "{ oops");
  });

  it("drops empty switches, which would end the server, and what belongs to the editor", () => {
    const { environment } = prepare(() => ({
      environment: {
        HOME: "/nowhere",
        PATH: "/bin",
        OPENCODE_DISABLE_CLAUDE_CODE: "",
        VSCODE_IPC_HOOK_CLI: "x",
        ELECTRON_RUN_AS_NODE: "1",
        MINE: "",
      },
    }));
    const names = ["OPENCODE_DISABLE_CLAUDE_CODE", "VSCODE_IPC_HOOK_CLI", "ELECTRON_RUN_AS_NODE", "MINE"];
    assert.deepEqual(
      names.map((name) => environment[name]),
      [undefined, undefined, undefined, ""],
    );
  });

  it("puts a ripgrep on PATH where there is none", () => {
    const { environment } = prepare(() => ({
      environment: { HOME: "/nowhere", PATH: "/empty" },
      ripgrepFolder: "/rg",
    }));
    assert.equal(environment["PATH"], `/empty${delimiter}/rg`);
  });

  it("says once that there is no ripgrep, which OpenCode downloads then", () => {
    const warnings: string[] = [];
    const log = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
    const { environment } = prepare(() => ({ environment: { HOME: "/nowhere", PATH: "/empty" }, log }));
    assert.equal(environment["PATH"], "/empty");
    assert.match(warnings.join("\n"), /^There is no rg on PATH: OpenCode will download one[^\n]*$/);
  });
});

describe("ids of messages", () => {
  it("count on from the newest message or the session, whatever this machine's clock says", () => {
    const session = "ses_e023e036effeNeYfovI2FHMnO9";
    const first = nextMessageId(session, undefined, 0);
    const second = nextMessageId(session, first, 4e12);
    assert.deepEqual([first.slice(0, 16), second.slice(0, 16)], ["msg_1fdc1fc92001", "msg_1fdc1fc93001"]);
    assert.ok(first < second && second < "msg_1fdc1fc99000PGdea1tSBcS756");
    assert.match(second, /^msg_[0-9a-f]{12}[0-9A-Za-z]{14}$/);
  });

  it("take the time where the session's id says nothing", () => {
    assert.equal(nextMessageId("session-7", undefined, 1_795_220_663_168).slice(0, 13), "msg_1fb7d6b80");
  });
});

describe("the line of a tool call", () => {
  const line = (tool: string, input: object, metadata: object = {}) => {
    const card = toolCard({ tool, input: { ...input }, metadata: { ...metadata }, finished: true }, "/home/dev/app");
    return [card.done, card.object, card.result].filter((word) => word !== undefined).join(" | ");
  };

  it("names what was done, to what, and with what result", () => {
    const lines = [
      line("bash", { command: "npm test\n-- login" }, { exit: 1 }),
      line("bash", { command: "true" }, { exit: 0 }),
      line("read", { filePath: "/home/dev/app/src/a.ts" }, { display: { lineStart: 20, lineEnd: 40 } }),
      line("write", { filePath: "/etc/passwd", content: "a\nb\n" }),
      line(
        "edit",
        { filePath: "/home/dev/app/a.ts" },
        { diff: "--- a\n+++ b\n@@ -1,2 +1,2 @@\n one\n-two\n+TWO\n+three\n" },
      ),
      line("grep", { pattern: "waitFor", path: "/home/dev/app/test" }, { matches: 1 }),
      line("glob", { pattern: "*.ts" }, { count: 8 }),
      line("todowrite", { todos: [{ status: "completed" }, { status: "pending" }] }),
      line("mini_add", { a: 2, b: 3 }),
    ];
    assert.deepEqual(lines, [
      "Ran | npm test -- login | exit 1",
      "Ran | true",
      "Read | src/a.ts | lines 20–40",
      "Wrote | /etc/passwd | 2 lines",
      "Edited | a.ts | +2 −1",
      "Searched | “waitFor” in test | 1 match",
      "Found | *.ts | 8 files",
      "Updated | the plan: 1 of 2 done",
      "Called | mini_add 2 3",
    ]);
  });

  it("stands for a tool by any name with any input", () => {
    assert.equal(line("constructor", {}), "Called | constructor");
    assert.equal(line("bash", { command: 7 }), "Ran | ");
    assert.equal(line("todowrite", { todos: "no" }), "Updated | the plan");
  });
});

describe("translation of what nobody foresaw", () => {
  const event = (type: string, properties: object): RawEvent => ({ id: "evt_1", type, properties: { ...properties } });

  it("keeps an unknown event of the session as it came", () => {
    const raw = event("session.levitated", { sessionID: "s", height: 3 });
    assert.deepEqual(normalise(newMemory("/d"), raw, 0).events, [
      { type: "raw", id: "evt_1", name: "session.levitated", sessionId: "s", data: raw.properties },
    ]);
  });

  it("asks for what REST holds when a part comes before its message", () => {
    const raw = event("message.part.updated", {
      sessionID: "s",
      part: { id: "prt_1", messageID: "msg_1", type: "text", text: "x" },
    });
    assert.deepEqual(normalise(newMemory("/d"), raw, 0), { events: [], incomplete: true });
  });

  it("never throws", () => {
    const odd = [
      null,
      7,
      "x",
      [],
      {},
      { id: 3 },
      { sessionID: "s", info: null, part: { messageID: {} }, status: 7, todos: {}, questions: [null] },
    ];
    const types = [
      "session.created",
      "session.status",
      "session.error",
      "message.updated",
      "message.part.updated",
      "message.part.delta",
      "permission.asked",
      "question.asked",
      "todo.updated",
    ];
    for (const type of types)
      for (const properties of odd) {
        const raw = event(type, Object.assign({ sessionID: "s" }, properties));
        assert.doesNotThrow(() => normalise(newMemory("/d"), raw, 0), `${type} ${JSON.stringify(properties)}`);
        assert.doesNotThrow(() => sessionOf(raw));
      }
  });

  it("passes on only what is new of an output that is sent again and again", () => {
    const memory = newMemory("/d");
    memory.roles.set("msg_1", "assistant");
    const lines = Array.from({ length: 9_000 }, (_, index) => `line ${String(index)}\n`);
    let whole = "";
    let heard = "";
    for (const [index, line] of lines.entries()) {
      whole += line;
      if (index % 300 !== 0) continue;
      const output = whole.slice(-30_000);
      const part = {
        id: "prt_1",
        messageID: "msg_1",
        type: "tool",
        tool: "bash",
        callID: "c",
        state: { status: "running", input: {}, metadata: { output } },
      };
      for (const one of normalise(memory, event("message.part.updated", { sessionID: "s", part }), 0).events) {
        if (one.type === "tool_output") heard = one.reset ? one.text : heard + one.text;
      }
    }
    assert.ok(
      whole.startsWith(heard) && whole.length - heard.length < 4_000,
      `${String(heard.length)} of ${String(whole.length)}`,
    );
  });
});
