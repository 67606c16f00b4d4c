import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as vscode from "vscode";
import { writeFiles } from "../fake/library.ts";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import { closeTabs, quickInputTitled, workspaceFolder } from "./steps.ts";

describe("what the Library keeps secret and takes in", () => {
  let root: string;
  const settings = () => vscode.workspace.getConfiguration("openAgent");
  const setLibrary = (path: string | undefined) =>
    settings().update("library.path", path, vscode.ConfigurationTarget.Global);
  const text = (path: string) => readFileSync(join(root, path), "utf8");
  const begin = (command: string) => {
    void vscode.commands.executeCommand(command);
  };

  before(async () => {
    root = mkdtempSync(join(tmpdir(), "sharing-library-"));
    const server = { command: ["x"], env: { TOKEN: "hush-1" }, enabled: false };
    writeFiles(root, {
      "skill/login/SKILL.md": "---\nname: login\ndescription: Logs in.\n---\nSay <encrypted>hush-2</encrypted>.\n",
      "mcp/servers.json": `${JSON.stringify({ one: server }, null, 2)}\n`,
    });
    await closeTabs();
    await setLibrary(root);
    begin("openAgent.setLibraryKey");
    await quickInputTitled("Key of the Library");
    await driver.pickQuickItem("Generate New Key");
  });
  after(async () => {
    await closeTabs();
    await setLibrary(undefined);
    rmSync(root, { recursive: true, force: true });
  });

  it("encrypts what is marked when its file is saved, and shows a value only when asked", async () => {
    const editor = await vscode.window.showTextDocument(vscode.Uri.file(join(root, "skill/login/SKILL.md")));
    await editor.edit((edit) => edit.insert(new vscode.Position(4, 0), "Now. "));
    await editor.document.save();
    const saved = await eventually(
      () => text("skill/login/SKILL.md"),
      (now) => now.includes('<encrypted v="1">'),
    );
    assert.ok(saved.includes("Now. Say") && !saved.includes("hush-2"));
    const place = editor.document.positionAt(editor.document.getText().indexOf("<encrypted") + 3);
    editor.selection = new vscode.Selection(place, place);
    begin("openAgent.revealValue");
    await quickInputTitled("Encrypted Value");
    await driver.answerQuickInput("hush-3");
    await eventually(
      () => editor.document.getText(),
      (now) => now !== saved && now.includes('<encrypted v="1">') && !now.includes("hush"),
    );
    await editor.document.save();
  });

  it("encrypts the text at the cursor of a file of JSON", async () => {
    const editor = await vscode.window.showTextDocument(vscode.Uri.file(join(root, "mcp/servers.json")));
    const place = editor.document.positionAt(editor.document.getText().indexOf("hush-1") + 2);
    editor.selection = new vscode.Selection(place, place);
    await vscode.commands.executeCommand("openAgent.encryptValue");
    const { one } = JSON.parse(editor.document.getText()) as { one: { env: { TOKEN: string }; command: string[] } };
    assert.match(one.env.TOKEN, /^<encrypted v="1">[\w+/=]+<\/encrypted>$/);
    assert.deepEqual(one.command, ["x"]);
    await editor.document.save();
  });

  it("takes in what the project tells other agents, once its files were shown", async () => {
    const skill = "---\nname: from-project\ndescription: Of the project.\n---\n";
    const folder = join(workspaceFolder(), ".claude");
    writeFiles(folder, { "skills/from-project/SKILL.md": skill, "skills/from-project/run.sh": "#!/bin/sh\n" });
    try {
      begin("openAgent.importIntoLibrary");
      await quickInputTitled("Import into the Library");
      await driver.pickQuickItem("This Project");
      await quickInputTitled("Import into the Library: Review");
      assert.equal(existsSync(join(root, "skill/from-project")), false);
      await driver.screenshot("library-import-review");
      await driver.pickQuickItem("Import from-project");
      await eventually(
        () => existsSync(join(root, "skill/from-project/run.sh")),
        (there) => there,
      );
      await eventually(
        () => existsSync(join(root, ".drafts")),
        (there) => !there,
      );
      assert.equal(text("skill/from-project/SKILL.md"), skill);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
