import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeToolBed, runs, runtimes, type ToolBed } from "../fake/toolBed.ts";
import { eventually } from "../host/eventually.ts";

for (const runtime of runtimes)
  describe(`the commands of a workspace's tools on ${runtime.name}`, () => {
    let bed: ToolBed;
    before(async () => {
      bed = await makeToolBed(runtime);
    });
    after(() => bed.close());

    it("give exit code and both outputs", async () => {
      const { text, isError } = await bed.mcp.call("bash", { command: "echo out; echo err >&2; exit 3" });
      assert.equal(text, "Exit code: 3\n\nstdout:\nout\n\nstderr:\nerr");
      assert.equal(isError, false);
      assert.equal((await bed.mcp.call("bash", { command: "true" })).text, "Exit code: 0");
      assert.equal((await bed.mcp.call("bash", { command: "echo out; echo err >&2", raw: true })).text, "out\n");
      assert.equal((await bed.mcp.call("bash", { command: "kill -KILL $$" })).text, "Ended by SIGKILL");
    });

    it("run in the workspace or where they are told to", async () => {
      mkdirSync(bed.path("sub"), { recursive: true });
      const where = async (args: object) =>
        (await bed.mcp.call("bash", { command: "pwd", raw: true, ...args })).text.trim();
      assert.equal(await where({}), bed.folder);
      assert.equal(await where({ cwd: "sub" }), bed.path("sub"));
      assert.equal(await where({ cwd: "/" }), "/");
      assert.match(await where({ cwd: "absent" }), /absent: there is no such file or folder/);
      const shell = (path: string) =>
        bed.mcp.call("bash", { command: "echo ${BASH_VERSION:+bash}$0", raw: true, shell: path });
      assert.match((await bed.mcp.call("bash", { command: "echo ${BASH_VERSION:+bash}", raw: true })).text, /^bash/);
      assert.equal((await shell("/bin/sh")).text.endsWith("/bin/sh\n"), true);
      assert.match((await shell("/bin/absent")).text, /no shell \/bin\/absent/);
    });

    it("cap what is too long, keep it whole in a private file, and never cut a character", async () => {
      const line = "ä€😀\n";
      const command = "yes 'ä€😀' | head -n 500000; yes 'ä€😀' | head -n 500000 >&2";
      const { text, isError } = await bed.mcp.call("bash", { command });
      assert.equal(isError, false);
      assert.ok(text.length > 19_000 && text.length < 21_000, String(text.length));
      assert.ok(!/\p{Surrogate}/u.test(text) && !text.includes("\ufffd"));
      const paths = [...text.matchAll(/in the file (\/\S+)\]/g)].map(([, path = ""]) => path);
      assert.equal(paths.length, 2);
      for (const path of paths) {
        assert.ok(readFileSync(path, "utf8") === line.repeat(500_000), path);
        assert.equal(statSync(path).mode & 0o777, 0o600);
        assert.equal(statSync(dirname(path)).mode & 0o777, 0o700);
        assert.equal(dirname(dirname(path)), join(bed.root, "tmp"));
      }
      const most = await bed.mcp.call("bash", {
        command: "yes | head -c 200000",
        max_output_chars: 1_000_000,
        raw: true,
      });
      assert.ok((most.parts[0]?.length ?? 0) > 49_000 && (most.parts[0]?.length ?? 0) < 51_000);
      const few = await bed.mcp.call("bash", { command: "printf 0123456789", max_output_chars: 4, raw: true });
      assert.equal(few.parts[0], "01\n[…]\n89");
      const halves = await bed.mcp.call("bash", { command: "printf 'a😀😀😀b'", max_output_chars: 4, raw: true });
      assert.equal(halves.parts[0], "a\n[…]\nb");
      assert.equal(readFileSync(/file (\S+)/.exec(few.parts[1] ?? "")?.[1] ?? "", "utf8"), "0123456789");
    });

    it("do not print what is binary, and show other encodings as far as they can be read", async () => {
      const { text } = await bed.mcp.call("bash", { command: "printf '\\001\\000\\377\\376'" });
      assert.match(text, /Binary data, not shown: 4 bytes/);
      assert.deepEqual([...readFileSync(/file (\/\S+)\]/.exec(text)?.[1] ?? "")], [1, 0, 255, 254]);
      assert.equal((await bed.mcp.call("bash", { command: "printf 'caf\\351'", raw: true })).text, "caf\ufffd");
    });

    it("read what they are given, and nothing otherwise", async () => {
      const long = "x".repeat(1_000_000);
      assert.equal((await bed.mcp.call("bash", { command: "cat", stdin: "grüße", raw: true })).text, "grüße");
      assert.match((await bed.mcp.call("bash", { command: "cat; echo end" })).text, /stdout:\nend/);
      assert.match((await bed.mcp.call("bash", { command: "exit 4", stdin: long })).text, /Exit code: 4/);
    });

    it("see the environment without its secrets and what was added, or that alone", async () => {
      const guard = JSON.stringify({
        restore: { COLOUR: "red", GONE: null },
        hide: ["QUIET"],
        pass: ["GITHUB_TOKEN"],
      });
      const secrets = { SOME_API_KEY: "s3cret", OPEN_AGENT_API_TOKEN: "s3cret", OPEN_AGENT_API_URL: "http://x" };
      const others = { GITHUB_TOKEN: "passed", QUIET: "1", GONE: "1", COLOUR: "blue", KEPT: "kept" };
      const client = await bed.start({ ...secrets, ...others, OPEN_AGENT_GUARD: guard });
      const seen = async (args: object) => {
        const { text } = await client.call("bash", { command: "env", raw: true, ...args });
        const variables = text
          .trim()
          .split("\n")
          .map((line) => line.slice(0, line.indexOf("=")));
        assert.ok(!text.includes("s3cret"));
        return { text, variables };
      };
      const { text, variables } = await seen({ env: { ADDED: "a b", KEPT: "changed" } });
      for (const line of ["ADDED=a b", "KEPT=changed", "COLOUR=red", "GITHUB_TOKEN=passed", `HOME=${bed.root}/home`])
        assert.ok(text.split("\n").includes(line), line);
      for (const name of ["BUN_BE_BUN", "OPEN_AGENT_API_URL", "OPEN_AGENT_GUARD", "QUIET", "GONE"])
        assert.ok(!variables.includes(name), name);
      const alone = await seen({ clear_env: true, env: { ADDED: "1", PATH: bed.environment["PATH"] } });
      assert.deepEqual(alone.variables.sort(), ["ADDED", "PATH", "PWD", "SHLVL", "_"]);
      assert.ok(!client.errors().includes("s3cret"));
    });

    for (const timeout of [{ timeout_ms: 400 }, { timeout_secs: 0.4 }, { timeout: 0.4 }])
      it(`end with all they started at their ${Object.keys(timeout).join()}`, async () => {
        const file = `${Object.keys(timeout).join()}.pids`;
        const command = `echo before; echo $$ > ${file}; sleep 1000 & echo $! >> ${file}; wait`;
        const { text, isError } = await bed.mcp.call("bash", { command, ...timeout });
        assert.ok(isError);
        assert.match(text, /had not ended after 0\.4 s[^]*before/);
        const pids = await bed.pidsIn(file, 2);
        assert.deepEqual(pids.filter(runs), []);
      });

    it("end with all they started when nobody waits any more, even what ignores the request", async () => {
      const stubborn = "(trap '' TERM; sleep 1000 & echo $! >> cancel.pids; wait; sleep 1000)";
      const { answer, cancel } = bed.mcp.begin("bash", {
        command: `echo $$ > cancel.pids; sleep 1000 & echo $! >> cancel.pids; ${stubborn} & wait`,
      });
      let answered = false;
      void answer.finally(() => (answered = true));
      const pids = await bed.pidsIn("cancel.pids", 3);
      assert.deepEqual(pids.filter(runs), pids);
      cancel();
      await eventually(
        () => pids.filter(runs),
        (left) => left.length === 0,
        10_000,
      );
      await bed.mcp.ask("ping");
      assert.equal(answered, false, "what was cancelled gets no answer");
    });

    it("tell those who ask that they go on, until they have ended", async () => {
      const told = () => bed.mcp.notices.filter(({ params }) => params["progressToken"] === "token").length;
      const params = { name: "bash", arguments: { command: "sleep 5" }, _meta: { progressToken: "token" } };
      const { result } = await bed.mcp.ask("tools/call", params);
      assert.deepEqual(result?.["content"], [{ type: "text", text: "Exit code: 0" }]);
      const heard = told();
      assert.ok(heard >= 2, String(heard));
      await bed.mcp.call("bash", { command: "sleep 2.5" });
      assert.equal(told(), heard);
    });

    it("run at the same time", async () => {
      const waits = bed.mcp.begin("bash", { command: "until [ -e go ]; do sleep 0.05; done; echo gone", timeout: 30 });
      await bed.mcp.call("bash", { command: "touch go" });
      assert.match((await waits.answer).text, /Exit code: 0\n\nstdout:\ngone/);
    });

    it("are over when their shell is, and say what goes on", async () => {
      const { text } = await bed.mcp.call("bash", { command: "sleep 1000 & echo $! > left.pids; echo begun" });
      const [pid = 0] = await bed.pidsIn("left.pids", 1);
      assert.match(text, /begun[^]*in the background still runs, as process group \d+/);
      assert.ok(runs(pid));
      process.kill(pid);
    });

    it("end with the server, and it with its input", async () => {
      const client = await bed.start();
      await client.call("bash", { command: "sleep 1000 > /dev/null 2>&1 & echo $! > background.pids" });
      void client.begin("bash", { command: "echo $$ > running.pids; sleep 1000 & echo $! >> running.pids; wait" });
      const pids = [...(await bed.pidsIn("background.pids", 1)), ...(await bed.pidsIn("running.pids", 2))];
      assert.deepEqual(pids.filter(runs), pids);
      client.hangUp();
      assert.equal(await client.finished, 0);
      assert.deepEqual(pids.filter(runs), []);
    });
  });
