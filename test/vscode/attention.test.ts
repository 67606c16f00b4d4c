import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { bash } from "../fake/scenarios.ts";
import { lineScript } from "../fake/script.ts";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import {
  askTool,
  closeTabs,
  launchUnseen,
  missionTree,
  page,
  quickInputTitled,
  showMissions,
  turnsEnd,
  workspaceFolder,
} from "./steps.ts";

const item = ".notification-list-item";

const file = (name: string) => join(workspaceFolder(), name);
const state = (missionId: string) => askTool("openagent_missionStatus", { missionId });
const shows = (selector: string, fits: (text: string) => boolean) =>
  eventually(
    () => driver.texts(selector),
    (texts) => texts.some(fits),
  );
const set = (name: string, value: unknown) =>
  vscode.workspace.getConfiguration("openAgent").update(name, value, vscode.ConfigurationTarget.Global);
const clear = () => vscode.commands.executeCommand("notifications.clearAll");

describe("the spend alert", () => {
  before(async () => {
    await closeTabs();
    await clear();
    await set("spendAlert", 0.001);
  });
  afterEach(clear);
  after(() => set("spendAlert", undefined));

  /** Launches a mission that works on after it has cost something, and waits for the question. */
  async function spend(title: string): Promise<string> {
    const gate = bash(`until [ -e ${file(`${title}.gate`)} ]; do sleep 0.1; done`);
    const missionId = await launchUnseen(lineScript("Spend", bash("true"), gate, { text: "Spent." }), title);
    await shows(item, (text) => text.includes(`“${title}” has cost`));
    return missionId;
  }
  const button = (title: string, label: string) =>
    driver.click(`${item}:has-text("“${title}” has cost") .monaco-button:has-text("${label}")`);
  const amount = () => vscode.workspace.getConfiguration("openAgent").get("spendAlert");

  it("lets the mission go on with Continue", async () => {
    const missionId = await spend("Goes-on");
    await driver.screenshot("notification-spend");
    await button("Goes-on", "Continue");
    assert.match(await state(missionId), /state: running/);
    writeFileSync(file("Goes-on.gate"), "");
    await eventually(
      () => state(missionId),
      (words) => words.includes("state: finished"),
    );
  });

  it("stops the mission with Stop", async () => {
    const missionId = await spend("Stopped");
    await button("Stopped", "Stop");
    await eventually(
      () => state(missionId),
      (words) => words.includes("state: interrupted"),
    );
    assert.equal(amount(), 0.001);
  });

  it("raises the amount with Raise, and the mission goes on", async () => {
    const missionId = await spend("Raised");
    await button("Raised", "Raise");
    await quickInputTitled("Spend Alert");
    await driver.answerQuickInput("20");
    await eventually(amount, (value) => value === 20);
    await clear();
    writeFileSync(file("Raised.gate"), "");
    await eventually(
      () => state(missionId),
      (words) => words.includes("state: finished"),
    );
    assert.deepEqual(
      (await driver.texts(item)).filter((text) => text.includes("has cost")),
      [],
    );
  });
});

describe("the setting for what waits", () => {
  before(async () => {
    await showMissions();
    await closeTabs();
    await clear();
  });
  after(async () => {
    await set("notify.waiting", undefined);
    await clear();
  });

  async function waits(name: string): Promise<void> {
    await launchUnseen(lineScript(name, bash(`touch ${name}.txt`), { text: "Done." }), name);
    await shows(`${missionTree} .monaco-list-row:has(.codicon-bell-dot)`, (text) => text.includes(name));
  }

  it("switches its notification off and on", async () => {
    await set("notify.waiting", false);
    await waits("Silent");
    await driver.click(`${missionTree} .monaco-list-row:has-text("Silent")`);
    await driver.clickInWebview(page, ".card.request button >> text=Allow Once");
    await turnsEnd(1);
    await closeTabs();
    await set("notify.waiting", true);
    await waits("Loud");
    await shows(item, (text) => text.includes("wants to run touch Loud.txt"));
    assert.ok(!(await driver.texts(item)).some((text) => text.includes("touch Silent.txt")));
    await driver.click(`${item}:has-text("touch Loud.txt") .monaco-button:has-text("Allow Once")`);
    await eventually(
      () => existsSync(file("Loud.txt")),
      (there) => there,
    );
  });
});
