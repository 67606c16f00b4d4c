import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import type { EventBody } from "../../src/protocol/event.ts";
import { Store } from "../../src/store/store.ts";
import type { Bed } from "../fake/bed.ts";
import { closeOriginals, writeOriginal } from "../fake/original.ts";
import { answer, part, session, user } from "../fake/events.ts";
import { eventually } from "../host/eventually.ts";
import { choosePath, fillQuickInput, quickInput, runCommand, treeRow, webviewFrame } from "../host/page.ts";
import { inPanel, makeScene, noticed, panel, panelShows, stepTitled, type Scene, pictureFailures } from "./scene.ts";

/** Turns of the long mission; a page holds 30 messages. */
const turns = 300;
const messageId = (number: number) => `msg_${String(number).padStart(6, "0")}`;

describe("the history of missions", function () {
  this.timeout(180_000);
  let scene: Scene;
  let page: Page;
  /** The database of an original Open Agent. */
  let file: string;

  before(async () => {
    scene = await makeScene({
      prepare: (bed) => {
        writeLongMission(bed);
        return Promise.resolve();
      },
    });
    file = writeOriginal(scene.bed.home);
    page = await scene.open();
    await runCommand(page, "Open Agent: Show Missions");
    await treeRow(page, "A long mission").first().waitFor();
  });
  after(async () => {
    closeOriginals();
    await scene.close();
  });
  pictureFailures((name) => scene.picture(page, name));

  it("is searched while the user types, and a hit opens where it was said", async () => {
    await runCommand(page, "Open Agent: Search Missions…");
    await stepTitled(page, "Search Missions");
    await quickInput(page).locator("input.input").fill("zanzibar");
    const rows = quickInput(page).locator(".monaco-list-row");
    await eventually(
      () => rows.allInnerTexts(),
      (texts) => texts.length === 1 && (texts[0] ?? "").includes("A long mission"),
    );
    await scene.picture(page, "search");
    await page.keyboard.press("Enter");
    await panelShows(page, "[data-found]", (texts) => texts.length === 1);
    await panelShows(page, "[data-found] .body", ([text = ""]) => text.includes("the harbour of Zanzibar"));
    await eventually(seen, Boolean);
    await scene.picture(page, "search-hit");
    assert.deepEqual(await inPanel(page, ".excerpt .link"), ["Show the Newest"]);
    await eventually(spoken, (words) => words.startsWith("Found: "));
  });

  it("holds only what is around the hit, and loads more of it in both directions", async () => {
    const frame = await panel(page);
    const count = () => frame.locator(".turn").count();
    const before = await count();
    assert.ok(before < 40, `${String(before)} turns are loaded`);
    await frame.locator("button.later").evaluate((button: HTMLElement) => button.click());
    const more = await eventually(count, (now) => now > before);
    await frame.locator("button.earlier").evaluate((button: HTMLElement) => button.click());
    await eventually(count, (now) => now > more);
    const said = await frame.locator(".turn .user-text").allTextContents();
    const numbers = said.map((text) => Number(/\d+/.exec(text)?.[0]));
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => (numbers[0] ?? 0) + index),
    );
  });

  it("goes back to the newest", async () => {
    await (await panel(page)).locator(".excerpt button").click();
    await panelShows(page, ".user-text", (texts) => texts.at(-1) === `Question ${String(turns)}`);
    assert.deepEqual(await inPanel(page, ".excerpt"), []);
    await eventually(pixelsToTheEnd, (left) => left >= 0 && left < 40);
  });

  it("becomes one with the newest where an excerpt reaches it", async () => {
    await runCommand(page, "Open Agent: Search in This Mission…");
    await stepTitled(page, "Search in “A long mission”");
    await quickInput(page)
      .locator("input.input")
      .fill(`"question ${String(turns - 20)}"`);
    await eventually(
      () => quickInput(page).locator(".monaco-list-row").count(),
      (count) => count === 1,
    );
    await page.keyboard.press("Enter");
    await panelShows(page, "[data-found]", (texts) => texts.join("").includes(`Question ${String(turns - 20)}`));
    await eventually(
      async () => {
        const later = (await panel(page)).locator("button.later");
        if ((await later.count()) > 0) await later.first().evaluate((button: HTMLElement) => button.click());
        return (await panel(page)).locator(".excerpt").count();
      },
      (count) => count === 0,
    );
    const said = await (await panel(page)).locator(".turn .user-text").allTextContents();
    assert.equal(said.at(-1), `Question ${String(turns)}`);
    assert.equal(new Set(said).size, said.length, "nothing is shown twice");
    assert.ok(said.includes(`Question ${String(turns - 20)}`));
  });

  it("takes in the missions of an original Open Agent, and says what came of it", async () => {
    await runCommand(page, "Open Agent: Import Missions…");
    await choosePath(page, "Import Missions", file);
    await (await noticed(page, "2 missions came in.")).getByText("Show Report").first().click();
    const report = await webviewFrame(page, async (frame) => (await frame.$("text=Import of missions")) !== null);
    const text = await report.locator("body").innerText();
    assert.match(text, /Repair the parser/);
    assert.match(text, /something_new/);
    await scene.picture(page, "import-report");
    // They are old.
    await treeRow(page, "Earlier").first().click();
    await treeRow(page, "Repair the parser").first().waitFor();
  });

  it("finds what came in, and shows it", async () => {
    await runCommand(page, "Open Agent: Search Missions…");
    await stepTitled(page, "Search Missions");
    await fillQuickInput(page, "semicolon missing");
    await eventually(
      () => quickInput(page).locator(".monaco-list-row").allInnerTexts(),
      (texts) => texts.length === 1 && (texts[0] ?? "").includes("Repair the parser"),
    );
    await page.keyboard.press("Enter");
    await panelShows(page, "[data-found]", ([text = ""]) => text.includes("A semicolon was missing."));
    await scene.picture(page, "imported");
  });

  /** Whether the marked words are within the transcript's window. */
  async function seen(): Promise<boolean> {
    return (await panel(page)).evaluate(() => {
      const main = document.querySelector("main")?.getBoundingClientRect();
      const [range] = CSS.highlights.get("found") ?? [];
      const place = range instanceof Range ? range.getBoundingClientRect() : undefined;
      return main !== undefined && place !== undefined && place.top >= main.top && place.bottom <= main.bottom;
    });
  }

  async function pixelsToTheEnd(): Promise<number> {
    return (await panel(page)).evaluate(() => {
      const main = document.querySelector("main");
      return main ? main.scrollHeight - main.scrollTop - main.clientHeight : -1;
    });
  }

  async function spoken(): Promise<string> {
    return (await inPanel(page, "[aria-live=polite]"))[0] ?? "";
  }
});

