import assert from "node:assert/strict";
import { existsSync, lutimesSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { sleep, waitUntil } from "../../src/base/async.ts";
import { isInHand } from "../../src/desktop/control.ts";
import { RfbClient } from "../../src/desktop/rfb.ts";
import { connectX } from "../../src/desktop/x11.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import type { FoundDesktop } from "../../src/orchestrator/desktops.ts";
import type { ToolPart } from "../../src/protocol/transcript.ts";
import {
  bash,
  codeOf,
  makeBed,
  script,
  transcriptOf,
  until,
  untilTurns,
  type Bed,
  type BedOptions,
} from "../fake/bed.ts";
import { missingPrograms, unlessMissing } from "../fake/desktop.ts";
import { needBackend, processesNamed } from "../fake/workspaces.ts";
import { eventually } from "../host/eventually.ts";
import { installationFolder } from "../host/setup.ts";

const missing = missingPrograms("Xtigervnc", "openbox", "xterm");
const start = { tool: "desktop_desktop_start_session", args: {} };
const computer = (args: object) => ({ tool: "desktop_desktop_computer", args });

/** Stands in a container for Playwright's MCP server: it says where a browser would be. */
const playwright = String.raw`#!/bin/sh
while read -r line; do
  id=$(printf %s "$line" | sed -n 's/.*"id":\([0-9]*\)[,}].*/\1/p')
  case $line in
    *'"method":"initialize"'*) result='{"protocolVersion":"2025-06-18","capabilities":{}}' ;;
    *'"method":"tools/list"'*) result='{"tools":[{"name":"browser_where","inputSchema":{"type":"object"}}]}' ;;
    *'"method":"tools/call"'*) result="{\"content\":[{\"type\":\"text\",\"text\":\"Inside, on $DISPLAY.\"}]}" ;;
    *) continue ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
`;

describe(unlessMissing("a mission's desktop", missing), function () {
  this.timeout(300_000);
  let bed: Bed;
  let core: Core;
  const desktopsOf = (missionId: string) => core.desktops.list().filter((desktop) => desktop.missionId === missionId);
  const calls = (missionId: string): ToolPart[] =>
    transcriptOf(core, missionId).messages.flatMap(({ parts }) => parts.filter((part) => part.kind === "tool"));
  const launch = async (...steps: object[]) => {
    const { id } = await core.run("createMission", { text: script(...steps), directory: bed.project });
    return id;
  };
  const makeCore = async (options: BedOptions = {}, settings: Parameters<Bed["core"]>[0] = {}) => {
    bed = await makeBed(options);
    core = bed.core({ desktop: true, desktopSize: "800x600", ...settings });
  };
  const library = (desktop: object) => {
    mkdirSync(join(bed.paths.library, "openagent"), { recursive: true });
    writeFileSync(join(bed.paths.library, "openagent", "config.json"), JSON.stringify({ desktop }));
  };

  /** Ends all that a test has begun, and sees that nothing of it is left. */
  const clear = async () => {
    for (const head of core.store.listRunning()) await core.run("stopMission", { missionId: head.id });
    await waitUntil(() => core.store.listRunning().length === 0, 20_000);
    for (const { id } of core.workspaces().workspaces) await core.run("deleteWorkspace", { workspaceId: id });
    for (const { id } of core.store.list()) await core.run("deleteMission", { missionId: id });
    assert.deepEqual(core.desktops.list(), []);
  };
  const close = async () => {
    await bed.close();
    await waitUntil(() => processesNamed(bed.root).length === 0, 5_000);
    assert.deepEqual(processesNamed(bed.root), [], "nothing is left behind");
  };

  before(function () {
    if (missing.length > 0) this.skip();
  });

  describe("on this machine", () => {
    before(() => makeCore());
    afterEach(clear);
    after(close);

    it("is its own: another mission in the same folder neither sees nor uses it, its sub-agents do", async () => {
      const first = await launch(start, { text: "Started." });
      await untilTurns(core, first, 1, 90_000);
      const [mine] = desktopsOf(first);
      assert.ok(mine);
      const display = mine.display;
      const second = await launch(
        computer({ action: "screenshot" }),
        computer({ action: "left_click", coordinate: [1, 1], display }),
        { tool: "desktop_desktop_stop_session", args: { display } },
        start,
        { text: "Tried." },
      );
      await untilTurns(core, second, 1);
      const said = calls(second).map(({ output = "" }) => output);
      assert.match(said[0] ?? "", /There is no desktop\. Start one/);
      assert.match(said[1] ?? "", /There is no desktop\. Start one/);
      assert.match(said[2] ?? "", /There is no desktop\. Start one/);
      const [other] = desktopsOf(second);
      assert.ok(other && other.id !== mine.id && other.display !== display);
      const child = [computer({ action: "cursor_position" }), { text: "Looked." }];
      const prompt = script(...child);
      const task = { tool: "task", args: { description: "look", prompt, subagent_type: "general" } };
      await core.run("sendMessage", { missionId: first, text: script(task, { text: "Delegated." }) });
      const { children } = await untilTurns(core, first, 2);
      const [session] = Object.keys(children);
      const answers = core.store
        .events(first, { types: ["tool_result"] })
        .flatMap(({ body }) => (body.type === "tool_result" && body.sessionId === session ? [body.output] : []));
      assert.match(answers[0] ?? "", /^X=\d+,Y=\d+$/);
      assert.deepEqual(
        core.store.head(first).desktops?.map(({ id }) => id),
        [mine.id],
      );
    });

    it("has pictures of what was done on it in the mission's history, which go with it", async () => {
      const id = await launch(
        start,
        computer({ action: "mouse_move", coordinate: [10, 10] }),
        computer({ action: "screenshot" }),
        computer({ action: "mouse_move", coordinate: [400, 300] }),
        { text: "Done." },
      );
      await untilTurns(core, id, 1, 90_000);
      const pictures = () => calls(id).map(({ picture }) => picture);
      await eventually(pictures, (found) => found[0] !== undefined, 10_000);
      const [first = "", , looked] = pictures();
      assert.equal(looked, undefined, "a screenshot is a picture itself");
      assert.equal(readFileSync(first).subarray(1, 4).toString("latin1"), "PNG");
      assert.equal(dirname(first), core.desktops.picturesOf(id));
      const [{ folder, socket } = { folder: "", socket: "" }] = desktopsOf(id);
      const { screenshots_dir: shots } = JSON.parse(calls(id)[0]?.output ?? "") as { screenshots_dir: string };
      assert.equal(shots, join(dirname(folder), `screenshots-${core.store.head(id).sessionId ?? ""}`));
      writeFileSync(join(shots, "shot.png"), "");
      await core.run("deleteMission", { missionId: id });
      assert.deepEqual([first, shots].filter(existsSync), []);
      await eventually(
        () => existsSync(folder) || existsSync(socket),
        (is) => !is,
        5000,
      );
    });

    it("is closed when its mission has rested for long enough, unless it is kept", async () => {
      library({ auto_close_grace_period_secs: 6 });
      const [one, other] = [await launch(start, { text: "." }), await launch(start, { text: "." })];
      await Promise.all([one, other].map((id) => untilTurns(core, id, 1, 90_000)));
      const [kept] = desktopsOf(other);
      assert.ok(kept);
      assert.ok((kept.closesAt ?? 0) > 0);
      await core.run("keepDesktop", { desktopId: kept.id, seconds: 600 });
      assert.ok((desktopsOf(other)[0]?.closesAt ?? 0) > Date.now() + 500_000);
      await eventually(
        () => desktopsOf(one).length,
        (count) => count === 0,
        20_000,
      );
      await until(core, one, (head) => head.desktops?.[0]?.endedAt !== undefined, 10_000);
      assert.equal(desktopsOf(other).length, 1);
      await core.run("endDesktop", { desktopId: kept.id });
      assert.equal(desktopsOf(other).length, 0);
      assert.equal(await core.run("endDesktop", { desktopId: kept.id }).catch(codeOf), "desktop_not_found");
      library({});
    });

    it("goes on while no process of ours is there, and is told to be gone when all of it was killed", async () => {
      const id = await launch(start, bash("sleep 5"), { text: "." });
      await until(core, id, (head) => head.runState === "waiting_for_tool" && (head.desktops?.length ?? 0) > 0, 60_000);
      const [before] = desktopsOf(id);
      assert.ok(before);
      await core.dispose();
      core = bed.core({ desktop: true });
      await untilTurns(core, id, 1, 90_000);
      const [after] = desktopsOf(id);
      assert.equal(after?.id, before.id);
      const client = await core.desktops.connect(before.id);
      await client.refresh();
      client.dispose();
      for (const pid of processesNamed(before.folder)) process.kill(pid, "SIGKILL");
      await until(core, id, (head) => head.desktops?.[0]?.endedAt !== undefined, 60_000);
      assert.deepEqual(desktopsOf(id), []);
      await core.run("sendMessage", {
        missionId: id,
        text: script(computer({ action: "screenshot" }), start, { text: "." }),
      });
      await untilTurns(core, id, 2);
      const [, , failed, again] = calls(id);
      assert.match(failed?.output ?? "", /There is no desktop|has ended/);
      assert.equal(again?.card.desktop?.action, "started");
    });

    it("is used by one hand at a time, whichever window that is in", async () => {
      const id = await launch(start, { text: "." });
      await untilTurns(core, id, 1, 90_000);
      const [desktop] = desktopsOf(id);
      assert.ok(desktop);
      const second = bed.core({ desktop: true });
      const ended = (error: Error) => assert.fail(error);
      const states: boolean[] = [];
      const views = [core, second].map(({ desktops }) =>
        desktops.view(desktop.id, { deliver: () => undefined, ended, controls: (has) => states.push(has) }),
      );
      views[0]?.control(true);
      assert.ok(isInHand(desktop.folder));
      assert.throws(() => views[1]?.control(true), /Another window has this desktop in hand/);
      views[0]?.dispose();
      assert.ok(!isInHand(desktop.folder));
      views[1]?.control(true);
      assert.deepEqual(states, [true, false, true]);
      views[1]?.dispose();
    });
  });

  describe("in a container", () => {
    afterEach(async () => {
      await clear();
      await close();
    });

    for (const kind of ["bwrap", "podman", "nspawn"] as const)
      it(`runs in ${kind} with the mission, is seen from here, and reaches nothing here`, async function () {
        await needBackend(this, kind);
        await inContainer(kind, {});
      });

    it("runs in a container beside an OpenCode outside of it", async function () {
      await needBackend(this, "bwrap");
      await inContainer("bwrap", { containerOpenCode: "outside" });
    });
  });

  async function inContainer(kind: "bwrap" | "podman" | "nspawn", settings: Parameters<Bed["core"]>[0]): Promise<void> {
    await makeCore({ templates: join(installationFolder(), "templates") }, { browserTools: true, ...settings });
    const packages = ["git", "tigervnc-standalone-server", "openbox", "xterm", "x11-utils"];
    const wish = { name: "box", kind, directory: bed.project, packages };
    const { id: workspaceId } = await core.run("createWorkspace", wish);
    const install = `cd /usr/local/bin && cat >playwright-mcp && ln -s /bin/true chromium && chmod +x playwright-mcp`;
    const argv = ["sh", "-c", install];
    const { exitCode } = await core.run("execInWorkspace", { workspaceId, argv, stdin: playwright });
    assert.equal(exitCode, 0);
    const typed = join(bed.project, "typed.txt");
    const isOutside = settings?.containerOpenCode === "outside";
    const write = (command: string) => (isOutside ? { tool: "workspace_bash", args: { command } } : bash(command));
    const steps = [start, computer({ action: "wait", until_still: true }), { text: "Started." }];
    const { id } = await core.run("createMission", { text: script(...steps), workspaceId });
    const head = await untilTurns(core, id, 1, 280_000);
    assert.equal(head.failure, undefined);
    const [desktop] = desktopsOf(id);
    assert.ok(desktop, JSON.stringify(calls(id).map(({ output }) => output)));
    assert.equal(desktop.size, "800x600");
    const authority = join(desktop.folder, "authority");
    await assert.rejects(connectX({ name: desktop.display, authority }), "its X server is not reached from here");
    const variables = `DISPLAY=${desktop.display} XAUTHORITY=${authority}`;
    const more = [
      write(`${variables} xprop -root _NET_SUPPORTING_WM_CHECK > root.txt`),
      {
        tool: "desktop_desktop_i3_command",
        args: { display: desktop.display, command: `exec xterm -geometry 60x20+20+20 -e sh -c 'cat > ${typed}'` },
      },
      computer({ action: "left_click", coordinate: [120, 120] }),
      computer({ action: "type", text: "typed inside\n" }),
      computer({ action: "key", text: "ctrl+d" }),
      computer({ action: "wait", until_still: true }),
      { tool: "playwright_browser_where", args: {} },
      { text: "Typed." },
    ];
    await core.run("sendMessage", { missionId: id, text: script(...more) });
    await untilTurns(core, id, 2);
    assert.match(
      readFileSync(join(bed.project, "root.txt"), "utf8"),
      /window id/,
      "commands of the agent reach it too",
    );
    const text = () => (existsSync(typed) ? readFileSync(typed, "utf8") : "");
    assert.equal(await eventually(text, (found) => found !== "", 5000), "typed inside\n");
    assert.equal(calls(id).at(-1)?.output, `Inside, on ${desktop.display}.`, "a browser is shown on it");
    // From here it is seen and used through its socket.
    const client = await RfbClient.to(desktop.socket);
    await client.refresh();
    assert.deepEqual([client.width, client.height], [800, 600]);
    client.dispose();
    assert.match(calls(id)[0]?.picture ?? calls(id)[2]?.picture ?? "", /\.png$/);
    await hostile(desktop);
    await core.run("stopMission", { missionId: id }).catch(() => undefined);
    await core.run("deleteWorkspace", { workspaceId });
    await until(core, id, ({ desktops = [] }) => desktops.every(({ endedAt }) => endedAt !== undefined), 60_000);
  }

  /** What an agent puts into the folder that it shares with this machine leads to nothing of this machine. */
  async function hostile(desktop: FoundDesktop): Promise<void> {
    const place = dirname(desktop.folder);
    const target = join(bed.root, "precious");
    writeFileSync(target, "precious");
    const trap = join(place, "0badf00d");
    mkdirSync(trap);
    writeFileSync(join(trap, "display"), "99 1 800x600 Xtigervnc none");
    for (const name of ["vnc.sock", "hold", "taken", "owner"]) symlinkSync(target, join(trap, name));
    symlinkSync(bed.root, join(place, "0badf01d"));
    assert.deepEqual(
      core.desktops.list().map(({ id }) => id),
      [desktop.id],
    );
    symlinkSync(target, join(desktop.folder, "taken"));
    const view = core.desktops.view(desktop.id, { deliver: () => undefined, ended: () => undefined });
    await sleep(100);
    assert.throws(() => view.control(true), /Another window|File exists|EEXIST/);
    view.dispose();
    // As if it had been left there for a while.
    const old = Date.now() / 1000 - 120;
    for (const name of ["0badf00d", "0badf01d"]) lutimesSync(join(place, name), old, old);
    core.desktops.sweep();
    assert.deepEqual(
      readdirSync(place).filter((name) => name.startsWith("0bad")),
      [],
    );
    assert.equal(readFileSync(target, "utf8"), "precious");
    assert.ok(existsSync(bed.project));
  }
});
