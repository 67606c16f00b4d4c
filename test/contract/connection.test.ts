import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { sleep, waitUntil } from "../../src/base/async.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import { bash, codeOf, makeBed, script, texts, transcriptOf, until, untilTurns, type Bed } from "../fake/bed.ts";
import { startProxy, type Proxy } from "../fake/proxy.ts";

/** A mission over a connection that fails: to a server of the user's own, through a proxy. */
describe("an attached OpenCode server", function () {
  this.timeout(90_000);
  let host: Bed;
  let bed: Bed;
  let proxy: Proxy;
  let core: Core;
  let server: { url: string; password: string };

  before(async () => {
    host = await makeBed();
    const owner = host.core();
    await owner.run("startServer", {});
    server = JSON.parse(readFileSync(owner.paths.serverRecord, "utf8")) as typeof server;
    proxy = await startProxy(server.url);
    bed = await makeBed();
    core = bed.core({ attachedUrl: proxy.url, password: server.password });
    await core.run("startServer", {});
  });
  after(async () => {
    proxy.close();
    await bed.close();
    await host.close();
  });

  async function launch(text: string): Promise<string> {
    return (await core.run("createMission", { text, directory: host.project })).id;
  }

  /** The messages of the mission's session as the server holds them. */
  async function held(missionId: string): Promise<{ role: string; texts: string[] }[]> {
    const { sessionId } = core.store.head(missionId);
    const headers = { authorization: `Basic ${Buffer.from(`opencode:${server.password}`).toString("base64")}` };
    const url = `${server.url}/session/${sessionId ?? ""}/message?directory=${encodeURIComponent(host.project)}`;
    const messages = (await (await fetch(url, { headers })).json()) as {
      info: { role: string };
      parts: { type: string; text: string }[];
    }[];
    return messages.map(({ info, parts }) => ({
      role: info.role,
      texts: parts.filter(({ type }) => type === "text").map(({ text }) => text),
    }));
  }

  /** Speaks with the server past the proxy. */
  async function owner(method: string, path: string, body?: object): Promise<unknown> {
    const authorization = `Basic ${Buffer.from(`opencode:${server.password}`).toString("base64")}`;
    const url = `${server.url}${path}?directory=${encodeURIComponent(host.project)}`;
    const headers = { authorization, "content-type": "application/json" };
    return (await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) })).json();
  }

  async function waitUntilAsked(asked: boolean): Promise<void> {
    for (let round = 0; round < 300; round++) {
      if (((await owner("GET", "/permission")) as unknown[]).length > 0 === asked) return;
      await sleep(50);
    }
    assert.fail("The server did not come so far.");
  }

  function stored(missionId: string): { role: string; texts: string[] }[] {
    return transcriptOf(core, missionId).messages.map(({ role, parts }) => ({
      role,
      texts: parts.flatMap((part) => (part.kind === "text" ? [part.text] : [])),
    }));
  }

  it("runs missions, and starts no server of its own", async () => {
    const id = await launch("[[hello]]");
    assert.equal((await untilTurns(core, id, 1)).server, proxy.url);
    assert.equal(bed.serverPid(), undefined);
  });

  it("has the whole transcript in the end although the stream is cut again and again", async () => {
    const id = await launch(
      script(
        { text: "word ".repeat(300), chunk: 5, delay: 10 },
        { ...bash("echo in between"), text: "Then this." },
        { text: "The end." },
      ),
    );
    await until(core, id, (head) => head.busy && head.sessionId !== undefined);
    for (let index = 0; index < 5; index++) {
      await sleep(400);
      proxy.cut();
    }
    assert.equal((await untilTurns(core, id, 1)).status, "active");
    assert.deepEqual(stored(id), await held(id));
    assert.equal(stored(id)[1]?.texts[0]?.trimEnd(), "word ".repeat(300).trimEnd());
  });

  it("shows that text may be missing until it is repaired", async () => {
    const id = await launch(script({ text: "piece ".repeat(400), chunk: 6, delay: 10 }));
    await until(core, id, () => (texts(core, id)[0]?.length ?? 0) > 100);
    proxy.cut();
    const parts = () => transcriptOf(core, id).messages.flatMap((message) => message.parts);
    await waitUntil(() => parts().some((part) => part.kind === "text" && part.gap), 5_000, 5);
    assert.ok(parts().some((part) => part.kind === "text" && part.gap));
    await untilTurns(core, id, 1);
    assert.ok(parts().every((part) => part.kind !== "text" || !part.gap));
    assert.deepEqual(stored(id), await held(id));
  });

  it("notices what ended while the connection was down", async () => {
    const id = await launch(script(bash("sleep 1"), { text: "Said while nobody listened." }));
    await until(core, id, (head) => head.runState === "waiting_for_tool");
    proxy.refuse(true);
    proxy.cut();
    await waitUntil(() => core.engineState.kind === "lost", 2_000);
    assert.equal(core.engineState.kind, "lost");
    await sleep(2_500);
    proxy.refuse(false);
    await untilTurns(core, id, 1);
    assert.deepEqual(texts(core, id), ["Said while nobody listened."]);
  });

  it("asks what was asked while the connection was down, and not what was answered then", async () => {
    // Outside of its folder OpenCode asks by itself.
    const read = { tool: "read", args: { filePath: "/etc/hostname" } };
    const id = await launch(script({ ...bash("sleep 1") }, read, { text: "Read." }));
    await until(core, id, (head) => head.runState === "waiting_for_tool");
    const away = async (work: () => Promise<unknown>) => {
      proxy.refuse(true);
      proxy.cut();
      assert.ok(await waitUntil(() => core.engineState.kind === "lost", 5_000));
      await work();
      proxy.refuse(false);
    };
    await away(() => waitUntilAsked(true));
    const [request] = (await until(core, id, ({ requests }) => requests.length > 0)).requests;
    assert.equal(request?.kind === "permission" && request.permission, "external_directory");
    await away(async () => {
      await owner("POST", `/permission/${request?.id ?? ""}/reply`, { reply: "once" });
      await waitUntilAsked(false);
    });
    const head = await untilTurns(core, id, 1);
    assert.deepEqual([head.status, head.requests, texts(core, id)], ["active", [], ["Read."]]);
  });

  it("sends a message once when the answer to it is lost", async () => {
    const id = await launch("[[hello]]");
    await untilTurns(core, id, 1);
    proxy.swallowAnswer(/^POST \S*\/prompt_async/);
    await core.run("sendMessage", { missionId: id, text: "[[bash]] once" });
    await untilTurns(core, id, 2);
    assert.equal((await held(id)).filter((message) => message.texts.includes("[[bash]] once")).length, 1);
    assert.deepEqual(stored(id), await held(id));
  });

  it("sends a message once when it was lost on its way", async () => {
    const id = await launch("[[hello]]");
    await untilTurns(core, id, 1);
    proxy.dropRequest(/^POST \S*\/prompt_async/);
    await core.run("sendMessage", { missionId: id, text: "[[bash]] lost first" });
    await untilTurns(core, id, 2);
    assert.equal((await held(id)).filter((message) => message.texts.includes("[[bash]] lost first")).length, 1);
    assert.deepEqual(stored(id), await held(id));
  });

  describe("that is none", () => {
    const servers: Server[] = [];
    after(() => {
      for (const one of servers) one.close();
    });

    async function answering(status: number, type: string, body: string): Promise<string> {
      const one = createServer((_, response) => response.writeHead(status, { "content-type": type }).end(body));
      await new Promise<void>((resolve) => one.listen(0, "127.0.0.1", resolve));
      servers.push(one);
      const address = one.address();
      return `http://127.0.0.1:${String(typeof address === "object" && address ? address.port : 0)}`;
    }

    async function problem(attachedUrl: string, password = "x"): Promise<string> {
      const other = await makeBed();
      const opened = other.core({ attachedUrl, password });
      const code = await opened.run("startServer", {}).then(() => "none", codeOf);
      // A mission says the same, and keeps its message.
      const { id } = await opened.run("createMission", { text: "hi", directory: other.project });
      const head = await until(opened, id, ({ failure }) => failure !== undefined);
      assert.deepEqual([head.status, head.failure?.name, head.pending.length], ["failed", code, 1]);
      await other.close();
      return code;
    }

    it("is named: wrong password, no OpenCode, OpenCode 2, nothing there", async () => {
      const codes = [
        await problem(server.url, "wrong"),
        await problem(await answering(200, "text/html", "<html></html>")),
        await problem(await answering(200, "application/json", JSON.stringify({ healthy: true, version: "2.1.0" }))),
        await problem("http://127.0.0.1:9"),
      ];
      assert.deepEqual(codes, [
        "opencode_unauthorized",
        "opencode_not_a_server",
        "opencode_unsupported",
        "opencode_unreachable",
      ]);
    });
  });
});
