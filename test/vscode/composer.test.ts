import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import { closeTabs, inPanel, launch, page, panelShows, turnsEnd, workspaceFolder } from "./steps.ts";

const composer = ".composer textarea";

describe("the composer", () => {
  const folder = () => join(workspaceFolder(), "composer");
  const file = (name: string) => vscode.Uri.file(join(folder(), name));
  const registered: { dispose(): unknown }[] = [];

  before(async () => {
    await closeTabs();
    mkdirSync(folder(), { recursive: true });
    writeFileSync(file("gateway.ts").fsPath, "export class Gateway {\n  open() {\n    return 1;\n  }\n}\n");
    const range = new vscode.Range(1, 2, 3, 3);
    const symbol = new vscode.SymbolInformation(
      "openGateway",
      vscode.SymbolKind.Method,
      "Gateway",
      new vscode.Location(file("gateway.ts"), range),
    );
    const problems = vscode.languages.createDiagnosticCollection("composer");
    problems.set(file("gateway.ts"), [new vscode.Diagnostic(range, "The gate is closed")]);
    registered.push(
      problems,
      vscode.languages.registerWorkspaceSymbolProvider({ provideWorkspaceSymbols: () => [symbol] }),
    );
    await launch("A mission to write to [[hello]]");
    await turnsEnd(1);
  });
  beforeEach(() => write(""));
  after(async () => {
    for (const one of registered) one.dispose();
    rmSync(folder(), { recursive: true, force: true });
    await closeTabs();
  });

  async function write(text: string): Promise<void> {
    await driver.clickInWebview(page, composer);
    await driver.fillInWebview(page, composer, text);
  }
  function written(): Promise<unknown> {
    return driver.evaluateInWebview(page, `document.querySelector('${composer}').value`);
  }
  /** The labels of what is offered, once one of them is there. */
  async function offered(label: string): Promise<string[]> {
    return eventually(
      () => inPanel(".suggestions .label"),
      (labels) => labels.includes(label),
    );
  }
  async function isWritten(text: string): Promise<void> {
    await eventually(written, (shown) => shown === text);
  }
  function carries(...names: string[]): Promise<string[]> {
    return eventually(
      async () => (await inPanel(".composer .chips li")).map((name) => name.trim()),
      (shown) => shown.join() === names.join(),
    );
  }

  it("runs a command that the keyboard chose, with its arguments", async () => {
    await write("/ini");
    await offered("/init");
    await driver.press("Tab");
    await isWritten("/init ");
    await panelShows(".composer .hint", "[arguments]");
    await write("/init [[hello]]");
    await driver.press("Enter");
    await panelShows(".user-text.called", "/init [[hello]]");
    await turnsEnd(2);
    await panelShows(".user .line", "What the command says");
  });

  it("says which command there is not, and keeps the message", async () => {
    await write("/nothing here");
    await driver.press("Enter");
    await panelShows(".trouble", "There is no command /nothing.");
    await isWritten("/nothing here");
  });

  it("offers files, symbols, problems and agents, and sends what they stand for", async () => {
    await write("see @gatew");
    const labels = await offered("composer/gateway.ts");
    assert.ok(labels.includes("openGateway"), labels.join());
    await driver.press("Enter");
    await isWritten("see @composer/gateway.ts ");
    await write("see @composer/gateway.ts and @openGat");
    await offered("openGateway");
    await driver.press("Enter");
    await isWritten("see @composer/gateway.ts and @composer/gateway.ts:2-4 ");
    await carries("gateway.ts", "gateway.ts:2-4");
    await write("@explo");
    await offered("explore");
    await driver.press("Tab");
    await carries("explore");
    await write("@gateway.ts");
    const found = await offered("problems in composer/gateway.ts");
    assert.ok(found.length > 1);
    for (let index = 0; index < found.indexOf("problems in composer/gateway.ts"); index++)
      await driver.press("ArrowDown");
    await driver.press("Enter");
    await eventually(written, (text) => String(text).includes("composer/gateway.ts:2:3 error: The gate is closed"));
    await write("@ex");
    await offered("explore");
    await driver.press("Escape");
    await eventually(
      () => inPanel(".suggestions .label"),
      (none) => none.length === 0,
    );
  });

  it("brings back earlier messages as long as nothing else is written", async () => {
    await driver.press("ArrowUp");
    await isWritten("/init [[hello]]");
    await driver.press("ArrowUp");
    await isWritten("A mission to write to [[hello]]");
    await driver.press("ArrowDown");
    await driver.press("ArrowDown");
    await isWritten("");
    await write("mine");
    await driver.press("ArrowUp");
    await isWritten("mine");
  });

  it("takes a picture that is pasted, shows it, and refuses one that is too big by its name", async () => {
    const paste = (name: string, bytes: string) =>
      driver.evaluateInWebview(
        page,
        `(() => {
          const data = new DataTransfer();
          data.items.add(new File([${bytes}], "${name}", { type: "image/png" }));
          const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
          document.querySelector("${composer}").dispatchEvent(event);
          return true;
        })()`,
      );
    await paste("huge.png", "new Uint8Array(11 * 1024 * 1024)");
    await panelShows(".trouble", "huge.png has 11 MB; a file may have 10 MB.");
    await paste("shot.png", "new Uint8Array([137, 80, 78, 71])");
    await carries("shot.png");
    await eventually(
      () => driver.evaluateInWebview(page, "document.querySelectorAll('.thumbnail img[src^=\"data:\"]').length"),
      (pictures) => pictures === 1,
    );
    await driver.clickInWebview(page, ".composer .chips button[aria-label='Leave out shot.png']");
    await carries();
  });

  it("gets the lines that are selected in an editor, and what its own commands put in", async () => {
    const editor = await vscode.window.showTextDocument(file("gateway.ts"));
    editor.selection = new vscode.Selection(0, 0, 2, 0);
    await vscode.commands.executeCommand("openAgent.addToMission");
    await isWritten("@composer/gateway.ts:1-2 ");
    await carries("gateway.ts:1-2");
    await vscode.commands.executeCommand("openAgent.addFilesToMission", file("gateway.ts"), [
      vscode.Uri.file(folder()),
    ]);
    await isWritten("@composer/gateway.ts:1-2 @composer/ ");
    await write("");
    await vscode.commands.executeCommand("openAgent.insertCommand");
    await offered("/init");
    await isWritten("/");
    await write("");
    await vscode.commands.executeCommand("openAgent.previousMessage");
    await isWritten("/init [[hello]]");
  });
});
