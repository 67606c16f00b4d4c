import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { JpegEncoder } from "../../src/api/jpeg.ts";
import { sleep } from "../../src/base/async.ts";
import { takeInHand } from "../../src/desktop/control.ts";
import { endDisplay, holdDisplay, startDisplay, type Display } from "../../src/desktop/display.ts";
import { RfbClient } from "../../src/desktop/rfb.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import { apiClient } from "../fake/apiClient.ts";
import { makeBed, repository, script, untilTurns, type Bed } from "../fake/bed.ts";
import { hasKeyboard } from "../fake/desktop.ts";
import { decodeJpeg, openStream, type StreamClient } from "../fake/desktopStream.ts";
import { buildHeadless, headless, type Headless } from "../fake/headless.ts";
import { eventually } from "../host/eventually.ts";

const needed = ["Xtigervnc", "openbox", "xterm", "xprop"];
const missing = needed.filter(
  (name) => !(process.env["PATH"] ?? "").split(":").some((folder) => existsSync(join(folder, name))),
);
const skipped = missing.length > 0 ? ` (not tested: ${missing.join(", ")} missing here)` : "";

interface Session extends Record<string, unknown> {
  id: string;
  display: string;
  status: string;
}

describe("JPEGs", () => {
  it("are whole in any size and quality, of noise as well", async () => {
    buildHeadless();
    const encoder = new JpegEncoder(join(repository, "dist", "jpeg.cjs"));
    const sizes = [
      [64, 64],
      [65, 67],
      [640, 480],
    ] as const;
    for (const [width, height] of sizes) {
      const data = randomFillSync(Buffer.alloc(4 * width * height)).map((value) => (value > 127 ? 255 : 0));
      const jpegs = await Promise.all(
        [100, 100, 10].map((quality) => encoder.encode({ width, height, data }, quality)),
      );
      assert.equal(data.length, 4 * width * height, "the pixels stay with who has them");
      const [best, again, worst] = await Promise.all(jpegs.map(decodeJpeg));
      assert.deepEqual([best?.width, best?.height, worst?.width, worst?.height], [width, height, width, height]);
      assert.deepEqual(jpegs[0], jpegs[1]);
      for (const picture of [best, again]) {
        const wanted = [...data.subarray(4 * (3 * width + 5), 4 * (3 * width + 5) + 3)];
        const found = picture?.at(5, 3) ?? [];
        assert.ok(
          found.every((value, index) => Math.abs(value - (wanted[index] ?? 0)) < 20),
          `${String(found)}, not ${String(wanted)}`,
        );
      }
    }
    encoder.dispose();
    const left = encoder.encode({ width: 64, height: 64, data: Buffer.alloc(4 * 64 * 64) }, 70);
    encoder.dispose();
    await assert.rejects(left, /not made any more/);
  });
});

