import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import { apiClient, type Mission } from "../fake/apiClient.ts";
import { bash, makeBed, script, type Bed } from "../fake/bed.ts";
import { buildHeadless, finish, headless, type Headless } from "../fake/headless.ts";

const nobody = "00000000-0000-4000-8000-000000000000";

describe("the HTTP API", function () {
  this.timeout(90_000);
  let bed: Bed;
  let server: Headless;
  let url: string;
  let port: number;
  let token: string;
  let api: ReturnType<typeof apiClient>;

  before(async () => {
    buildHeadless();
    bed = await makeBed();
    server = headless(bed, ["serve", "--verbose"]);
    await server.says(/listens on http:\/\/127\.0\.0\.1:\d+\n.*\n/);
    url = /http:\/\/\S+/.exec(server.out())?.[0] ?? "";
    port = Number(new URL(url).port);
    token = readFileSync(join(bed.data, "runtime", "api-token"), "utf8").trim();
    api = apiClient(url, token);
  });
  after(async () => {
    server.kill("SIGTERM");
    assert.equal((await server.finished).code, 0);
    await bed.close();
  });

  /** A request whose headers are all our own. */
  function raw(headers: Record<string, string>, path = "/api/health", body?: Iterable<Buffer>): Promise<number> {
    return new Promise((resolve, reject) => {
      const method = body ? "POST" : "GET";
      const asked = request({ host: "127.0.0.1", port, path, method, headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      asked.once("error", reject);
      for (const piece of body ?? []) asked.write(piece);
      asked.end();
    });
  }

  describe("lets in", () => {
    it("anybody to ask whether it is well", async () => {
      const response = await fetch(`${url}/api/health`);
      const { version, ...health } = (await response.json()) as Record<string, unknown>;
      assert.deepEqual([response.status, typeof version], [200, "string"]);
      assert.deepEqual(health, {
        status: "ok",
        dev_mode: false,
        auth_required: true,
        auth_mode: "single_tenant",
        max_iterations: 0,
      });
    });

    it("nobody further without the token", async () => {
      const paths = ["control/missions", `control/missions/${nobody}`, "control/stream", `task/${nobody}`, "nothing"];
      const wrong = [undefined, "Bearer", "Bearer ", "Bearer wrong", `Bearer ${token}x`, `Basic ${token}`, token];
      for (const path of paths)
        for (const authorization of wrong) {
          const response = await fetch(`${url}/api/${path}`, { headers: { ...(authorization && { authorization }) } });
          const { code } = (await response.json()) as { code: string };
          assert.deepEqual([response.status, code], [401, "unauthorized"], `${path} ${String(authorization)}`);
        }
      assert.equal((await fetch(`${url}/api/control/missions`, { headers: api.headers })).status, 200);
    });

    it("no page of another site, nor one under a name of its own", async () => {
      const own = { host: `127.0.0.1:${String(port)}` };
      const statuses = await Promise.all([
        raw(own),
        raw({ host: `LOCALHOST:${String(port)}`, origin: "http://localhost:3000" }),
        raw({ host: "evil.example" }),
        raw({ host: `127.0.0.1.evil.example:${String(port)}` }),
        raw({ ...own, origin: "https://evil.example" }),
        raw({ ...own, origin: "http://localhost.evil.example" }),
        raw({ ...own, origin: "null" }),
        raw({ ...own, ...api.headers, origin: "https://evil.example" }, "/api/control/missions"),
      ]);
      assert.deepEqual(statuses, [200, 200, 403, 403, 403, 403, 403, 403]);
      const allowed = await fetch(`${url}/api/health`, { headers: { origin: "http://localhost:3000" } });
      assert.equal(allowed.headers.get("access-control-allow-origin"), null);
    });

    it("only this machine", async () => {
      const outside = Object.values(networkInterfaces()).flatMap(
        (all) => all?.filter(({ internal }) => !internal) ?? [],
      );
      const reached = await Promise.all(
        [...outside.filter(({ family }) => family === "IPv4").map(({ address }) => address), "127.0.0.1"].map(
          (host) =>
            new Promise<boolean>((resolve) => {
              const socket = connect({ host, port, timeout: 1_000 }, () => resolve(true));
              socket.once("error", () => resolve(false)).once("timeout", () => resolve(false));
              socket.unref();
            }),
        ),
      );
      assert.deepEqual(reached, [...reached.slice(1).map(() => false), true]);
    });

    it("no reader of its token but the user", () => {
      const path = join(bed.data, "runtime", "api-token");
      assert.deepEqual([statSync(path).mode & 0o777, statSync(join(path, "..")).mode & 0o777], [0o600, 0o700]);
      assert.match(token, /^[\w-]{43}$/);
      assert.ok(server.out().includes(path), "it says where the token is");
      const argv = readFileSync(`/proc/${String(server.pid)}/cmdline`, "utf8");
      for (const place of [server.out(), server.err(), argv]) assert.ok(!place.includes(token));
    });
  });

  describe("says what is wrong:", () => {
    const wrong = async (path: string, body?: unknown) => {
      const { status, json } = await api.ask(path, body);
      const { error, code } = json as { error: string; code: string };
      return [status, code, error] as const;
    };
    const check = async (expected: [number, string, RegExp], path: string, body?: unknown) => {
      const [status, code, error] = await wrong(path, body);
      assert.deepEqual([status, code], expected.slice(0, 2), error);
      assert.match(error, expected[2]);
    };

    it("a body that is no JSON, or not of the form", async () => {
      const bad: [unknown, RegExp][] = [
        ["{", /body is not JSON/],
        ["[]", /expected object/],
        ["{}", /content/],
        [{ content: 7 }, /content/],
        [{ content: "   " }, /message is empty/],
      ];
      for (const [body, words] of bad) await check([400, "invalid_input", words], "/api/control/message", body);
      await check([400, "invalid_input", /title/], "/api/control/missions", { title: "x".repeat(501) });
      await check([404, "workspace_not_found", /workspace 7/], "/api/control/missions", { workspace_id: "7" });
      await check([400, "invalid_input", /no absolute path/], "/api/control/missions", { working_dir: "src" });
      await check([400, "invalid_input", /task/], "/api/task", {});
    });

    it("an agent, a model or a folder that is not there", async () => {
      await check([400, "unknown_agent", /“nobody”.*build.*plan/], "/api/control/missions", { agent: "nobody" });
      await check([400, "unknown_agent", /“nobody”/], "/api/control/message", { content: "hi", agent: "nobody" });
      await check([400, "unknown_model", /scripted\/scripted/], "/api/control/missions", { model_override: "a/b" });
      await check([400, "unknown_model", /“a\/b”/], "/api/task", { task: "hi", model: "a/b" });
      await check([400, "folder_missing", /no folder \/nowhere/], "/api/task", { task: "hi", working_dir: "/nowhere" });
      assert.deepEqual(await api.get("/api/control/missions"), [], "nothing was made");
    });

    it("which agents there are, but for those that the Library hides", async () => {
      const names = async () =>
        (await api.get<{ name: string }[]>("/api/library/openagent/agents")).map(({ name }) => name);
      const before = await names();
      assert.deepEqual([before.includes("build"), before.includes("plan")], [true, true]);
      mkdirSync(join(bed.paths.library, "openagent"), { recursive: true });
      const config = join(bed.paths.library, "openagent", "config.json");
      writeFileSync(config, JSON.stringify({ hidden_agents: ["plan", "gone"] }));
      assert.deepEqual(
        await names(),
        before.filter((name) => name !== "plan"),
      );
      rmSync(config);
    });

    it("a mission or a route that is not there", async () => {
      const gone = [404, "mission_not_found", new RegExp(`no mission ${nobody}`)] as [number, string, RegExp];
      const control = `/api/control/missions/${nobody}`;
      await check(gone, control);
      await check(gone, `${control}/events`);
      await check(gone, `${control}/cancel`, {});
      await check(gone, `${control}/resume`, {});
      await check(gone, "/api/control/message", { content: "hi", mission_id: nobody });
      await check(gone, `/api/task/${nobody}`);
      await check(gone, `/api/task/${nobody}/stream`);
      await check([404, "mission_not_found", /no mission \.\.%2f/], "/api/control/missions/..%252f");
      await check([404, "not_found", /no route POST \/api\/control\/stream/], "/api/control/stream", {});
    });

    it("a page that is no number", async () => {
      const { id } = await api.create();
      for (const query of ["limit=all", "offset=-1", "limit=1e3"])
        await check([400, "invalid_input", /must be a number/], `/api/control/missions/${id}/events?${query}`);
    });

    it("a body without end", async () => {
      const headers = { host: "localhost", ...api.headers, "content-type": "application/json" };
      const piece = Buffer.alloc(1_000_000, 32);
      const status = raw({ ...headers, "content-length": "65000000" }, "/api/control/message", [piece]);
      assert.equal(await status.catch(() => 413), 413);
      const chunked = await raw(
        headers,
        "/api/control/message",
        Array.from({ length: 66 }, () => piece),
      ).catch(() => 413);
      assert.equal(chunked, 413);
      assert.equal((await fetch(`${url}/api/health`)).status, 200);
    });

    it("a port that is none, or is taken", async () => {
      const ports = ["none", "70000", "-1", "1.5", String(port)];
      const answers = await Promise.all(ports.map((one) => finish(bed, ["serve", `--port=${one}`])));
      assert.deepEqual(
        answers.map(({ code }) => code),
        [1, 1, 1, 1, 1],
      );
      for (const { err } of answers.slice(0, 4)) assert.match(err, /^“.*” is no port\. Give a number/);
      assert.match(answers[4]?.err ?? "", new RegExp(`^Port ${String(port)} of 127.0.0.1 is taken.*Choose another`));
    });
  });

  describe("missions", () => {
    it("are made empty, get their title with the first message, and have the reference's fields", async () => {
      const made = await api.create({ agent: "PLAN", model_override: "scripted/scripted", working_dir: bed.project });
      const { id, ...fields } = made;
      const { created_at, updated_at, ...rest } = fields;
      for (const time of [created_at, updated_at]) assert.match(String(time), /^\d{4}-\d\d-\d\dT.*Z$/);
      assert.deepEqual(rest, {
        status: "pending",
        title: "Untitled Mission",
        workspace_id: "00000000-0000-0000-0000-000000000000",
        workspace_name: "host",
        working_dir: bed.project,
        agent: "plan",
        model_override: "scripted/scripted",
        history: [],
        interrupted_at: null,
        resumable: false,
        desktop_sessions: [],
      });
      // Without an id it goes to the newest one.
      const { queued } = await api.get<{ queued: boolean }>("/api/control/message", { content: "[[hello]] first" });
      await api.untilEnded(id);
      const { status, title, history } = await api.mission(id);
      assert.deepEqual([queued, status, title], [false, "active", "[[hello]] first"]);
      assert.deepEqual(history, [
        { role: "user", content: "[[hello]] first" },
        { role: "assistant", content: "Hello from the scripted model. Nothing to do." },
      ]);
      assert.equal((await api.get<Mission[]>("/api/control/missions"))[0]?.id, id);
    });

    it("take messages while they are at work, and a cancellation", async () => {
      const { id } = await api.create({ title: "Slow" });
      const stream = await api.listen();
      const first = await api.send(id, "[[slow]]");
      await stream.until((all) => all.some(({ event }) => event === "text_delta"));
      const second = await api.send(id, "[[hello]]");
      assert.deepEqual([first.queued, second.queued, first.id === second.id], [false, true, false]);
      await stream.until((all) => all.some(({ event, data }) => event === "user_message" && data["id"] === second.id));
      const shown = stream.frames.filter(({ event }) => event === "user_message").map(({ data }) => data);
      assert.deepEqual(shown.at(-1), {
        type: "user_message",
        id: second.id,
        content: "[[hello]]",
        queued: true,
        mission_id: id,
      });
      const cancel = () => api.get<object>(`/api/control/missions/${id}/cancel`, {});
      assert.deepEqual(await cancel(), { ok: true, cancelled: true });
      await api.untilEnded(id);
      const { status, ...rest } = await api.mission(id);
      assert.deepEqual([status, rest["resumable"], typeof rest["interrupted_at"]], ["interrupted", true, "string"]);
      assert.deepEqual(await cancel(), { ok: true, cancelled: false });
      writeFileSync(join(bed.project, "unclean.txt"), "");
      const resumed = await api.get<Mission>(`/api/control/missions/${id}/resume`, { clean_workspace: true });
      assert.deepEqual([resumed.status, existsSync(join(bed.project, "unclean.txt"))], ["active", false]);
      stream.leave();
    });

    it("take a prompt of a megabyte", async () => {
      const content = `[[hello]] ${"ü".repeat(1_000_000)}`;
      const { id } = await api.create();
      await api.send(id, content);
      await api.untilEnded(id);
      assert.equal((await api.mission(id)).history[0]?.content, content);
    });

    it("page their events in order, and filter them by type", async () => {
      const { id } = await api.create();
      await api.send(id, script(bash("echo paged"), { text: "done" }));
      await api.untilEnded(id);
      const all = await api.events(id);
      const pages = [await api.events(id, "?limit=4"), await api.events(id, "?limit=1000&offset=4")].flat();
      assert.deepEqual(pages, all);
      assert.deepEqual(
        all.map(({ sequence }) => sequence),
        all.map(({ sequence }) => sequence).sort((one, other) => one - other),
      );
      const tools = await api.events(id, "?types=tool_call,tool_result,assistant_message,levitated");
      assert.deepEqual(
        tools.map(({ event_type }) => event_type),
        ["tool_call", "tool_result", "assistant_message"],
      );
      assert.match(tools[1]?.content ?? "", /^"paged\\n/);
      assert.deepEqual(Object.keys(tools[0] ?? {}), [
        "id",
        "mission_id",
        "sequence",
        "event_type",
        "timestamp",
        "event_id",
        "tool_call_id",
        "tool_name",
        "content",
        "metadata",
      ]);
    });

    it("carry HTML, scripts and odd characters in every field as they are", async () => {
      const odd = `<script>alert("1")</script><img src=x onerror='2'>&amp;\u2028\u0000\r\n\n event: x 🚀`;
      const title = odd.slice(0, 60);
      const { id } = await api.create({ title });
      const stream = await api.listen();
      const content = script(
        { reasoning: odd, text: odd, chunk: 7, ...bash(`printf '%s' '<b onclick="3">'; echo '</script>' >&2`) },
        { text: "done" },
      );
      await api.send(id, content);
      await api.untilEnded(id);
      const response = await fetch(`${url}/api/control/missions/${id}`, { headers: api.headers });
      assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
      const shown = (await response.json()) as Mission;
      assert.deepEqual([shown.title, shown.history[0]?.content], [title, content]);
      assert.ok(shown.history[1]?.content.startsWith(odd.trimEnd()), shown.history[1]?.content);
      await stream.until((all) => all.some(({ event }) => event === "assistant_message"));
      for (const { event, data } of stream.frames) assert.equal(event, data.type);
      const said = stream.frames.filter(({ event }) => event === "assistant_message").map(({ data }) => data.content);
      assert.equal(said[0]?.trimEnd(), odd.trimEnd());
      stream.leave();
    });
  });

  describe("the stream", () => {
    it("tells live what happens, in the words of the reference", async () => {
      const { id } = await api.create();
      const stream = await api.listen();
      assert.deepEqual(stream.frames.length <= 1, true);
      const content = script({
        reasoning: "Thinking it over.",
        text: "word ".repeat(20),
        // So slow that a busy machine does not take several pieces for one.
        delay: 150,
        ...bash("echo x"),
      });
      await api.send(id, content);
      await stream.until((all) => all.some(({ event }) => event === "text_delta"));
      assert.ok(!stream.frames.some(({ event }) => event === "tool_call"), "it is live");
      await stream.until(
        (all) => all.findLast(({ event }) => event === "status")?.data.state === "idle" && all.length > 5,
      );
      const [first] = stream.frames;
      assert.deepEqual(first, { event: "status", data: { type: "status", state: "idle", queue_len: 0 } });
      const mine = stream.frames.slice(1);
      for (const { event, data } of mine) assert.deepEqual([data.type, data.mission_id], [event, id]);
      const fields = new Map(mine.map(({ event, data }) => [event, Object.keys(data).sort().join(" ")]));
      assert.deepEqual(Object.fromEntries(fields), {
        status: "mission_id queue_len state type",
        mission_status_changed: "mission_id status type",
        user_message: "content id mission_id queued type",
        thinking: "content done mission_id type",
        text_delta: "content mission_id type",
        assistant_message: "content cost_cents id mission_id model success type",
        tool_call: "args mission_id name tool_call_id type",
        tool_result: "mission_id name result tool_call_id type",
      });
      const states = new Set(mine.flatMap(({ event, data }) => (event === "status" ? [data.state] : [])));
      assert.deepEqual([...states].sort(), ["idle", "running", "waiting_for_tool"]);
      // Texts are repeated whole with every piece.
      const texts = mine
        .filter(({ event }) => event === "text_delta")
        .flatMap(({ data: { content = "" } }) => (content.startsWith("word") ? [content] : []));
      assert.ok(texts.length > 2 && texts.every((text, index) => text.startsWith(texts[index - 1] ?? "")));
      const call = mine.find(({ event }) => event === "tool_call")?.data;
      const result = mine.find(({ event }) => event === "tool_result")?.data;
      assert.deepEqual(
        [call?.["name"], call?.["args"], result?.["result"], call?.["tool_call_id"]],
        ["bash", { command: "echo x", description: "a command" }, "x\n", result?.["tool_call_id"]],
      );
      stream.leave();
    });

    it("says that a mission failed, with the reason", async () => {
      const stream = await api.listen();
      const { id } = await api.create();
      await api.send(id, "[[err400]]");
      await stream.until((all) => all.some(({ event }) => event === "error"));
      const { message, ...rest } = stream.frames.find(({ event }) => event === "error")?.data ?? {};
      assert.deepEqual([typeof message, rest], ["string", { type: "error", resumable: true, mission_id: id }]);
      await stream.until((all) => all.some(({ data }) => data["status"] === "failed"));
      stream.leave();
    });

    it("ends when its client goes", async function () {
      if (process.platform !== "linux") return this.skip();
      const hex = port.toString(16).toUpperCase().padStart(4, "0");
      /** Connections to the server that are open, or of which it has not noticed the end. */
      const open = () => {
        const lines = readFileSync("/proc/net/tcp", "utf8").split("\n");
        return lines.filter((line) => new RegExp(`^ *\\d+: 0100007F:${hex} \\S+ 0[18] `).test(line)).length;
      };
      const options = { host: "127.0.0.1", port, path: "/api/control/stream", headers: api.headers, agent: false };
      const streams = Array.from({ length: 5 }, () => request(options).end());
      await Promise.all(streams.map((stream) => new Promise((resolve) => stream.once("response", resolve))));
      const before = open();
      for (const stream of streams) stream.destroy();
      assert.ok(await waitUntil(() => open() <= before - 5, 5_000), `${String(open())} of ${String(before)} are open`);
    });

    it("hears of what another process on the same data folder does", async () => {
      const stream = await api.listen();
      const { code } = await finish(bed, ["run", "[[hello]] from the other"]);
      assert.equal(code, 0);
      await stream.until((all) => all.some(({ event }) => event === "assistant_message"));
      const asked = stream.frames.find(({ event }) => event === "user_message")?.data;
      assert.equal(asked?.content, "[[hello]] from the other");
      assert.equal((await api.mission(asked.mission_id ?? "")).status, "active");
      stream.leave();
    });
  });

  describe("tasks", () => {
    it("are missions with one message, whose log can be followed to its end", async () => {
      const task = script(bash("echo task"), { text: "Task done." });
      const { id, status } = await api.get<{ id: string; status: string }>("/api/task", { task, budget_cents: 100 });
      assert.ok(status === "pending" || status === "running", status);
      const stream = await api.listen(`/api/task/${id}/stream`);
      await stream.over;
      const last = stream.frames.at(-1);
      assert.deepEqual(last, { event: "done", data: { status: "completed" } });
      const log = stream.frames.slice(0, -1).map(({ data }) => data);
      const { log: kept, ...whole } = await api.get<{ log: unknown[] } & Record<string, unknown>>(`/api/task/${id}`);
      assert.deepEqual(whole, {
        id,
        status: "completed",
        task,
        model: "scripted/scripted",
        iterations: 1,
        result: "Task done.",
      });
      assert.deepEqual(log, kept);
      assert.deepEqual(
        log.map((entry) => [entry["entry_type"], entry.content]),
        [
          ["tool_call", 'bash {"command":"echo task","description":"a command"}'],
          ["tool_result", "task\n"],
          ["response", "Task done."],
        ],
      );
      assert.equal((await api.mission(id)).status, "active");
    });

    it("fail with the reason in the log", async () => {
      const { id } = await api.get<{ id: string }>("/api/task", { task: "[[err401]]" });
      const stream = await api.listen(`/api/task/${id}/stream`);
      await stream.over;
      assert.deepEqual(stream.frames.at(-1), { event: "done", data: { status: "failed" } });
      assert.equal(stream.frames.at(-2)?.data["entry_type"], "error");
    });
  });
});
