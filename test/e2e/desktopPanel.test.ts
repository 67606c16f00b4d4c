import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import type { LiveDesktop, MissionDesktop } from "../../src/protocol/desktop.ts";
import { defaultDesktopLayout, type DesktopMessage, type ListedDesktop } from "../../src/protocol/desktopPage.ts";
import type { MissionHead } from "../../src/protocol/mission.ts";
import type { HostMessage } from "../../src/protocol/panel.ts";
import { newHead } from "../../src/protocol/reduce.ts";
import { buildExtension } from "../host/built.ts";
import { launchBrowser } from "../host/chromium.ts";
import { DesktopHost, type Said } from "../host/desktopHost.ts";
import { eventually } from "../host/eventually.ts";

const [one, two] = ["0a0a0a0a", "0b0b0b0b"] as const;
const display = (id: string) => (id === one ? ":91" : ":92");
const started = (id: string): MissionDesktop => {
  const at = id === one ? 10 : 20;
  return { id, display: display(id), startedAt: at, usedAt: at };
};
const live = (id: string): LiveDesktop => ({
  id,
  display: display(id),
  size: "800x600",
  startedAt: 10,
  server: "Xtigervnc",
});

/** Tells a panel's page how its mission stands, as from its host. */
function opens(desktops: readonly string[], change: Partial<MissionHead> = {}): HostMessage {
  const own = { busy: true, runState: "running", turnStartedAt: 5, desktops: desktops.map(started) } as const;
  const head = { ...newHead("m", 0), ...own, ...change };
  const transcript = { messages: [], ends: {}, changes: {}, reverts: {}, hasEarlier: false } as never;
  return {
    type: "open",
    view: { head, transcript },
    seq: 1,
    engine: { kind: "stopped" },
    folder: "",
    workspace: undefined,
    canAct: true,
    now: 0,
    activeAt: 0,
  };
}

function runs(ids: readonly string[], change: { opensByItself?: boolean; quality?: string } = {}): DesktopMessage {
  const { opensByItself = true, quality = "Good" } = change;
  return { type: "desktops", live: ids.map(live), opensByItself, layout: { ...defaultDesktopLayout, quality } };
}

const rests = { busy: false, runState: "idle" } as const;

