import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readTextIfPresent } from "../../src/base/files.ts";
import { Broker, type Viewer } from "../../src/desktop/broker.ts";
import { takeInHand } from "../../src/desktop/control.ts";
import { buttons, RfbClient } from "../../src/desktop/rfb.ts";
import { repository } from "../fake/bed.ts";
import { hasKeyboard, missingPrograms, unlessMissing, watcher } from "../fake/desktop.ts";
import { startMcp, type McpClient } from "../fake/mcpClient.ts";
import { buildExtension } from "../host/built.ts";
import { eventually } from "../host/eventually.ts";

const missing = missingPrograms("Xtigervnc", "openbox", "xterm", "xprop");

describe(unlessMissing("an agent's hand on its desktop", missing), function () {
  this.timeout(60_000);
  let root: string;
  let mcp: McpClient;
  let display: string;
  let folder: string;
  let environment: NodeJS.ProcessEnv;
  let broker: Broker;
  let user: Viewer;
  let made = 0;
  before(async function () {
    if (missing.length > 0) this.skip();
    buildExtension();
    root = mkdtempSync(join(tmpdir(), "hand-"));
    const own = {
      OPEN_AGENT_DESKTOP_FOLDER: join(root, "d"),
      OPEN_AGENT_DESKTOP_GRACE: "0",
      DESKTOP_RESOLUTION: "800x600",
    };
    const env = { ...process.env, ...own, LANG: "C.UTF-8" };
    mcp = await startMcp([process.execPath, join(repository, "dist", "desktopMcp.js")], { cwd: root, env });
    const started = JSON.parse((await mcp.call("desktop_start_session")).text) as Record<string, string>;
    [display, folder] = [started["display"] ?? "", started["folder"] ?? ""];
    environment = { ...process.env, ...(started["environment"] as unknown as NodeJS.ProcessEnv) };
    broker = new Broker({ socket: join(folder, "vnc.sock") }, folder);
    const page = watcher(broker);
    await page.started();
    user = page.viewer;
  });
  afterEach(() => broker.giveControl(undefined));
  after(async () => {
    broker.dispose();
    await mcp.call("desktop_stop_session", { display });
    mcp.hangUp();
    await mcp.finished;
    rmSync(root, { recursive: true, force: true });
  });

  /** A terminal over the whole screen; what is returned gives all that it has been told by keyboard and mouse since the last time. */
  const terminal = async () => {
    const [title, path] = [`window${String(++made)}`, join(root, `told${String(made)}`)];
    // Keys as they are, and presses, moves and wheel as `CSI < button ; column ; row M`, or `m` for a release.
    const script = `stty raw -echo; printf "\\033[?1002h\\033[?1006h"; : > ${path}; exec cat > ${path}`;
    const menus = "-xrm 'XTerm*omitTranslation: popup-menu'";
    const line = `exec xterm -u8 ${menus} -T ${title} -geometry 100x40+0+0 -e sh -c '${script}'`;
    await mcp.call("desktop_i3_command", { display, command: line });
    await hasKeyboard(title, environment);
    await eventually(
      () => readTextIfPresent(path),
      (text) => text !== undefined,
      15_000,
    );
    let seen = 0;
    const told = () => (readTextIfPresent(path) ?? "").replaceAll("\u001b[", "\n[").slice(seen);
    return {
      told,
      /** Waits until what has been told ends so. */
      until: async (end: RegExp) => {
        const text = await eventually(told, (found) => end.test(found), 10_000);
        seen += text.length;
        return text;
      },
      close: () => mcp.call("desktop_computer", { action: "key", text: "alt+F4" }),
    };
  };
  const computer = (args: object) => mcp.call("desktop_computer", args);
  /** What the user's page sends for a key that is pressed and let go. */
  const key = (code: number) => Buffer.from([4, 1, 0, 0, 0, 0, 0, code, 4, 0, 0, 0, 0, 0, 0, code]);
  const pointer = (x: number, y: number, held: number) => Buffer.from([5, held, x >> 8, x & 255, y >> 8, y & 255]);

  it("clicks, drags, scrolls, holds keys and tells where it is", async () => {
    const { until, close } = await terminal();
    const at = [300, 300];
    await computer({ action: "left_click", coordinate: at });
    const [, place = ""] = /\[<0;(\d+;\d+)M/.exec(await until(/\[<0;\d+;\d+m$/)) ?? [];
    const presses = async (words: string, button: number, times: number) => {
      const release = new RegExp(
        `(\\[<${String(button)};${place}M\n\\[<${String(button)};${place}m\n?){${String(times)}}$`,
      );
      assert.match(await until(release), release, words);
    };
    await computer({ action: "double_click", coordinate: at });
    await presses("double", 0, 2);
    await computer({ action: "triple_click" });
    await presses("triple", 0, 3);
    await computer({ action: "right_click", coordinate: at });
    await presses("right", 2, 1);
    await computer({ action: "left_click", coordinate: at, text: "ctrl" });
    await presses("with Control", 16, 1);
    await mcp.call("desktop_click", { display, x: 300, y: 300, button: "middle" });
    await presses("middle", 1, 1);

    const notches = (button: number, count: number) =>
      until(new RegExp(`^\n?(\\[<${String(button)};${place}M\n?){${String(count)}}$`));
    await computer({ action: "scroll", scroll_direction: "up", scroll_amount: 4, coordinate: at });
    await notches(64, 4);
    await mcp.call("desktop_scroll", { display, amount: 2, x: 300, y: 300 });
    await notches(65, 2);
    await computer({ action: "scroll", scroll_direction: "down", scroll_amount: 1, text: "ctrl" });
    await notches(81, 1);

    await computer({ action: "left_click_drag", start_coordinate: at, coordinate: [500, 400] });
    const drag = (await until(/\[<0;\d+;\d+m$/)).trim().split("\n");
    assert.equal(drag[0], `[<0;${place}M`);
    const moves = drag.slice(1, -1);
    assert.ok(moves.length > 3 && moves.every((move) => move.startsWith("[<32;")), drag.join(" "));
    assert.equal((await computer({ action: "cursor_position" })).text, "X=500,Y=400");

    await computer({ action: "key", text: "ctrl+a" });
    assert.equal(await until(/./s), "\u0001");
    await close();
  });

  it("waits until the user's has gone", async () => {
    const { until, close } = await terminal();
    const taken = takeInHand(folder);
    const typing = mcp.begin("desktop_type", { display, text: "agent" });
    // Answered after the call before it was begun.
    await mcp.ask("tools/list");
    const own = await RfbClient.to(join(folder, "vnc.sock"));
    for (const letter of "user") {
      own.key(letter.charCodeAt(0), true);
      own.key(letter.charCodeAt(0), false);
    }
    assert.equal(await until(/user$/), "user");
    taken.dispose();
    assert.equal((await typing.answer).isError, false);
    assert.equal(await until(/agent$/), "agent");
    own.dispose();
    await close();
  });

  it("breaks off what it types when the user takes over, and says so", async () => {
    const { until, close } = await terminal();
    const typing = mcp.begin("desktop_type", { display, text: "a".repeat(2000), delay_ms: 25 });
    await until(/a{5}$/);
    broker.giveControl(user);
    const { text, isError } = await typing.answer;
    assert.ok(isError && text.includes("The user took this desktop's mouse and keyboard"), text);
    user.receive(key(0x75));
    assert.match(await until(/u$/), /^a*u$/);
    broker.giveControl(undefined);
    assert.equal((await mcp.call("desktop_type", { display, text: "b" })).isError, false);
    // No other letter has come in between.
    assert.equal(await until(/b$/), "b");
    await close();
  });

  it("lets go of keys and buttons when the user takes over", async () => {
    const { told, until, close } = await terminal();
    const holding = mcp.begin("desktop_computer", { action: "hold_key", text: "ctrl", duration: 100 });
    const own = await RfbClient.to(join(folder, "vnc.sock"));
    const click = () => {
      for (const held of [0, buttons.left, 0]) own.point(300, 300, held);
      return told();
    };
    await eventually(click, (text) => text.includes("[<16;"), 10_000);
    own.dispose();
    broker.giveControl(user);
    const broken = await holding.answer;
    assert.ok(broken.isError && broken.text.includes("it was broken off"), broken.text);
    user.receive(key(0x75));
    // With Control it would be another character.
    await until(/u$/);
    broker.giveControl(undefined);

    await computer({ action: "left_mouse_down", coordinate: [300, 300] });
    await until(/M$/);
    broker.giveControl(user);
    // Told to the terminal, and not by the agent's next call.
    await until(/\[<0;\d+;\d+m$/);
    user.receive(Buffer.concat([pointer(100, 100, 0), pointer(100, 100, 4), pointer(100, 100, 0)]));
    await until(/\[<2;\d+;\d+M\n\[<2;\d+;\d+m$/);
    broker.giveControl(undefined);
    const { text, isError } = await computer({ action: "left_mouse_up", coordinate: [400, 400] });
    assert.ok(isError && text.includes("the mouse button that you held was let go"), text);
    assert.equal((await computer({ action: "left_click", coordinate: [300, 300] })).isError, false);
    await until(/\[<0;\d+;\d+m$/);
    await close();
  });
});
