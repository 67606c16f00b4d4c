import assert from "node:assert/strict";
import * as vscode from "vscode";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";

interface Manifest {
  contributes: { commands: { command: string }[] };
  activationEvents: string[];
  enabledApiProposals?: string[];
}

/** Runs first: what it finds, later tests change. */
describe("activation", () => {
  const extension = vscode.extensions.getExtension<unknown>("open-agent.open-agent");
  const manifest = extension?.packageJSON as Manifest;

  it("is not activated by the start of the editor", async () => {
    assert.ok(extension);
    // This one waits for the end of the editor's start.
    await eventually(() => vscode.extensions.getExtension("vscode.merge-conflict")?.isActive === true, Boolean);
    assert.equal(extension.isActive, false);
    assert.deepEqual(manifest.activationEvents, [
      "onUri",
      "onWebviewPanel:openAgent.mission",
      "onWebviewPanel:openAgent.desktop",
      "onFileSystem:open-agent-workspace",
      "onFileSystem:open-agent-container",
      // A Library, whose values are encrypted when they are saved.
      "workspaceContains:skill/*/SKILL.md",
    ]);
  });

  it("comes with its view, in little time", async () => {
    assert.ok(extension);
    await driver.runCommand("Open Agent: Show Missions");
    await eventually(() => extension.isActive, Boolean);
    await vscode.commands.executeCommand("perfview.show");
    const text = await eventually(
      () => vscode.workspace.textDocuments.find(({ uri }) => uri.scheme === "perf")?.getText() ?? "",
      (found) => found.includes("| open-agent.open-agent "),
    );
    const row = text.split("\n").find((line) => line.includes("| open-agent.open-agent ")) ?? "";
    const [, , load, call] = row
      .split("|")
      .slice(1)
      .map((cell) => cell.trim());
    assert.ok(Number(load) + Number(call) < 500, row);
    await vscode.commands.executeCommand("workbench.action.closeActiveEditor");
  });

  it("says in the empty view what to do", async () => {
    const text = await eventually(
      () => driver.texts(".welcome-view-content"),
      (texts) => texts.some((shown) => shown.includes("Hand a task to a coding agent")),
    );
    assert.ok(text.join(" ").includes("New Mission"));
  });

  it("has a handler for every command that it contributes", async () => {
    const known = new Set(await vscode.commands.getCommands(true));
    const missing = manifest.contributes.commands.filter(({ command }) => !known.has(command));
    assert.deepEqual(missing, []);
  });

  it("uses no proposed API", () => {
    assert.equal(manifest.enabledApiProposals, undefined);
  });
});
