import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Core } from "../../src/orchestrator/core.ts";
import { codeIn, openRedirectDesk, redirectOf } from "../../src/opencode/mcpLogin.ts";
import { codeOf, makeBed, type Bed } from "../fake/bed.ts";
import { knownClient, startOAuthMcpServer, type OAuthMcpServer } from "../fake/oauthMcpServer.ts";

/** A port that nothing listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("the login at an MCP server", function () {
  this.timeout(60_000);
  let bed: Bed;
  let core: Core;
  let open: OAuthMcpServer;
  let closed: OAuthMcpServer;
  let entry: { type: string; url: string; oauth: { callbackPort: number } };

  before(async () => {
    [open, closed, bed] = await Promise.all([
      startOAuthMcpServer(),
      startOAuthMcpServer({ registration: false }),
      makeBed(),
    ]);
    core = bed.core();
    entry = { type: "remote", url: open.url, oauth: { callbackPort: await freePort() } };
    await core.run("setMcpServer", { name: "guarded", server: entry });
    await core.run("setMcpServer", { name: "exclusive", server: { type: "remote", url: closed.url } });
    await core.run("startServer", {});
  });
  after(async () => {
    await bed.close();
    await Promise.all([open.close(), closed.close()]);
  });

  const at = (name: string) => ({ directory: bed.project, name });
  const stateOf = async (name: string) => {
    const servers = await core.run("mcpServers", { directory: bed.project });
    return servers.find((server) => server.name === name)?.status?.state;
  };
  /** Where the page sends the browser to. */
  const sentTo = async (page: string) => (await fetch(page, { redirect: "manual" })).headers.get("location") ?? "";

  it("is done when the browser has come back, and the server is connected then", async () => {
    assert.equal(await stateOf("guarded"), "needs_auth");
    const desk = await openRedirectDesk(redirectOf(entry));
    assert.ok(desk);
    try {
      const page = await core.run("beginMcpLogin", at("guarded"));
      assert.equal(new URL(page).searchParams.get("redirect_uri"), redirectOf(entry));
      const code = desk.codeFrom(page);
      const forged = new URL(await sentTo(page));
      forged.searchParams.set("state", "another");
      assert.equal((await fetch(forged)).status, 404);
      const seen = await fetch(page);
      assert.deepEqual([seen.status, (await seen.text()).includes("You are logged in")], [200, true]);
      await core.run("finishMcpLogin", { ...at("guarded"), code: await code });
    } finally {
      desk.dispose();
    }
    assert.equal(await stateOf("guarded"), "connected");
  });

  it("is forgotten on demand, and the server wants one again", async () => {
    await core.run("removeMcpLogin", at("guarded"));
    assert.equal(await stateOf("guarded"), "needs_auth");
  });

  it("ends with the server's words where it refuses, and leaves the port of another program alone", async () => {
    const desk = await openRedirectDesk(redirectOf(entry));
    assert.ok(desk);
    try {
      assert.equal(await openRedirectDesk(redirectOf(entry)), undefined);
      const page = await core.run("beginMcpLogin", at("guarded"));
      const code = desk.codeFrom(page);
      const back = new URL(redirectOf(entry));
      back.searchParams.set("state", new URL(page).searchParams.get("state") ?? "");
      back.searchParams.set("error", "access_denied");
      const [outcome] = await Promise.allSettled([code, fetch(back)]);
      assert.match(outcome.status === "rejected" ? String(outcome.reason) : "", /refused the login: access_denied/);
    } finally {
      desk.dispose();
    }
  });

  it("is done by the address that the browser ended at, where the browser could not come back", async () => {
    const page = await core.run("beginMcpLogin", at("guarded"));
    const ended = await sentTo(page);
    assert.throws(() => codeIn(ended, (page + "x").replace("state=", "state=other")), /another login/);
    const refused = new URL(ended);
    refused.searchParams.set("error_description", "Not you");
    assert.throws(() => codeIn(refused.href, page), /refused the login: Not you/);
    const wrong = core.run("finishMcpLogin", { ...at("guarded"), code: "wrong" });
    await assert.rejects(wrong, /not logged in at guarded: .*unknown code/);
    await core.run("finishMcpLogin", { ...at("guarded"), code: codeIn(ended, page) });
    assert.equal(await stateOf("guarded"), "connected");
  });

  it("needs a registered client where the server takes no others, and works with one, whose secret is not told", async () => {
    assert.equal(await stateOf("exclusive"), "needs_client_registration");
    const server = { type: "remote", url: closed.url, oauth: knownClient };
    await core.run("setMcpServer", { name: "exclusive", server });
    assert.equal(await stateOf("exclusive"), "needs_auth");
    const page = await core.run("beginMcpLogin", at("exclusive"));
    assert.equal(new URL(page).searchParams.get("redirect_uri"), redirectOf(server));
    await core.run("finishMcpLogin", { ...at("exclusive"), code: codeIn(await sentTo(page), page) });
    assert.equal(await stateOf("exclusive"), "connected");
    const { parts } = await core.run("knownParts", {});
    const running = await core.run("runningConfiguration", { directory: bed.project });
    assert.deepEqual(
      [/known-client/, /known-secret/].map((words) => words.test(JSON.stringify([parts, running]))),
      [true, false],
    );
  });

  it("cannot be begun at a server that is not there", async () => {
    await assert.rejects(core.run("beginMcpLogin", at("missing")), (error) => codeOf(error) === "request_gone");
  });
});
