import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { startModel, type Model } from "../fake/model.ts";
import { lineScript } from "../fake/script.ts";
import { eventually } from "../host/eventually.ts";
import { answerQuickInput, notification, pickQuickItem, quickInput, runCommand } from "../host/page.ts";
import {
  inPanel,
  launch,
  makeScene,
  noticed,
  panel,
  panelShows,
  stepTitled,
  type Scene,
  pictureFailures,
} from "./scene.ts";

const key = "a-key-of-the-test-7391";

/** OpenCode's built-in provider needs no login, so it is taken away too. */
const noProvider = {
  model: undefined,
  small_model: undefined,
  provider: {},
  enabled_providers: undefined,
  disabled_providers: ["opencode"],
};

describe("a user without a model provider", function () {
  this.timeout(180_000);
  let scene: Scene;
  let model: Model;
  let page: Page;

  before(async () => {
    model = await startModel({ apiKey: key });
    scene = await makeScene({ bed: { config: noProvider } });
    page = await scene.open();
  });
  after(async () => {
    await scene.close();
    await model.close();
  });
  pictureFailures((name) => scene.picture(page, name));

  const authFile = () => join(scene.bed.home, ".local", "share", "opencode", "auth.json");
  const logins = () => JSON.parse(readFileSync(authFile(), "utf8")) as Record<string, unknown>;

  it("is led from the first mission to the login, and the mission goes on after it", async () => {
    await launch(page, lineScript("My first mission", { text: "It went on." }));
    await stepTitled(page, "Connect Provider", 60_000);
    await scene.picture(page, "connect-provider");
    assert.match((await inPanel(page, ".failure")).join(), /No model provider is connected/);
    await quickInput(page).locator("input.input").first().fill("OpenAI-Compatible");
    await pickQuickItem(page, "OpenAI-Compatible Endpoint…");
    await stepTitled(page, "OpenAI-Compatible Endpoint");
    for (const answer of [model.url, "scripted", "Test Endpoint"]) await fillStep(answer);
    await quickInput(page).getByText("API key (empty: none)").waitFor();
    assert.equal(await quickInput(page).locator("input.input").first().getAttribute("type"), "password");
    await fillStep(key);
    await panelShows(page, ".answer", (texts) => texts.includes("It went on."), 60_000);
    assert.deepEqual(await inPanel(page, ".failure"), []);
    await (await noticed(page, "scripted answered: ready")).waitFor();
  });

  async function fillStep(text: string): Promise<void> {
    const before = await quickInput(page).locator(".quick-input-message").innerText();
    await answerQuickInput(page, text);
    await eventually(
      () =>
        quickInput(page)
          .locator(".quick-input-message")
          .innerText({ timeout: 1000 })
          .catch(() => ""),
      (message) => message !== before,
    );
  }

  it("keeps the key in OpenCode's own store alone, which only the user can read", () => {
    assert.deepEqual(logins()["test-endpoint"], { type: "api", key });
    assert.equal(statSync(authFile()).mode & 0o077, 0);
    const ours = readdirSync(scene.bed.data, { recursive: true, encoding: "utf8" })
      .map((name) => join(scene.bed.data, name))
      .filter((path) => statSync(path).isFile() && readFileSync(path).includes(key));
    assert.deepEqual(ours, []);
  });

  it("logs in with a known provider by a masked key", async () => {
    await runCommand(page, "Open Agent: Connect Provider…");
    await stepTitled(page, "Connect Provider");
    await quickInput(page).locator("input.input").first().fill("Mistral");
    await pickQuickItem(page, "Mistral");
    await stepTitled(page, "API Key for Mistral");
    assert.equal(await quickInput(page).locator("input.input").first().getAttribute("type"), "password");
    await answerQuickInput(page, "another-key");
    await notification(page, "Mistral is connected.").waitFor();
    await eventually(logins, (found) => JSON.stringify(found["mistral"]) === '{"type":"api","key":"another-key"}');
  });

  it("disconnects a provider after a confirmation", async () => {
    await runCommand(page, "Open Agent: Connect Provider…");
    await stepTitled(page, "Connect Provider");
    await pickQuickItem(page, "Mistral");
    await pickQuickItem(page, "Disconnect");
    await page.locator(".monaco-dialog-box .monaco-button", { hasText: "Disconnect" }).click();
    await notification(page, "Mistral is disconnected.").waitFor();
    assert.deepEqual(Object.keys(logins()), ["test-endpoint"]);
  });

  it("reads why the model failed when the key is wrong, with the login at hand", async () => {
    await runCommand(page, "Open Agent: Connect Provider…");
    await stepTitled(page, "Connect Provider");
    await pickQuickItem(page, "Test Endpoint");
    await pickQuickItem(page, "Log In Again…");
    await stepTitled(page, "API Key for Test Endpoint");
    await answerQuickInput(page, "wrong");
    await notification(page, "Test Endpoint is connected.").waitFor();
    assert.deepEqual(logins()["test-endpoint"], { type: "api", key: "wrong" });
    await launch(page, lineScript("With a wrong key", { text: "Never said." }));
    await panelShows(page, ".failure .message", (texts) => texts.join().includes("Incorrect API key"));
    await (await panel(page)).getByText("Connect Provider…").click();
    await stepTitled(page, "Connect Provider");
    await quickInput(page).locator(".label-name").getByText("Test Endpoint").waitFor();
  });
});