/** The pages with desktops, in a browser with the test in place of the editor. */
describe("the page of a desktop", function () {
  this.timeout(60_000);
  let browser: Browser;
  let host: DesktopHost;
  before(async () => {
    buildExtension();
    browser = await launchBrowser();
  });
  after(() => browser.close());
  afterEach(() => host.close());

  const begin = async (script: "main" | "desktops" = "main", canFloat = true) => {
    host = await DesktopHost.open(browser, script, canFloat);
  };
  const button = (label: string) => host.page.locator(`.desktop-bar [aria-label="${label}"]`);
  const control = () => host.page.locator(".desktop-bar .control");
  const name = async () =>
    (await host.page.locator(".desktop").count()) > 0 ? host.page.locator(".desktop-bar") : undefined;
  /** Waits until the page shows this desktop, and it is drawn; or none. */
  const shows = async (id: string | undefined) => {
    await eventually(
      async () => (await (await name())?.textContent())?.includes(`Desktop ${display(id ?? "")}`) ?? false,
      (is) => is === (id !== undefined),
      10_000,
    );
    if (id !== undefined) await host.page.locator(".desktop-bar .control:enabled").waitFor();
  };
  const openIds = async () => (await host.open()).map(({ id }) => id);
  const viewOf = async (id: string) => (await host.open()).findLast((found) => found.id === id)?.view ?? -1;

  describe("beside a mission", () => {
    it("opens by itself for the mission in view only, whatever is told first", async () => {
      await begin();
      // It runs before the mission's events say so.
      await host.say(opens([]), runs([one]));
      await shows(undefined);
      await host.say(opens([one]));
      await shows(one);
      await host.say(opens([], { id: "other" }), runs([]));
      await shows(undefined);
      assert.deepEqual(await openIds(), []);
      // The events say so before it is found to run.
      await host.say(opens([one]));
      await shows(undefined);
      await host.say(runs([one]));
      await shows(one);
      // What is told of the end while it is being opened leaves nothing open.
      await host.say(opens([one], { id: "third" }), runs([one]), runs([]));
      await shows(undefined);
      assert.deepEqual(await openIds(), []);
    });

    it("is not opened any more when it has ended before the viewer was loaded", async () => {
      await begin();
      await host.say(opens([one]), runs([one]), runs([]));
      await host.say(runs([two]), opens([two]));
      await shows(two);
      assert.deepEqual(
        (await host.heard("openDesktop")).map(({ id }) => id),
        [two],
      );
    });

    it("does not open by itself where the setting says so, but by its button", async () => {
      await begin();
      await host.say(opens([one]), runs([one], { opensByItself: false }));
      const toggle = host.page.locator("header button", { hasText: /^\s*Desktop$/ });
      await toggle.waitFor();
      await shows(undefined);
      await toggle.click();
      await shows(one);
    });

    it("stays with who has it in hand, and goes its own way when it is given back", async () => {
      await begin();
      await host.say(opens([one]), runs([one]));
      await shows(one);
      await control().click();
      await host.shows(".desktop-hand");
      await host.say(opens([one, two]), runs([one, two]));
      await host.say(opens([one, two], rests));
      await host.shows(".desktop-hand");
      assert.deepEqual(await openIds(), [one]);
      await control().click();
      await shows(undefined);
      await host.say(opens([one, two]));
      await shows(two);
    });

    it("shows its size as it is by now", async () => {
      await begin();
      await host.say(opens([one]), runs([one]));
      const size = host.page.locator('.desktop-bar [title="Change the size of the desktop"]');
      await eventually(
        () => size.textContent(),
        (text) => text === "64x48",
      );
      await host.send(await viewOf(one), [0, 0, 0, 1, 0, 0, 0, 0, 0, 32, 0, 16, 0xff, 0xff, 0xff, 0x21]);
      await eventually(
        () => size.textContent(),
        (text) => text === "32x16",
      );
    });

    it("can be shown anew when only the view of it has ended", async () => {
      await begin();
      await host.say(opens([one]), runs([one]));
      await shows(one);
      const before = await viewOf(one);
      await host.say({ type: "desktopEnded", view: before, message: "The view of the desktop has ended: it failed." });
      const again = host.page
        .locator(".desktop-note", { hasText: "it failed" })
        .locator("button", { hasText: "Try Again" });
      await again.click();
      await shows(one);
      assert.equal((await host.open()).length, 1);
      assert.notEqual(await viewOf(one), before);
    });

    it("is drawn as the user has chosen, also the next one, and not at all while it is paused", async () => {
      await begin();
      await host.say(opens([one]), runs([one], { quality: "Light" }));
      await shows(one);
      const looks = async (id: string) => {
        const view = await viewOf(id);
        return (await host.heard("desktopLook")).findLast((message) => message.view === view);
      };
      const looksSo = (id: string, look: string, gapMs: number) =>
        eventually(
          () => looks(id),
          (found) => found?.["look"] === look && found["gapMs"] === gapMs,
          10_000,
        );
      await looksSo(one, "whole", 200);
      await host.page.locator('[aria-label="Quality and rate"]').selectOption("Frugal");
      await looksSo(one, "whole", 1000);
      await host.hears("desktopLayout", ({ quality }) => quality === "Frugal");
      // What is asked of the X server goes with it: the encoding that stands for JPEG quality 1.
      const quality = [0xff, 0xff, 0xff, 0xe1];
      const asksFor = ({ bytes }: Said) =>
        Object.values(bytes as Record<string, number>)
          .join()
          .includes(quality.join());
      await host.hears("desktopData", asksFor);
      await button("Pause the Picture").click();
      await looksSo(one, "paused", 1000);
      await host.shows(".desktop-note:text('The picture stands still.')");
      await button("Go On Showing").click();
      await looksSo(one, "whole", 1000);
      await host.say(opens([one, two]), runs([one, two], { quality: "Frugal" }));
      await shows(two);
      await looksSo(two, "whole", 1000);
    });

    it("gives the user what a program in it copies, as long as it is in hand", async () => {
      await begin();
      await host.say(opens([one]), runs([one]));
      await shows(one);
      const copy = async (words: string) =>
        host.send(await viewOf(one), [3, 0, 0, 0, 0, 0, 0, words.length, ...Buffer.from(words)]);
      await copy("secret");
      await control().click();
      await host.shows(".desktop-hand");
      await copy("copied");
      await host.hears("desktopCopied", ({ text }) => text === "copied");
      assert.equal((await host.heard("desktopCopied")).length, 1);
    });

    it("is saved as a picture by its host", async () => {
      await begin();
      await host.say(opens([one]), runs([one]));
      await shows(one);
      await button("Save Screenshot…").click();
      await host.hears("desktopCommand", ({ id, command }) => id === one && command === "saveDesktopPicture");
    });
  });

  describe("in Picture-in-Picture", () => {
    const floats = () => host.page.evaluate(() => pretended().floating() !== undefined);
    const untilFloats = (is: boolean) => eventually(floats, (found) => found === is, 10_000);
    const liveTracks = () =>
      host.page.evaluate(() => pretended().tracks.filter(({ readyState }) => readyState === "live").length);
    const float = async () => {
      await begin();
      await host.say(opens([one]), runs([one]));
      await shows(one);
      await button("Picture-in-Picture").click();
      await button("Close Picture-in-Picture").waitFor();
    };

    it("goes on when the next desktop starts, and when the mission rests, until the user closes it", async () => {
      await float();
      const view = await viewOf(one);
      await host.say(opens([one, two]), runs([one, two]));
      await shows(two);
      assert.ok(await floats());
      assert.deepEqual((await openIds()).sort(), [one, two]);
      assert.equal(await viewOf(one), view);
      assert.ok((await host.heard("keep")).length > 0);
      await host.say(opens([one, two], rests));
      await shows(undefined);
      assert.ok(await floats());
      assert.deepEqual(await openIds(), [one]);
      // It is the same one that is shown again.
      await host.say({ type: "showDesktop", id: one });
      await shows(one);
      assert.equal(await viewOf(one), view);
      await host.say({ type: "showDesktop", id: two });
      await shows(two);
      await host.page.evaluate(() => document.exitPictureInPicture());
      await eventually(openIds, (ids) => ids.join() === two, 10_000);
      assert.equal(await liveTracks(), 0);
    });

    it("ends with its desktop, and when another mission is in view", async () => {
      await float();
      await host.say(opens([one, two]), runs([one, two]));
      await shows(two);
      await host.say({ type: "desktopEnded", view: await viewOf(one), message: "It has ended." });
      await untilFloats(false);
      await button("Picture-in-Picture").click();
      await untilFloats(true);
      await host.say(opens([], { id: "other" }), runs([]));
      await untilFloats(false);
      assert.deepEqual(await openIds(), []);
      assert.equal(await liveTracks(), 0);
    });

    it("opens once, however often its button is clicked meanwhile", async () => {
      await begin();
      await host.say(opens([one]), runs([one]));
      await shows(one);
      await host.page.evaluate(() => {
        pretended().gate = new Promise((resolve) => Object.assign(window, { letFloat: resolve }));
      });
      await button("Picture-in-Picture").dblclick();
      await eventually(
        () => host.page.evaluate(() => pretended().asked),
        (asked) => asked > 0,
        10_000,
      );
      await button("Picture-in-Picture").click();
      await host.page.evaluate(() => (window as unknown as { letFloat: () => void }).letFloat());
      await button("Close Picture-in-Picture").waitFor();
      assert.equal(await host.page.evaluate(() => pretended().asked), 1);
      assert.equal(await liveTracks(), 1);
      assert.equal(await host.page.locator(".trouble").count(), 0);
    });

    it("stands still and goes on together with the page, whichever of them is told", async () => {
      await float();
      const isPaused = () => host.page.evaluate(() => pretended().floating()?.paused);
      assert.equal(await isPaused(), false);
      await button("Pause the Picture").click();
      await eventually(isPaused, (is) => is === true, 10_000);
      await button("Go On Showing").click();
      await eventually(isPaused, (is) => is === false, 10_000);
      await host.page.evaluate(() => pretended().floating()?.pause());
      await button("Go On Showing").waitFor();
      await host.page.evaluate(() => pretended().floating()?.play());
      await button("Pause the Picture").waitFor();
      assert.equal(await liveTracks(), 1);
    });

    it("is not offered where the browser has none, and says why it does not open", async () => {
      await begin("main", false);
      await host.say(opens([one]), runs([one]));
      await shows(one);
      assert.equal(await button("Picture-in-Picture").count(), 0);
      await host.close();
      await begin();
      await host.say(opens([one]), runs([one]));
      await shows(one);
      for (const [refusal, says] of [
        ["NotAllowedError", "only after a click on its button here"],
        ["InvalidStateError", "Picture-in-Picture did not open"],
      ] as const) {
        await host.page.evaluate((why) => (pretended().refusal = why), refusal);
        await host.say({ type: "desktopAction", action: "pictureInPicture" });
        await host.shows(`.trouble:has-text("${says}")`);
        assert.equal(await liveTracks(), 0);
      }
    });
  });

  describe("in the list of all", () => {
    const listed = (id: string): ListedDesktop => ({
      ...live(id),
      title: `Mission ${id}`,
      busy: false,
      closesAt: 1e12,
    });
    const lists = (ids: readonly string[], canAct = true): DesktopMessage => ({
      type: "desktopList",
      desktops: ids.map(listed),
      canAct,
      layout: defaultDesktopLayout,
    });

    it("is closed and kept by its buttons, where the workspace is trusted", async () => {
      await begin("desktops");
      await host.say(lists([one, two], false));
      await host.shows(".desktop-list li:nth-child(2)");
      const labelled = (words: string) => host.page.locator(`[aria-label^="${words}"]`);
      for (const words of ["Close the Desktop", "Keep the Desktop"]) assert.equal(await labelled(words).count(), 0);
      await host.say(lists([one, two]));
      await labelled(`Keep the Desktop of Mission ${two}`).click();
      await host.hears("desktopCommand", ({ id, command }) => id === two && command === "keepDesktop");
      await labelled(`Close the Desktop of Mission ${one}`).click();
      await host.hears("desktopCommand", ({ id, command }) => id === one && command === "closeDesktop");
      await host.say(lists([two]));
      await eventually(openIds, (ids) => ids.join() === two, 10_000);
    });

    it("has its size of now, and a picture that comes again when its view has ended", async () => {
      await begin("desktops");
      await host.say(lists([one]));
      await host.shows('.facts:has-text("64x48")');
      const before = await viewOf(one);
      await host.say({ type: "desktopEnded", view: before, message: "It failed." });
      await eventually(
        () => viewOf(one),
        (view) => view > before,
        20_000,
      );
      assert.deepEqual(await openIds(), [one]);
    });

    it("can be shown anew in its own window", async () => {
      await begin("desktops");
      await host.say({ ...lists([one]), only: one });
      await host.page.locator(".desktop.window .control:enabled").waitFor();
      const before = await viewOf(one);
      await host.say({ type: "desktopEnded", view: before, message: "It failed." });
      await host.page.locator(".desktop-note button", { hasText: "Try Again" }).click();
      await host.page.locator(".desktop.window .control:enabled").waitFor();
      assert.ok((await viewOf(one)) > before);
      assert.deepEqual(await openIds(), [one]);
    });
  });
});
