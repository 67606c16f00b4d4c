import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import * as vscode from "vscode";
import { writeFiles } from "../fake/library.ts";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import { closeTabs, noticed, quickInputTitled, renameSymbol } from "./steps.ts";

const files = {
  "skill/greeting/SKILL.md": "---\n# ours\nname: hello # kept\ndescription: Greets people.\n---\nSee `skill/waving`.\n",
  "skill/waving/SKILL.md": '---\nname: waving\ndescription: Waves.\n---\nThis is "waving".\n',
  "command/wave.md": "---\ndescription: Waves.\nagent: reviewer\n---\nLoad the skill `waving`, then wave.\n",
  "agent/reviewer.md": "---\ndescription: Reviews.\nrules:\n  - style\n  - \n---\nRun /wave.\n",
  "rule/style.md": "---\ndescription: Small letters.\n---\nWrite in small letters.\n",
  "workspace-template/browser.json": '{\n  "name": "browser",\n  "skills": ["agent-browser", "waving"]\n}\n',
  "mcp/servers.json": '{\n  "files": { "type": "lokal", "command": ["x"] }\n}\n',
};

const codeOf = ({ code }: vscode.Diagnostic) => (typeof code === "string" ? code : "");

describe("the Library in editors", () => {
  let root: string;
  const uri = (path: string) => vscode.Uri.file(join(root, path));
  const settings = () => vscode.workspace.getConfiguration("openAgent");
  const setLibrary = (path: string | undefined) =>
    settings().update("library.path", path, vscode.ConfigurationTarget.Global);
  const ours = (path: string) =>
    vscode.languages
      .getDiagnostics(uri(path))
      .filter(({ source }) => source === "Open Agent")
      .map(codeOf);
  const problems = () =>
    vscode.languages
      .getDiagnostics()
      .filter(([{ fsPath }]) => fsPath.startsWith(root))
      .flatMap(([{ fsPath }, some]) =>
        some.filter(({ source }) => source === "Open Agent").map((one) => `${codeOf(one)} ${relative(root, fsPath)}`),
      )
      .sort();
  const open = async (path: string) => {
    const document = await vscode.workspace.openTextDocument(uri(path));
    return vscode.window.showTextDocument(document);
  };
  const at = ({ document }: vscode.TextEditor, text: string, shift = 0) =>
    document.positionAt(document.getText().indexOf(text) + shift);
  const replace = (editor: vscode.TextEditor, text: string, by: string) =>
    editor.edit((edit) => {
      edit.replace(new vscode.Range(at(editor, text), at(editor, text, text.length)), by);
    });

  before(async () => {
    root = mkdtempSync(join(tmpdir(), "editor-library-"));
    writeFiles(root, files);
    await closeTabs();
    await vscode.commands.executeCommand("openAgent.missions.focus");
    await setLibrary(root);
  });
  after(async () => {
    await vscode.commands.executeCommand("workbench.action.files.revert");
    await closeTabs();
    await setLibrary(undefined);
    rmSync(root, { recursive: true, force: true });
  });

  it("shows the problems of all its files when one is opened, also a name that is missing in a template", async () => {
    assert.deepEqual(problems(), []);
    await open("skill/greeting/SKILL.md");
    await eventually(problems, (found) => found.length > 0);
    assert.deepEqual(problems(), [
      "dangling workspace-template/browser.json",
      "server-type mcp/servers.json",
      "skill-name-folder skill/greeting/SKILL.md",
    ]);
    await driver.screenshot("library-problems");
  });

  it("puts right what is wrong, and leaves comments and order as they are", async () => {
    const editor = await open("skill/greeting/SKILL.md");
    const here = new vscode.Range(at(editor, "hello"), at(editor, "hello"));
    const actions = await eventually(
      async () =>
        await vscode.commands.executeCommand<vscode.CodeAction[]>(
          "vscode.executeCodeActionProvider",
          editor.document.uri,
          here,
          vscode.CodeActionKind.QuickFix.value,
        ),
      (some) => some.length > 0,
    );
    const action = actions.find(({ title }) => title === "Change to “greeting”");
    assert.ok(action?.edit, actions.map(({ title }) => title).join());
    assert.equal(action.isPreferred, true);
    await vscode.workspace.applyEdit(action.edit);
    assert.equal(editor.document.getText(), files["skill/greeting/SKILL.md"].replace("hello", "greeting"));
    await eventually(
      () => ours("skill/greeting/SKILL.md"),
      (codes) => codes.length === 0,
    );
    // What an editor holds counts, not what the disk does.
    assert.match(readFileSync(join(root, "skill/greeting/SKILL.md"), "utf8"), /hello/);
    await editor.document.save();
  });

  it("follows each keystroke and each change on the disk", async () => {
    const editor = await open("agent/reviewer.md");
    await replace(editor, "style", "stile");
    await eventually(
      () => ours("agent/reviewer.md"),
      (codes) => codes.includes("dangling"),
    );
    writeFiles(root, { "rule/stile.md": "A rule.\n" });
    await eventually(
      () => ours("agent/reviewer.md"),
      (codes) => codes.length === 0,
    );
    rmSync(join(root, "rule/stile.md"));
    await replace(editor, "stile", "style");
    await editor.document.save();
  });

  it("completes names of items and keys of heads", async () => {
    const labels = async (path: string, text: string, shift = 0) => {
      const editor = await open(path);
      const list = await vscode.commands.executeCommand<vscode.CompletionList>(
        "vscode.executeCompletionItemProvider",
        editor.document.uri,
        at(editor, text, shift),
      );
      return list.items.map(({ label }) => (typeof label === "string" ? label : label.label));
    };
    const skills = await labels("workspace-template/browser.json", '"waving"', 2);
    assert.deepEqual(
      ["greeting", "waving"].filter((name) => !skills.includes(name)),
      [],
    );
    assert.ok((await labels("agent/reviewer.md", "  - \n", 4)).includes("style"));
    assert.ok((await labels("agent/reviewer.md", "/wave", 1)).includes("wave"));
    assert.ok((await labels("command/wave.md", "agent: ", 7)).includes("plan"));
    assert.ok((await labels("agent/reviewer.md", "description")).includes("permission"));
  });

  it("leads to what is named, to who names it, and says what it is", async () => {
    const editor = await open("command/wave.md");
    const place = at(editor, "waving", 1);
    const ask = <T>(command: string) => vscode.commands.executeCommand<T>(command, editor.document.uri, place);
    const definitions = await ask<(vscode.Location | vscode.LocationLink)[]>("vscode.executeDefinitionProvider");
    const [target] = definitions.map((one) => ("targetUri" in one ? one.targetUri : one.uri).fsPath);
    assert.equal(target, join(root, "skill/waving/SKILL.md"));
    const references = await ask<vscode.Location[]>("vscode.executeReferenceProvider");
    assert.deepEqual(references.map((one) => relative(root, one.uri.fsPath)).sort(), [
      "command/wave.md",
      "skill/greeting/SKILL.md",
      "skill/waving/SKILL.md",
      "workspace-template/browser.json",
    ]);
    const hovers = await ask<vscode.Hover[]>("vscode.executeHoverProvider");
    const words = hovers.flatMap(({ contents }) => contents as { value: string }[]).map(({ value }) => value);
    assert.match(words.join("\n"), /Waves\./);
    await open("skill/waving/SKILL.md");
    const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
      "vscode.executeCodeLensProvider",
      uri("skill/waving/SKILL.md"),
      10,
    );
    assert.deepEqual(
      lenses.map(({ command }) => command?.title),
      ["3 references"],
    );
  });

  it("renames an item with all that names it, shows it before, and takes it back at once", async () => {
    const editor = await open("skill/waving/SKILL.md");
    await renameSymbol(editor, "waving", "waving-hands");
    const apply = '.part.panel .monaco-button:has-text("Apply")';
    await eventually(
      () => driver.texts(apply),
      (texts) => texts.length > 0,
    );
    await driver.screenshot("library-rename");
    assert.ok(existsSync(join(root, "skill/waving")));
    await driver.click(apply);
    await eventually(() => existsSync(join(root, "skill/waving-hands/SKILL.md")), Boolean);
    const text = async (path: string) => (await vscode.workspace.openTextDocument(uri(path))).getText();
    // What may mean something else is shown with the rest, but stays unless it is ticked.
    await eventually(
      () => text("skill/waving-hands/SKILL.md"),
      (shown) => /^name: waving-hands\n[^]*This is "waving"/m.test(shown),
      10_000,
    );
    assert.ok(!existsSync(join(root, "skill/waving")));
    assert.match(await text("command/wave.md"), /`waving-hands`/);
    assert.match(await text("skill/greeting/SKILL.md"), /skill\/waving-hands/);
    assert.match(await text("workspace-template/browser.json"), /"agent-browser", "waving-hands"\]/);
    await eventually(
      problems,
      (found) => found.join() === "dangling workspace-template/browser.json,server-type mcp/servers.json",
    );
    await open("command/wave.md");
    await vscode.commands.executeCommand("undo");
    await eventually(
      () => existsSync(join(root, "skill/waving/SKILL.md")) && !existsSync(join(root, "skill/waving-hands/SKILL.md")),
      Boolean,
    );
    assert.match(await text("skill/greeting/SKILL.md"), /skill\/waving`/);
    assert.match(await text("workspace-template/browser.json"), /"agent-browser", "waving"\]/);
    await vscode.workspace.saveAll();
  });

  it("makes and deletes nothing where a link leads out of it", async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), "editor-elsewhere-"));
    const run = (command: string, argument: object) => {
      void vscode.commands.executeCommand(`openAgent.${command}`, argument);
    };
    writeFiles(elsewhere, { "mine/SCRIPT.sh": "echo\n" });
    symlinkSync(elsewhere, join(root, "init-script"));
    writeFiles(root, { "workspace-template/linked.json": '{ "init_scripts": ["absent"] }\n' });
    try {
      run("newLibraryItem", { kind: "group", itemKind: "scripts" });
      await quickInputTitled("New init script");
      await driver.answerQuickInput("made");
      await noticed("init-script/made/SCRIPT.sh leads out of");
      const path = join(root, "init-script", "mine");
      run("deleteLibraryItem", { kind: "item", itemKind: "scripts", name: "mine", path });
      await noticed("init-script leads out of");
      const editor = await open("workspace-template/linked.json");
      const here = new vscode.Range(at(editor, "absent"), at(editor, "absent"));
      const actions = await eventually(
        async () =>
          await vscode.commands.executeCommand<vscode.CodeAction[]>(
            "vscode.executeCodeActionProvider",
            uri("workspace-template/linked.json"),
            here,
          ),
        (some) => some.some(({ title }) => title.startsWith("Remove")),
      );
      assert.deepEqual(
        actions.filter(({ title }) => title.startsWith("Create")),
        [],
      );
      assert.deepEqual([readdirSync(elsewhere), existsSync(join(elsewhere, "mine/SCRIPT.sh"))], [["mine"], true]);
    } finally {
      await vscode.commands.executeCommand("notifications.clearAll");
      rmSync(join(root, "init-script"));
      rmSync(join(root, "workspace-template/linked.json"));
      rmSync(elsewhere, { recursive: true });
    }
  });

  it("is shown in the Explorer where the window has no file manager", async () => {
    assert.equal(vscode.env.uiKind, vscode.UIKind.Web);
    void vscode.commands.executeCommand("openAgent.revealLibraryItem");
    await quickInputTitled("Open Files");
    await driver.press("Escape");
  });

  it("is another one when the setting names another folder", async () => {
    const other = mkdtempSync(join(tmpdir(), "editor-library-"));
    await setLibrary(other);
    await eventually(problems, (found) => found.length === 0);
    await setLibrary(root);
    await eventually(problems, (found) => found.length > 0);
    rmSync(other, { recursive: true });
  });
});
