import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as vscode from "vscode";
import { writeFiles } from "../fake/library.ts";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import { closeTabs, noticed, quickInputTitled, showMissions, workspaceFolder } from "./steps.ts";

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
    const marked = { command: ["x", "--key=<encrypted>hush-4</encrypted>"], enabled: false };
    writeFiles(root, {
      "skill/login/SKILL.md": "---\nname: login\ndescription: Logs in.\n---\nSay <encrypted>hush-2</encrypted>.\n",
      "mcp/servers.json": `${JSON.stringify({ one: server, two: marked }, null, 2)}\n`,
      "rule/one.md": "Say <encrypted>hush-5</encrypted>.\n",
      "rule/two.md": "Say <encrypted>hush-6</encrypted>.\n",
      "init-script/base/SCRIPT.sh": "export A=hush-7\n",
    });
    await closeTabs();
    await setLibrary(root);
    // The extension is at work from here on.
    await showMissions();
  });
  after(async () => {
    await closeTabs();
    await setLibrary(undefined);
    rmSync(root, { recursive: true, force: true });
  });

  it("saves what is marked as it is while there is no key, and says so of each file", async () => {
    for (const file of ["one.md", "two.md"]) {
      const editor = await vscode.window.showTextDocument(vscode.Uri.file(join(root, "rule", file)));
      await editor.edit((edit) => edit.insert(new vscode.Position(0, 0), "Now. "));
      await editor.document.save();
      await noticed(`${file} that are marked to be encrypted were saved as they are`);
      assert.match(text(`rule/${file}`), /^Now\. Say <encrypted>hush-\d<\/encrypted>/);
    }
    await vscode.commands.executeCommand("notifications.clearAll");
  });

  it("has a key once its user wants one, which can be copied", async () => {
    begin("openAgent.setLibraryKey");
    await quickInputTitled("Key of the Library");
    await driver.pickQuickItem("Generate New Key");
    await noticed("The Library has a new key");
    await vscode.commands.executeCommand("notifications.clearAll");
    begin("openAgent.setLibraryKey");
    await quickInputTitled("Key of the Library");
    await driver.pickQuickItem("Copy Key");
    await eventually(
      async () => vscode.env.clipboard.readText(),
      (words) => /^[0-9a-f]{64}$/.test(words),
    );
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
    // What is marked there is encrypted with it.
    await editor.document.save();
    const saved = await eventually(
      () => text("mcp/servers.json"),
      (now) => !now.includes("hush-4"),
    );
    const { two } = JSON.parse(saved) as { two: { command: string[] } };
    assert.match(two.command[1] ?? "", /^--key=<encrypted v="1">[\w+/=]+<\/encrypted>$/);
  });

  it("encrypts nothing where missions would get it as it is", async () => {
    const editor = await vscode.window.showTextDocument(vscode.Uri.file(join(root, "init-script/base/SCRIPT.sh")));
    const at = editor.document.getText().indexOf("hush-7");
    editor.selection = new vscode.Selection(editor.document.positionAt(at), editor.document.positionAt(at + 6));
    begin("openAgent.encryptValue");
    await noticed("Nothing would open the encrypted value here");
    assert.equal(editor.document.getText(), "export A=hush-7\n");
    await vscode.commands.executeCommand("notifications.clearAll");
  });

  it("gives an item to others as a file, where its user says", async () => {
    writeFiles(root, { "rule/told.md": "---\ndescription: Told.\n---\nSay it.\n" });
    const file = join(root, "..", `told-${String(process.pid)}.md`);
    const node = { kind: "item", itemKind: "rules", name: "told", path: join(root, "rule/told.md") };
    void vscode.commands.executeCommand("openAgent.exportFromLibrary", node);
    await driver.choosePath("Export the rule “told”", file);
    const exported = await eventually(
      () => (existsSync(file) ? readFileSync(file, "utf8") : ""),
      (words) => words !== "",
    );
    assert.equal(exported, text("rule/told.md"));
    await vscode.commands.executeCommand("notifications.clearAll");
    rmSync(file);
    rmSync(join(root, "rule/told.md"));
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
