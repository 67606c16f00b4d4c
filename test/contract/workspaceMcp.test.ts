import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { ripgrepFolder } from "../fake/bed.ts";
import type { McpClient } from "../fake/mcpClient.ts";
import { childrenOf, makeToolBed, runs, runtimes, type ToolBed } from "../fake/toolBed.ts";
import { eventually } from "../host/eventually.ts";

for (const runtime of runtimes)
  describe(`the tools of a workspace on ${runtime.name}`, () => {
    let bed: ToolBed;
    before(async () => {
      bed = await makeToolBed(runtime);
    });
    after(() => bed.close());

    it("are these, with these arguments", async () => {
      const { result } = await bed.mcp.ask("tools/list");
      interface Listed {
        name: string;
        description: string;
        inputSchema: { required?: string[]; properties?: object };
      }
      const { tools } = result as { tools: Listed[] };
      const words = tools.map(({ name, inputSchema: { properties = {}, required = [] } }) => {
        const args = Object.keys(properties).map((key) => (required.includes(key) ? `${key}*` : key));
        return [name, ...args].join(" ");
      });
      assert.deepEqual(words.sort(), [
        "bash command* cwd timeout_secs timeout_ms timeout env clear_env stdin shell max_output_chars raw",
        "delete_file path*",
        "fetch_url url*",
        "git_commit message* paths",
        "git_diff path staged from to",
        "git_log max_count path",
        "git_status",
        "grep_search pattern* path file_pattern case_sensitive",
        "list_directory path* max_depth",
        "read_file path* start_line end_line",
        "search_files pattern* path",
        "update_skill skill_name* content* file_path",
        "write_file path* content*",
      ]);
      assert.ok(tools.every(({ description }) => description.length > 20));
    });

    it("refuse what they do not know, and go on", async () => {
      bed.mcp.write("this is no message");
      assert.equal((await bed.mcp.ask("tools/call", { name: "nope", arguments: {} })).error?.code, -32602);
      assert.equal((await bed.mcp.ask("nope/nope")).error?.code, -32601);
      for (const [tool, args, named] of [
        ["read_file", {}, "path"],
        ["read_file", { path: "a", start_line: 0 }, "start_line"],
        ["write_file", { path: "a", content: 1 }, "content"],
        ["bash", { command: "true", timeout_seconds: 1 }, "timeout_seconds"],
        ["git_commit", { message: "  " }, "message"],
        ["git_diff", { from: "--output=x" }, "from"],
      ] as const) {
        const answer = await bed.mcp.call(tool, args);
        assert.ok(answer.isError && answer.text.includes(named), answer.text);
      }
      assert.deepEqual((await bed.mcp.ask("ping")).result, {});
    });

    describe("for files", () => {
      it("write with parents, read whole and by lines, and delete", async () => {
        assert.equal(
          (await bed.mcp.call("write_file", { path: "deep/er/a.txt", content: "öne\ntwo\nthree\n" })).isError,
          false,
        );
        assert.equal(readFileSync(bed.path("deep/er/a.txt"), "utf8"), "öne\ntwo\nthree\n");
        const read = async (args: object) =>
          (await bed.mcp.call("read_file", { path: bed.path("deep/er/a.txt"), ...args })).text;
        assert.equal(await read({}), "öne\ntwo\nthree\n");
        assert.equal(await read({ start_line: 2 }), "two\nthree\n");
        assert.equal(await read({ end_line: 1 }), "öne\n");
        assert.equal(await read({ start_line: 2, end_line: 2 }), "two\n");
        assert.match(await read({ start_line: 9 }), /has 3 lines/);
        assert.equal((await bed.mcp.call("delete_file", { path: "deep/er/a.txt" })).isError, false);
        assert.ok(!existsSync(bed.path("deep/er/a.txt")));
      });

      it("give what is long in pieces that fit together", async () => {
        const whole = Array.from({ length: 3000 }, (_, index) => `${String(index)} ${"😀".repeat(30)}\n`).join("");
        bed.write("long.txt", whole);
        const first = await bed.mcp.call("read_file", { path: "long.txt" });
        const line = Number(/start_line (\d+)/.exec(first.parts[1] ?? "")?.[1]);
        const [shown = ""] = first.parts;
        assert.ok(whole.startsWith(shown) && !/\p{Surrogate}/u.test(shown) && shown.length < whole.length);
        const [rest = ""] = (await bed.mcp.call("read_file", { path: "long.txt", start_line: line })).parts;
        assert.equal(
          shown.slice(0, shown.lastIndexOf("\n") + 1) + rest.slice(0, 1000),
          whole.slice(0, shown.lastIndexOf("\n") + 1001),
        );
      });

      it("say what is wrong", async () => {
        bed.write("latin1.txt", Buffer.from("caf\xe9", "latin1"));
        bed.write("nul.bin", Buffer.from([65, 0, 66]));
        for (const [tool, args, says] of [
          ["read_file", { path: "absent.txt" }, /absent\.txt: there is no such file/],
          ["read_file", { path: "." }, /is a folder/],
          ["read_file", { path: "/dev/zero" }, /no regular file/],
          ["read_file", { path: "latin1.txt" }, /binary.*4 bytes/],
          ["read_file", { path: "nul.bin" }, /binary.*3 bytes/],
          ["write_file", { path: "nul.bin/x", content: "" }, /nul\.bin\/x: a part of its path is a file/],
          ["write_file", { path: ".", content: "" }, /it is a folder/],
          ["delete_file", { path: "absent.txt" }, /no such file/],
          ["delete_file", { path: "." }, /is a folder/],
          ["list_directory", { path: "nul.bin" }, /is a file/],
        ] as const) {
          const answer = await bed.mcp.call(tool, args);
          assert.ok(answer.isError, JSON.stringify(args));
          assert.match(answer.text, says);
        }
        assert.ok(existsSync(bed.folder));
      });

      it("list folders as deep as asked", async () => {
        for (const path of ["tree/one/two/three/four.txt", "tree/.git/config", "tree/z.txt"]) bed.write(path, "");
        symlinkSync("z.txt", bed.path("tree/link"));
        const list = async (args: object) =>
          (await bed.mcp.call("list_directory", { path: "tree", ...args })).text.split("\n");
        assert.deepEqual(await list({}), [
          bed.path("tree"),
          ".git/",
          "link -> z.txt",
          "one/",
          "  two/",
          "    three/",
          "z.txt",
        ]);
        assert.deepEqual(await list({ max_depth: 1 }), [bed.path("tree"), ".git/", "link -> z.txt", "one/", "z.txt"]);
        assert.ok((await list({ max_depth: 4 })).includes("      four.txt"));
      });
    });

    describe("for searching", () => {
      const lines = async (tool: string, args: object, client = bed.mcp) =>
        (await client.call(tool, args)).text.split("\n").sort();
      before(() => {
        bed.write("find/src/a.ts", "const alpha = 1;\nconst Beta = 2;\r\n");
        bed.write("find/src/b.test.ts", "beta();\n");
        bed.write("find/.hidden/c.md", "# beta (or not)\n");
        bed.write("find/node_modules/x/a.ts", "beta\n");
        bed.write("find/bin.dat", Buffer.from("beta\0"));
      });

      it("finds files by globs", async () => {
        assert.deepEqual(await lines("search_files", { pattern: "a.ts" }), ["find/src/a.ts"]);
        assert.deepEqual(await lines("search_files", { pattern: "*.{ts,md}", path: "find" }), [
          "find/.hidden/c.md",
          "find/src/a.ts",
          "find/src/b.test.ts",
        ]);
        assert.deepEqual(await lines("search_files", { pattern: "src/?.ts", path: "find" }), ["find/src/a.ts"]);
        assert.deepEqual(await lines("search_files", { pattern: "**/[!a]*.ts", path: "find" }), ["find/src/b.test.ts"]);
        assert.deepEqual(await lines("search_files", { pattern: "*.ts", path: "find/node_modules" }), [
          "find/node_modules/x/a.ts",
        ]);
        assert.match((await bed.mcp.call("search_files", { pattern: "src/*", path: "find/src" })).text, /^No file/);
      });

      for (const with_ of ["with ripgrep", "without ripgrep"])
        it(`finds lines by regular expressions ${with_}`, async () => {
          const used = join(bed.root, "rg-was-used");
          rmSync(used, { force: true });
          const bin = join(bed.root, "with-rg");
          mkdirSync(bin, { recursive: true });
          writeFileSync(join(bin, "rg"), `#!/bin/sh\n: > '${used}'\nexec '${join(ripgrepFolder, "rg")}' "$@"\n`);
          chmodSync(join(bin, "rg"), 0o755);
          const path = [bin, join(bed.root, "bin")].join(delimiter);
          const client = with_ === "with ripgrep" ? await bed.start({ PATH: path }) : bed.mcp;
          const grep = (args: object) => lines("grep_search", { path: "find", ...args }, client);
          const all = [
            "find/.hidden/c.md:1:# beta (or not)",
            "find/src/a.ts:2:const Beta = 2;",
            "find/src/b.test.ts:1:beta();",
          ];
          assert.deepEqual(await grep({ pattern: "beta" }), all);
          assert.deepEqual(await grep({ pattern: "^beta", case_sensitive: true }), [all[2]]);
          assert.deepEqual(await grep({ pattern: "Beta", case_sensitive: true }), [all[1]]);
          assert.deepEqual(await grep({ pattern: "beta", file_pattern: "*.md" }), [all[0]]);
          assert.deepEqual(await grep({ pattern: "beta", file_pattern: "src/*.test.ts" }), [all[2]]);
          assert.deepEqual(await grep({ pattern: "\\w+ = \\d", path: bed.path("find/src/a.ts") }), [
            "find/src/a.ts:1:const alpha = 1;",
            "find/src/a.ts:2:const Beta = 2;",
          ]);
          assert.deepEqual(
            await grep({ pattern: "beta(?=\\()" }),
            [all[2]],
            "ripgrep alone does not know what is ahead",
          );
          assert.match((await grep({ pattern: "gamma" })).join(), /^No line in/);
          const broken = await client.call("grep_search", { pattern: "(", path: "find" });
          assert.ok(broken.isError && broken.text.startsWith("( is no regular expression"), broken.text);
          assert.equal(existsSync(used), with_ === "with ripgrep");
        });

      it("shows so many lines and says that there are more", async () => {
        bed.write("many/lines.txt", "needle in here\n".repeat(100_000));
        const { parts } = await bed.mcp.call("grep_search", { pattern: "needle", path: "many" });
        assert.equal(parts[0]?.split("\n").length, 500);
        assert.match(parts[1] ?? "", /There are more/);
      });

      it("can be taken back when the expression never ends", async () => {
        bed.write("evil/a.txt", `${"a".repeat(50)}b\n`);
        const { cancel } = bed.mcp.begin("grep_search", { pattern: "^(a+)+$", path: "evil" });
        const searching = () => childrenOf(bed.mcp.pid);
        const [pid = 0] = await eventually(searching, (pids) => pids.length > 0);
        assert.deepEqual((await bed.mcp.ask("ping")).result, {}, "others are served in the meantime");
        cancel();
        await eventually(
          () => runs(pid),
          (running) => !running,
        );
      });
    });

    describe("for git", () => {
      let git: McpClient;
      const config = (...words: string[]) => execFileSync("git", ["config", ...words], { cwd: join(bed.root, "repo") });
      const ok = async (tool: string, args: object = {}) => {
        const { text, isError } = await git.call(tool, args);
        assert.equal(isError, false, text);
        return text;
      };
      before(async () => {
        mkdirSync(join(bed.root, "repo"));
        git = await bed.start({ OPEN_AGENT_WORKSPACE: join(bed.root, "repo") });
      });

      it("says so where there is no repository", async () => {
        const { text, isError } = await git.call("git_status");
        assert.ok(isError);
        assert.match(text, /not a git repository/);
      });

      it("does not commit for nobody, and stages nothing then", async () => {
        execFileSync("git", ["init", "-q", "-b", "main", join(bed.root, "repo")]);
        writeFileSync(join(bed.root, "repo", "ä.txt"), "one\n");
        writeFileSync(join(bed.root, "repo", "b.txt"), "b\n");
        const { text, isError } = await git.call("git_commit", { message: "first" });
        assert.ok(isError);
        assert.match(text, /git config user\.name/);
        assert.match(await ok("git_status"), /\?\? ä\.txt/);
        assert.equal(await ok("git_log"), "There are no commits yet.");
      });

      it("commits what is named or all, and tells of it", async () => {
        config("user.name", "Ann Author");
        config("user.email", "ann@example.org");
        await ok("git_commit", { message: "first\n\nwith a body", paths: ["ä.txt"] });
        assert.match(await ok("git_status"), /^## main\n\?\? b\.txt\n$/);
        await ok("git_commit", { message: "second" });
        assert.equal(await ok("git_status"), "## main\n");
        const log = (await ok("git_log")).trim().split("\n");
        assert.equal(log.length, 2);
        assert.match(log[0] ?? "", /^[0-9a-f]+ \d{4}-.* Ann Author: second$/);
        assert.match(log[1] ?? "", /: first$/);
        assert.equal((await ok("git_log", { max_count: 1 })).trim().split("\n").length, 1);
        assert.match(await ok("git_log", { path: "ä.txt" }), /^\S+ .*: first\n$/);
        const again = await git.call("git_commit", { message: "third" });
        assert.ok(again.isError);
        assert.match(again.text, /nothing to commit/);
        assert.ok((await git.call("git_commit", { message: "x", paths: ["absent"] })).isError);
      });

      it("shows differences of the bed.folder, of what is staged, and between commits", async () => {
        writeFileSync(join(bed.root, "repo", "ä.txt"), "two\n");
        assert.match(await ok("git_diff"), /-one\n\+two/);
        assert.match(await ok("git_diff", { path: "ä.txt" }), /-one\n\+two/);
        assert.equal(await ok("git_diff", { path: "b.txt" }), "There is no difference.");
        assert.equal(await ok("git_diff", { staged: true }), "There is no difference.");
        execFileSync("git", ["add", "."], { cwd: join(bed.root, "repo") });
        assert.match(await ok("git_diff", { staged: true }), /-one\n\+two/);
        assert.match(await ok("git_diff", { from: "HEAD~1", to: "HEAD" }), /\+b\n/);
        assert.match(await ok("git_diff", { to: "HEAD~1" }), /-b\n/);
        const unknown = await git.call("git_diff", { from: "absent" });
        assert.ok(unknown.isError);
        assert.match(unknown.text, /absent/);
      });
    });

    describe("over the network", () => {
      let server: Server;
      let url: string;
      let answer: (request: IncomingMessage, response: ServerResponse) => unknown;
      before(async () => {
        server = createServer((request, response) => void answer(request, response));
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
      });
      after(() => server.close());

      it("fetches short texts as they are, and the rest into files", async () => {
        const bodies: Record<string, Buffer> = {
          "/short": Buffer.from("grüße"),
          "/long.html": Buffer.from("ö".repeat(10_241)),
          "/limit": Buffer.from("x".repeat(20_480)),
          "/picture.png": Buffer.from([0, 255, 1, 254]),
        };
        answer = ({ url = "" }, response) => {
          if (url === "/moved") response.writeHead(302, { location: "/short" });
          response.end(bodies[url]);
        };
        const get = async (path: string) => (await bed.mcp.call("fetch_url", { url: url + path })).text;
        assert.equal(await get("/short"), "grüße");
        assert.equal(await get("/moved"), "grüße");
        assert.equal((await get("/limit")).length, 20_480);
        for (const path of ["/long.html", "/picture.png"]) {
          const file = /in the file (\/\S+\.(html|png))$/.exec(await get(path))?.[1];
          assert.ok(file, path);
          assert.deepEqual(readFileSync(file), bodies[path]);
        }
      });

      it("says what failed", async () => {
        answer = ({ url }, response) => {
          if (url === "/gone") return response.writeHead(410).end("It has left.");
          response.writeHead(200, { "content-length": "1000" });
          response.write("begin", () => response.destroy());
          return undefined;
        };
        const closed = createServer();
        await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
        const { port } = closed.address() as AddressInfo;
        await new Promise((resolve) => closed.close(resolve));
        for (const [target, says] of [
          ["ftp://example.org/", /no URL that begins with http/],
          ["nonsense", /nonsense is no URL/],
          [`${url}/gone`, /answered 410[^]*It has left\./],
          [`${url}/broken`, /\/broken (broke off|could not be fetched)/],
          [`http://127.0.0.1:${String(port)}/`, /could not be fetched: .*(ECONNREFUSED|ConnectionRefused)/],
        ] as const) {
          const { text, isError } = await bed.mcp.call("fetch_url", { url: target });
          assert.ok(isError, target);
          assert.match(text, says);
        }
      });

      it("goes through a proxy where there is one", async () => {
        answer = (request, response) => response.end(`by proxy: ${String(request.headers.host)}`);
        server.once("connect", (_: IncomingMessage, socket: Socket) => {
          // Node.js leads all connections through.
          const target = connect((server.address() as AddressInfo).port, "127.0.0.1");
          socket.write("HTTP/1.1 200 OK\r\n\r\n");
          socket.pipe(target).pipe(socket);
        });
        const client = await bed.start({ HTTP_PROXY: url, http_proxy: url, NODE_USE_ENV_PROXY: "1" });
        const { text } = await client.call("fetch_url", { url: "http://nowhere.invalid/page" });
        assert.equal(text, "by proxy: nowhere.invalid");
      });

      it("writes skills into the Library", async () => {
        const asked: object[] = [];
        answer = async (request, response) => {
          const { method, url, headers } = request;
          asked.push({ method, url, token: headers.authorization, body: JSON.parse(await text(request)) as unknown });
          if (url?.includes("refused")) response.writeHead(403).end('{"error":"It is read-only.","code":"x"}');
          else response.end("{}");
        };
        const client = await bed.start({ OPEN_AGENT_API_URL: `${url}/`, OPEN_AGENT_API_TOKEN: "t0ken" });
        const update = (args: object) => client.call("update_skill", { content: "# grüße", ...args });
        const first = await update({ skill_name: "my skill" });
        assert.equal(first.isError, false, first.text);
        assert.equal((await update({ skill_name: "s", file_path: "scripts/a b.sh" })).isError, false);
        const common = { method: "PUT", token: "Bearer t0ken", body: { content: "# grüße" } };
        assert.deepEqual(asked, [
          { ...common, url: "/api/library/skills/my%20skill" },
          { ...common, url: "/api/library/skills/s/files/scripts/a%20b.sh" },
        ]);
        const refused = await update({ skill_name: "refused" });
        assert.ok(refused.isError);
        assert.match(refused.text, /403.*It is read-only\./);
        for (const args of [{ skill_name: "../x" }, { skill_name: ".." }, { skill_name: "s", file_path: "a/../../b" }])
          assert.match((await update(args)).text, /outside/);
        assert.equal(asked.length, 3);
        assert.ok(!refused.text.includes("t0ken") && !client.errors().includes("t0ken"));
      });

      it("says so where there is no Library", async () => {
        const { text, isError } = await bed.mcp.call("update_skill", { skill_name: "s", content: "" });
        assert.ok(isError);
        assert.match(text, /no Library to write to/);
      });
    });
  });
