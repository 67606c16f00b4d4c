import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { opencodeBinary, repository } from "../fake/bed.ts";
import { usableItems, writeFiles } from "../fake/library.ts";
import { startOAuthMcpServer, type OAuthMcpServer } from "../fake/oauthMcpServer.ts";
import { eventually } from "../host/eventually.ts";
import { answerQuickInput, fillQuickInput, notification, pickQuickItem, quickInput, runCommand } from "../host/page.ts";
import { launch, makeScene, noticed, pictureFailures, send, stepTitled, turnsEnd, type Scene } from "./scene.ts";

const server = join(repository, "dist", "workspaceMcp.js");

describe("a user with a Library and MCP servers", function () {
  this.timeout(180_000);
  let scene: Scene;
  let page: Page;
  let guarded: OAuthMcpServer;

  before(async () => {
    guarded = await startOAuthMcpServer();
    scene = await makeScene({
      editor: {
        settings: {
          "openAgent.opencode.path": opencodeBinary,
          mcp: { servers: { everywhere: { command: "true" } } },
        },
      },
      prepare: async (bed) => {
        writeFiles(bed.paths.library, {
          ...usableItems,
          "agent/odd-mode.md": "---\ndescription: Odd.\nmode: nonsense\n---\nOdd.\n",
          "workspace-template/web.json": JSON.stringify({ description: "For the web.", skills: ["greeting"] }),
        });
        writeFiles(bed.project, {
          ".vscode/mcp.json": [
            "{ // as the editor has it",
            '  "servers": {',
            '    "taken": { "type": "stdio", "command": "true", "args": ["${workspaceFolder}"], "env": { "A": "${env:HOME}" } },',
            '    "asking": { "type": "http", "url": "http://127.0.0.1:9/", "headers": { "K": "${input:key}" } },',
            "  },",
            "}",
          ].join("\n"),
        });
        const core = bed.core();
        await core.run("createWorkspace", { name: "mine", kind: "host", directory: bed.project });
        await core.run("setMcpServer", { name: "guarded", server: { type: "remote", url: guarded.url } });
        await core.dispose();
      },
    });
    page = await scene.open();
  });
  after(async () => {
    await scene.close();
    await guarded.close();
  });
  pictureFailures((name) => scene.picture(page, name));

  const item = (text: string) => quickInput(page).locator(".monaco-list-row").filter({ hasText: text }).first();
  const list = () => runCommand(page, "Open Agent: MCP Servers…");

  it("calls the Library's commands from the composer", async () => {
    await launch(page, "[[hello]]");
    await turnsEnd(page, 1);
    await send(page, "/deploy the site");
    await turnsEnd(page, 2);
    // OpenCode put the argument into the command's text.
    const asked = scene.bed.model.requests
      .flatMap(({ body }) => body.messages)
      .map(({ content }) => JSON.stringify(content));
    assert.ok(asked.some((text) => text.includes("Deploy to the site.")));
  });

  it("adds an MCP server and sees that it is connected with the next mission", async () => {
    await list();
    await pickQuickItem(page, "Add MCP Server…");
    await stepTitled(page, "Add MCP Server (1 of 3)");
    await fillQuickInput(page, "idle");
    await quickInput(page).getByText("There is an MCP server “idle” already.").waitFor();
    await answerQuickInput(page, "files");
    await stepTitled(page, "Add MCP Server (2 of 3)");
    await answerQuickInput(page, `"${process.execPath}" ${server}`);
    await stepTitled(page, "Add MCP Server (3 of 3)");
    await pickQuickItem(page, "Wherever missions run");
    await notification(page, "The next mission has the MCP server files.").first().waitFor();
    const written = JSON.parse(readFileSync(scene.bed.paths.servers, "utf8")) as Record<string, { command: string[] }>;
    assert.deepEqual(written["files"]?.command, [process.execPath, server]);
    await launch(page, "Again [[hello]]");
    await turnsEnd(page, 1);
    await list();
    await item("files").getByText("connected").waitFor({ timeout: 30_000 });
    await scene.picture(page, "mcp-servers");
  });

  it("disables it from the list, and enables it again", async () => {
    const button = async (label: string) => {
      await item("files").hover();
      await item("files").locator(`[aria-label="${label}"], [title="${label}"]`).first().click();
    };
    const isOn = () =>
      (JSON.parse(readFileSync(scene.bed.paths.servers, "utf8")) as { files: { enabled: boolean } }).files.enabled;
    await button("Disable");
    await eventually(isOn, (on) => !on);
    await item("files").getByText("disabled").waitFor();
    await button("Enable");
    await eventually(isOn, (on) => on);
    await page.keyboard.press("Escape");
  });

  it("logs in at a server that wants it, in the browser, and out again", async () => {
    await list();
    await item("guarded").getByText("needs you to log in").waitFor({ timeout: 30_000 });
    // The step goes as soon as the browser has come back, so the browser waits until it was seen.
    const step = stepTitled(page, "Log In at guarded");
    guarded.holdLogin(step.catch(() => undefined));
    const opened = page.context().waitForEvent("page");
    await Promise.all([step, item("guarded").click()]);
    const browser = await opened;
    await browser.getByText("You are logged in.").waitFor();
    await browser.close();
    await notification(page, "You are logged in at guarded.").first().waitFor();
    await item("guarded").getByText("connected").waitFor({ timeout: 30_000 });
    await scene.picture(page, "mcp-login");
    await item("guarded").hover();
    await item("guarded").locator('[aria-label="Log Out"], [title="Log Out"]').first().click();
    await item("guarded").getByText("needs you to log in").waitFor({ timeout: 30_000 });
    await page.keyboard.press("Escape");
  });

  it("imports servers of the editor's own list, and is told which one lacks a value", async () => {
    await list();
    await pickQuickItem(page, "Import from the Editor’s mcp.json…");
    await stepTitled(page, "Import MCP Servers");
    await item("everywhere").waitFor();
    await quickInput(page).getByRole("button", { name: "OK" }).click();
    await notification(page, "Not imported: asking").first().waitFor();
    const all = JSON.parse(readFileSync(scene.bed.paths.servers, "utf8")) as Record<string, object>;
    assert.deepEqual(all["taken"], {
      type: "stdio",
      command: "true",
      args: [scene.bed.project],
      env: { A: "{env:HOME}" },
    });
    assert.deepEqual([all["asking"], "everywhere" in all], [undefined, true]);
  });

  it("compares what is generated with what runs, and is told what is left out", async () => {
    await runCommand(page, "Open Agent: Show Generated Configuration");
    await page.locator('.tab[aria-label*="What Runs"]').waitFor();
    await (await noticed(page, "The agent “odd-mode” is left out")).waitFor();
    const shown = () => page.locator(".monaco-diff-editor .view-lines").allInnerTexts();
    await eventually(
      shown,
      (sides) => sides.length === 2 && sides.every((side) => side.includes("reviewer") && side.includes('"A"')),
    );
    await scene.picture(page, "generated-configuration");
    const told = await noticed(page, "The agent “odd-mode” is left out");
    await told.hover();
    await told.getByRole("button", { name: "Show File" }).click();
    await page.locator('.tab[aria-label^="odd-mode.md"]').waitFor();
  });

  it("saves a workspace as a template, and is asked before another one is replaced", async () => {
    const template = (name: string) => join(scene.bed.paths.library, "workspace-template", `${name}.json`);
    await runCommand(page, "Open Agent: Save Workspace as Template…");
    await pickQuickItem(page, "mine");
    await stepTitled(page, "Save mine as Template");
    await answerQuickInput(page, "fresh");
    await notification(page, "The template fresh is in the Library.").first().waitFor();
    assert.ok(existsSync(template("fresh")));
    await runCommand(page, "Open Agent: Save Workspace as Template…");
    await pickQuickItem(page, "mine");
    await stepTitled(page, "Save mine as Template");
    await answerQuickInput(page, "web");
    const dialog = page.locator(".monaco-dialog-box");
    await dialog.getByText("Replace the template “web”?").waitFor();
    await scene.picture(page, "replace-template");
    await page.keyboard.press("Escape");
    assert.match(readFileSync(template("web"), "utf8"), /For the web/);
  });
});