/** A mission of many turns, whose eleventh has run a command with a word in its output that is nowhere else. */
function writeLongMission(bed: Bed): void {
  const store = new Store({ path: bed.paths.database });
  // Its last turn is of today at any time of the day.
  const start = Date.now() - turns * 1_000;
  const missionId = crypto.randomUUID();
  const first: EventBody[] = [
    { type: "mission_created", title: "A long mission", directory: bed.project, server: "own" },
    { type: "mission_updated", sessionId: session },
    { type: "mission_status_changed", status: "active" },
  ];
  store.create(missionId, first, start);
  for (let turn = 1; turn <= turns; turn++) {
    const [asked, answered] = [messageId(2 * turn), messageId(2 * turn + 1)];
    const steps = turn === 11 ? [1, 2, 3, 4, 5, 6].map((step) => ran(answered, step)) : [];
    const bodies: EventBody[] = [
      ...user(asked, `Question ${String(turn)}`),
      ...steps,
      ...answer(answered, asked, `Answer ${String(turn)}. ${"It goes on for a while. ".repeat(turn % 7)}`),
      { type: "turn_ended", messageId: asked, sessionId: session, outcome: "completed" },
    ];
    store.append(missionId, bodies, start + turn * 1_000);
  }
  store.close();
}

function ran(message: string, step: number): EventBody {
  const lines = Array.from({ length: 200 }, (_, line) => `line ${String(line)} of step ${String(step)}`);
  if (step === 4) lines[150] = "a ship enters the harbour of Zanzibar";
  const command = `cat log-${String(step)}.txt`;
  return {
    type: "tool_result",
    ...part(message, `prt_${message}_${String(step)}`),
    callId: `call_${String(step)}`,
    tool: "bash",
    state: "completed",
    card: { icon: "terminal", doing: "Running", done: "Ran", object: command, code: true, body: "terminal" },
    input: { command },
    output: lines.join("\n"),
    startedAt: 1,
    endedAt: 2,
  };
}