describe(`the HTTP API's desktops${skipped}`, function () {
  this.timeout(150_000);
  let bed: Bed;
  let core: Core;
  let server: Headless;
  let url: string;
  let token: string;
  let api: ReturnType<typeof apiClient>;

  before(async function () {
    if (missing.length > 0) this.skip();
    buildHeadless();
    bed = await makeBed();
    // Another process leads, as an editor does.
    core = bed.core({ desktop: true, desktopSize: "640x480" });
    await core.run("createEmptyMission", { title: "Idle", directory: bed.project });
    server = headless(bed, ["serve"]);
    await server.says(/listens on http:\/\/127\.0\.0\.1:\d+\n.*\n/);
    url = /http:\/\/\S+/.exec(server.out())?.[0] ?? "";
    token = readFileSync(join(bed.data, "runtime", "api-token"), "utf8").trim();
    api = apiClient(url, token);
  });
  after(async () => {
    if (missing.length > 0) return;
    for (const { id, status } of await sessions()) if (status !== "stopped") await post(`${id}/close`);
    server.kill("SIGTERM");
    assert.equal((await server.finished).code, 0);
    await bed.close();
  });

  const sessions = async () => (await api.get<{ sessions: Session[] }>("/api/desktop/sessions")).sessions;
  const post = (path: string, body: object = {}) =>
    api.ask(`/api/desktop/sessions/${path}`, body) as Promise<{ status: number; json: Record<string, unknown> }>;
  const open = (display: string, more = "", protocols = ["openagent", `jwt.${token}`]) =>
    openStream(`${url.replace("http", "ws")}/api/desktop/stream?display=${display}${more}`, protocols);

  describe("of missions", () => {
    it("are listed with what their missions do, kept, closed and told of in the end", async () => {
      assert.deepEqual(await sessions(), []);
      const gate = join(bed.root, "gate");
      const text = script({ tool: "desktop_desktop_start_session", args: {} }, { text: "It runs.", gate });
      const { id } = await core.run("createMission", { text, directory: bed.project });
      const one = async (fits: (found: Session | undefined) => boolean) =>
        (await eventually(
          async () => (await sessions())[0],
          (found) => fits(found),
          100_000,
        )) ?? assert.fail();
      const { started_at, title, ...active } = await one((found) => found?.["mission_id"] === id && !!found.display);
      assert.ok(Date.now() - Date.parse(String(started_at)) < 60_000 && title === undefined);
      const { display } = active;
      assert.match(display, /^:\d+$/);
      const mission = { mission_id: id, mission_title: core.store.head(id).title };
      const head = { id: active.id, display, ...mission };
      assert.deepEqual(active, { ...head, status: "active", mission_status: "active", process_running: true });
      // One whose mission is at work is no orphan.
      assert.deepEqual((await post("cleanup")).json, { success: true, message: "Closed 0 orphaned sessions" });

      writeFileSync(gate, "");
      await untilTurns(core, id, 1);
      const orphaned = await one((found) => found?.status === "orphaned");
      const left = Number(orphaned["auto_close_in_secs"]);
      assert.ok(left > 7000 && left <= 7200, String(left));

      const { status, json } = await post(`${encodeURIComponent(display)}/keep-alive`, { extension_secs: 9000 });
      assert.equal(status, 200);
      assert.match(String(json["message"]), /^Keep-alive extended to \d{4}-/);
      const kept = await one((found) => found?.["keep_alive_until"] !== undefined);
      assert.ok(Number(kept["auto_close_in_secs"]) > 8900, String(kept["auto_close_in_secs"]));
      const told = (await api.mission(id))["desktop_sessions"] as object[];
      const until = kept["keep_alive_until"];
      const [{ started_at: began }] = told as [{ started_at: string }];
      assert.deepEqual(told, [{ display, started_at: began, mission_id: id, keep_alive_until: until }]);
      // What the user keeps stays.
      assert.deepEqual((await post("cleanup")).json, { success: true, message: "Closed 0 orphaned sessions" });

      assert.deepEqual(await post(`${display.slice(1)}/close`), {
        status: 200,
        json: { success: true, message: `Desktop session ${display} closed` },
      });
      const stopped = await one((found) => found?.["stopped_at"] !== undefined);
      assert.deepEqual([stopped.status, stopped["process_running"], stopped.display], ["stopped", false, display]);
      assert.equal((await post("cleanup-stopped")).json["success"], true);
      const [after] = (await api.mission(id))["desktop_sessions"] as [{ stopped_at: string }];
      assert.equal(after.stopped_at, stopped["stopped_at"]);
      const gone = await post(`${display.slice(1)}/close`);
      assert.deepEqual([gone.status, gone.json["code"]], [404, "desktop_not_found"]);
    });

    it("are closed by a clean-up when their missions rest", async () => {
      const text = script({ tool: "desktop_desktop_start_session", args: {} }, { text: "It runs." });
      const { id } = await core.run("createMission", { text, directory: bed.project });
      await untilTurns(core, id, 1);
      await eventually(sessions, (all) => all.some(({ status }) => status === "orphaned"));
      assert.deepEqual((await post("cleanup")).json, { success: true, message: "Closed 1 orphaned sessions" });
      assert.deepEqual(
        (await sessions()).map(({ status }) => status),
        ["stopped", "stopped"],
      );
    });
  });

  describe("as a stream", () => {
    let folder: string;
    let display: Display;
    let name: string;
    const children: ChildProcess[] = [];
    const streams: StreamClient[] = [];
    before(async () => {
      folder = join(bed.paths.desktops, "host", "0a0b0c0d");
      display = await startDisplay({ folder, width: 800, height: 600, graceSeconds: 0 });
      await holdDisplay(folder);
      name = encodeURIComponent(display.name);
    });
    afterEach(() => {
      for (const { socket } of streams.splice(0)) socket.terminate();
      for (const child of children.splice(0)) child.kill();
    });
    after(async () => {
      await endDisplay(folder);
    });
    const watch = async (...words: Parameters<typeof open>) => {
      const stream = await open(...words);
      streams.push(stream);
      return stream;
    };
    const env = () => ({ ...process.env, LANG: "C.UTF-8", DISPLAY: display.name, XAUTHORITY: display.authority });
    let windows = 0;
    /** Runs a script in a blue window, which has the keyboard when this resolves. */
    const xterm = async (commands: string) => {
      const title = `window${String(++windows)}`;
      const ready = join(bed.root, title);
      const look = ["-u8", "-T", title, "-bg", "#2050c0", "-fg", "white", "-geometry", "80x20+100+100"];
      const child = spawn("xterm", [...look, "-e", "sh", "-c", `: > ${ready}; ${commands}`], {
        env: env(),
        stdio: "ignore",
      });
      children.push(child);
      await hasKeyboard(title, env());
      await eventually(
        () => existsSync(ready),
        (is) => is,
        15_000,
      );
    };
    const content = (path: string, fits: (text: string) => boolean) =>
      eventually(() => (existsSync(path) ? readFileSync(path, "utf8") : ""), fits, 10_000);

    it("shows its pixels, and nothing while nothing changes", async () => {
      assert.equal((await sessions()).find(({ display: one }) => one === display.name)?.status, "unknown");
      await xterm("sleep 60");
      const stream = await watch(name, "&quality=95");
      assert.equal(stream.socket.protocol, "openagent");
      const count = await stream.untilIdle();
      const frame = stream.frames.at(-1) ?? Buffer.alloc(0);
      assert.deepEqual([...frame.subarray(0, 3)], [0xff, 0xd8, 0xff]);
      const picture = await decodeJpeg(frame);
      assert.deepEqual([picture.width, picture.height], [800, 600]);
      const client = await RfbClient.to(display.socket);
      await client.refresh();
      for (const [x, y] of [
        [300, 250],
        [200, 330],
        [5, 590],
        [790, 10],
      ] as const) {
        const start = 4 * (y * 800 + x);
        const wanted = [...client.pixels.data.subarray(start, start + 3)];
        const distance = Math.max(...picture.at(x, y).map((value, index) => Math.abs(value - (wanted[index] ?? 0))));
        assert.ok(distance <= 12, `${String(x)},${String(y)}: ${String(picture.at(x, y))}, not ${String(wanted)}`);
      }
      assert.ok(Math.abs((picture.at(300, 250)[2] ?? 0) - 0xc0) < 12, "the window is blue");
      client.dispose();
      await sleep(1000);
      assert.equal(stream.frames.length, count);
    });

    it("is watched by a page's own WebSocket", async () => {
      const socket = new WebSocket(`${url.replace("http", "ws")}/api/desktop/stream?display=${name}`, [
        "openagent",
        `jwt.${token}`,
      ]);
      socket.binaryType = "arraybuffer";
      const first = await new Promise<unknown>((resolve, reject) => {
        socket.onmessage = ({ data }) => resolve(data);
        socket.onerror = () => reject(new Error("The socket failed."));
      });
      assert.ok(first instanceof ArrayBuffer);
      socket.close();
    });

    it("pauses, goes on, and comes as often and as well as its client says", async () => {
      await xterm("while :; do date +%N; sleep 0.02; done");
      const stream = await watch(name, "&fps=1000&quality=0");
      await stream.untilFrame(10);
      const rate = async () => {
        const before = stream.frames.length;
        await sleep(2000);
        return (stream.frames.length - before) / 2;
      };
      const quick = await rate();
      assert.ok(quick > 4 && quick <= 32, `${String(quick)} in a second`);
      stream.say({ t: "fps", fps: 2 });
      await sleep(300);
      const slow = await rate();
      assert.ok(slow >= 1 && slow <= 3, `${String(slow)} in a second`);
      const small = (await stream.untilFrame(stream.frames.length)).length;
      stream.say({ t: "quality", quality: 100 });
      await stream.untilFrame(stream.frames.length + 1);
      assert.ok((stream.frames.at(-1)?.length ?? 0) > 2 * small);
      stream.say({ t: "pause" });
      await sleep(700);
      const paused = stream.frames.length;
      await sleep(1500);
      assert.equal(stream.frames.length, paused);
      stream.say({ t: "resume" });
      await stream.untilFrame(paused);
      assert.deepEqual(stream.errors, []);
    });

    it("keeps nothing for a client that does not read, and shows it what is there when it does", async () => {
      await xterm("while :; do head -c 4000 /dev/urandom | base64 -w 79; sleep 0.02; done");
      const [slow, quick] = [await watch(name, "&fps=30&quality=100"), await watch(name, "&fps=30&quality=100")];
      await slow.untilFrame(2);
      slow.socket.pause();
      const before = slow.frames.length;
      const missed = 80;
      const others = async (count: number) => {
        const end = quick.frames.length + count;
        while (quick.frames.length < end) await quick.untilFrame(quick.frames.length);
      };
      await others(missed);
      slow.socket.resume();
      await others(10);
      // Those that were under way in the system already, and those since.
      const came = slow.frames.length - before;
      assert.ok(came > 0 && came < missed / 2, `${String(came)} frames came of more than ${String(missed)}`);
    });

    it("shows an idle display anew in another quality", async () => {
      const stream = await watch(name, "&quality=10");
      const count = await stream.untilIdle();
      stream.say({ t: "quality", quality: 90 });
      await stream.untilFrame(count);
      assert.equal(await stream.untilIdle(), count + 1);
    });

    it("lets its client use mouse and keyboard, one hand at a time", async () => {
      const typed = join(bed.root, "typed");
      await xterm(`cat > ${typed}`);
      const [stream, other] = [await watch(name), await watch(name)];
      for (const command of [
        { t: "click", x: 300, y: 250 },
        { t: "type", text: "Grüße, 世界" },
        { t: "key", key: "Return" },
        { t: "type", text: "two\n", delay_ms: 5 },
        { t: "key", key: "ctrl+d" },
      ])
        stream.say(command);
      assert.equal(await content(typed, (text) => text.includes("two")), "Grüße, 世界\ntwo\n");
      assert.ok(existsSync(join(folder, "taken")));
      other.say({ t: "move", x: 1, y: 1 });
      await eventually(
        () => other.errors,
        (errors) => errors.length > 0,
        5000,
      );
      assert.match(other.errors[0]?.message ?? "", /has this desktop in hand/);
      assert.equal(other.errors[0]?.error, "input_failed");
      await eventually(
        () => existsSync(join(folder, "taken")),
        (is) => !is,
        5000,
      );
      other.say({ t: "mouse_move", x: 123, y: 77 });
      await eventually(
        () => existsSync(join(folder, "taken")),
        (is) => is,
        5000,
      );
      assert.equal(other.errors.length, 1);
      other.socket.terminate();
      await eventually(
        () => existsSync(join(folder, "taken")),
        (is) => !is,
        2000,
      );
      const taken = takeInHand(folder);
      stream.say({ t: "key", key: "a" });
      await eventually(
        () => stream.errors,
        (errors) => errors.length > 0,
        5000,
      );
      taken.dispose();
    });

    it("lets go of a button that its client holds when that leaves", async () => {
      const clicks = join(bed.root, "clicks");
      // Tells of buttons that go down and up.
      await xterm(`stty raw -echo; printf '\\033[?1000h\\033[?1006h'; cat > ${clicks}`);
      const stream = await watch(name);
      stream.say({ t: "mouse_down", x: 300, y: 250, button: "right" });
      await content(clicks, (text) => text.includes("M"));
      // Where the pointer was last.
      stream.say({ t: "scroll", delta_y: 240 });
      await content(clicks, (text) => text.split("<65;").length === 3);
      stream.say({ t: "mouse_down", x: 300, y: 250, button: 1 });
      await content(clicks, (text) => text.includes("<0;"));
      stream.socket.terminate();
      const said = await content(clicks, (text) => /<0;\d+;\d+m/.test(text));
      assert.match(said, /<2;\d+;\d+M/);
    });

    it("survives whatever its client sends", async () => {
      const stream = await watch(name);
      await stream.untilFrame();
      const wrong = [
        "{",
        "null",
        "[]",
        '"pause"',
        { t: "explode" },
        { t: "fps" },
        { t: "fps", fps: "many" },
        { t: "move", x: -1, y: 1e9 },
        { t: "click", x: 1 },
        { t: "type", text: 7 },
        { t: "type", text: "x".repeat(20_000) },
        { t: "key", key: "no-such-key" },
      ];
      for (const words of wrong) stream.say(words);
      stream.socket.send(Buffer.alloc(1000, 7));
      await eventually(
        () => stream.errors,
        (errors) => errors.length === wrong.length + 1,
        10_000,
      );
      assert.ok(stream.errors.every(({ error }) => error === "input_failed"));
      assert.match(stream.errors.map(({ message }) => message).join("\n"), /“no-such-key” is no key/);
      stream.say(`"${"x".repeat(100_000)}"`);
      await eventually(stream.closed, (code) => code === 1009, 5000);
      // Bytes that are no WebSocket's.
      const other = await watch(name);
      const raw = connect(Number(new URL(url).port), "127.0.0.1");
      raw.on("error", () => undefined);
      raw.write(
        `GET /api/desktop/stream?display=${name} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n` +
          `Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n` +
          `Authorization: Bearer ${token}\r\n\r\n`,
      );
      await new Promise((resolve) => raw.once("data", resolve));
      raw.write(Buffer.alloc(2000, 0xff));
      await new Promise((resolve) => raw.once("close", resolve));
      const count = await other.untilIdle();
      other.say({ t: "quality", quality: 50 });
      await other.untilFrame(count);
      assert.equal((await fetch(`${url}/api/health`)).status, 200);
    });

    it("is for those who know the token, from this machine's pages only", async () => {
      const address = `${url.replace("http", "ws")}/api/desktop/stream`;
      const authorization = `Bearer ${token}`;
      const status = (query: string, protocols: string[], headers?: Record<string, string>) =>
        openStream(`${address}${query}`, protocols, headers).then(
          ({ socket }) => {
            socket.terminate();
            return "open";
          },
          (error: unknown) => (error as Error).message,
        );
      const there = `?display=${name}`;
      const both = ["openagent", `jwt.${token}`];
      const found = await Promise.all([
        status(there, both),
        status(there, [], { authorization }),
        status(there, []),
        status(there, ["openagent"]),
        status(there, ["openagent", "jwt."]),
        status(there, ["openagent", "jwt.wrong"]),
        status(there, [`jwt.${token}`]),
        status(there, ["other", `jwt.${token}`]),
        status(there, [], { authorization: "Bearer wrong" }),
        status(there, both, { origin: "https://evil.example" }),
        status(there, both, { host: "evil.example" }),
        status(there, both, { origin: "http://localhost:3000" }),
        status("?display=:9999", both),
        status("?fps=10", both),
        status(`${there}&fps=many`, both),
      ]);
      const [no, foreign] = ["status 401", "status 403"];
      assert.deepEqual(found.slice(0, 9), ["open", "open", no, no, no, no, no, no, no]);
      assert.deepEqual(found.slice(9), [foreign, foreign, "open", "status 404", "status 400", "status 400"]);
      // It is no way into the rest of the API.
      const other = await openStream(`${url.replace("http", "ws")}/api/control/missions`, both).catch(
        (error: unknown) => (error as Error).message,
      );
      assert.equal(other, "status 401");
      const plain = await fetch(`${url}/api/desktop/stream${there}`, { headers: api.headers });
      assert.equal(plain.status, 400);
    });

    it("leaves requests for other protocols to HTTP", async () => {
      const port = Number(new URL(url).port);
      const status = (path: string, protocol: string) =>
        new Promise((resolve, reject) => {
          const headers = { ...api.headers, connection: "Upgrade", upgrade: protocol };
          const asked = request({ host: "127.0.0.1", port, path, headers }, (response) => {
            response.resume();
            resolve(response.statusCode);
          });
          asked.once("error", reject).end();
        });
      assert.equal(await status("/api/health", "h2c"), 200);
      assert.equal(await status("/api/control/missions", "websocket"), 200);
      assert.equal(await status(`/api/desktop/stream?display=${name}`, "h2c"), 400);
    });

    it("says so and ends when its display ends", async () => {
      const stream = await watch(name);
      await stream.untilFrame();
      await endDisplay(folder);
      await eventually(stream.closed, (code) => code !== undefined, 10_000);
      assert.equal(stream.closed(), 1000);
      const said = stream.errors.map(({ error, message }) => `${error}: ${message}`).join("\n");
      assert.match(said, /^capture_failed: The desktop's display has gone/);
    });
  });
});
