import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import type { LimitKind } from "../../src/protocol/workspace.ts";
import { createBackends } from "../../src/workspace/backends.ts";
import { Templates } from "../../src/workspace/template.ts";
import { opencodeBinary } from "../fake/bed.ts";
import { bash } from "../fake/scenarios.ts";
import { lineScript } from "../fake/script.ts";
import { eventually } from "../host/eventually.ts";
import {
  answerQuickInput,
  chooseFromMenu,
  fillQuickInput,
  notification,
  pickQuickItem,
  quickInput,
  runCommand,
} from "../host/page.ts";
import { installationFolder } from "../host/setup.ts";
import {
  inPanel,
  launchFrom,
  makeScene,
  noticed,
  panelShows,
  stepTitled,
  turnsEnd,
  type Scene,
  pictureFailures,
} from "./scene.ts";

const templates = join(installationFolder(), "templates");
const packages = ["git"];
/** No other run has built a file system of these. */
const mark = `run ${crypto.randomUUID()}`;
const failing = `echo preparing ${mark}\nfalse\n`;

describe("a user with a container", function () {
  this.timeout(180_000);
  let scene: Scene;
  let page: Page;

  let limits: readonly LimitKind[];
  /** The build waits for the end of a connection to it, once it was looked at. */
  const gate = createServer();
  let script: string;

  before(async () => {
    await once(gate.listen(0, "127.0.0.1"), "listening");
    const { port } = gate.address() as AddressInfo;
    const waiting = `cat </dev/tcp/127.0.0.1/${String(port)}`;
    script = `echo preparing ${mark}\n${waiting}\necho made inside >/etc/made\n`;
    scene = await makeScene({
      bed: { templates },
      editor: {
        settings: {
          "openAgent.opencode.path": opencodeBinary,
          "terminal.integrated.gpuAcceleration": "off",
        },
      },
    });
    page = await scene.open();
    ({ limits } = await createBackends({
      data: scene.bed.data,
      templates,
    }).bwrap.probe());
  });
  after(async () => {
    gate.close();
    await scene.editor.stop();
    const core = scene.bed.core();
    for (const { id } of core.workspaces().workspaces) await core.run("deleteWorkspace", { workspaceId: id });
    await core.dispose();
    for (const initScript of [script, failing]) {
      const key = new Templates(templates).keyOf({
        packages,
        initScript,
        environment: {},
      });
      for (const name of readdirSync(templates))
        if (name.startsWith(key)) rmSync(join(templates, name), { recursive: true, force: true });
    }
    await scene.close();
  });
  pictureFailures((name) => scene.picture(page, name));

  const tree = () => page.locator('.pane:has(.pane-header[aria-label^="Workspaces"])');
  const row = () => tree().locator(".monaco-list-row").filter({ hasText: "box" }).first();
  const asks = (number: number) =>
    quickInput(page)
      .locator(".quick-input-title")
      .getByText(new RegExp(`^New Workspace \\(${String(number)} of \\d\\)$`))
      .waitFor();
  const rowShows = (text: string) => row().filter({ hasText: text }).waitFor({ timeout: 60_000 });
  /** Waits until the row says that so many megabytes are used on disk, those of OpenCode itself aside. */
  const onDisk = (mb: number) =>
    eventually(
      async () => Number(/ (\d+) MB/.exec(await row().innerText())?.[1] ?? 0),
      (found) => found >= mb && found < mb * 1.4,
      60_000,
    );
  const terminalShows = (text: string) =>
    eventually(
      async () => (await page.locator(".terminal-wrapper.active .xterm-rows").allInnerTexts()).join("\n"),
      (shown) => shown.replaceAll("\u00a0", " ").includes(text),
      60_000,
    );
  const inline = async (label: string) => {
    await row().hover();
    await row().getByRole("button", { name: label }).click();
  };
  const fromMenu = (label: string) => chooseFromMenu(page, row(), label);
  /** By its button; a toast is redrawn while it comes in. */
  const answer = async (told: Locator, button: string) => {
    await told.first().waitFor({ timeout: 60_000 });
    await told.first().hover();
    await told.first().getByRole("button", { name: button }).click();
  };
  const writeScript = async (text: string) => {
    await page.locator('.tab[aria-label^="box.init.sh"]').click();
    await page.locator(".editor-group-container.active .monaco-editor").first().click();
    await page.keyboard.press("Control+A");
    await page.keyboard.insertText(text);
    await page.keyboard.press("Control+S");
  };

  it("is told why a kind is not available, and how to get it", async function () {
    await runCommand(page, "Open Agent: New Workspace…");
    await asks(1);
    const missing = quickInput(page).locator(".monaco-list-row:has(.codicon-circle-slash)");
    if ((await missing.count()) > 0) {
      await missing.first().click();
      await page.locator(".monaco-dialog-box").getByText("is not available here").waitFor();
      await scene.picture(page, "workspace-unavailable");
      await page.keyboard.press("Escape");
      await asks(1);
    }
    await page.keyboard.press("Escape");
  });

  it("creates it in a few steps", async () => {
    await runCommand(page, "Open Agent: New Workspace…");
    await asks(1);
    await scene.picture(page, "workspace-kinds");
    await pickQuickItem(page, "Container (bubblewrap)");
    await asks(2);
    await answerQuickInput(page, "box");
    await asks(3);
    await scene.picture(page, "workspace-folders");
    await page.keyboard.press("Enter");
    await asks(4);
    await page.keyboard.press("Enter");
    await asks(5);
    await answerQuickInput(page, packages.join(" "));
    await asks(6);
    await page.keyboard.press("Enter");
    // What cannot be limited on a machine is not asked for.
    if (limits.length > 0) await chooseLimits();
    await rowShows("bwrap · built just now");
    await (await noticed(page, "box is ready")).waitFor();
    await scene.picture(page, "workspace-ready");
    const core = scene.bed.core();
    assert.deepEqual(core.workspaces().workspaces[0]?.limits, limits.includes("processes") ? { processes: 3000 } : {});
    await core.dispose();
  });

  /** A click on a list that is drawn anew meanwhile is lost. */
  const askAmount = async () => {
    const asked = quickInput(page).getByText("How many processes and threads");
    const other = quickInput(page).locator(".monaco-list-row", { hasText: "Other Processes…" });
    await eventually(async () => {
      await other.click({ timeout: 2000 }).catch(() => undefined);
      return asked.waitFor({ timeout: 3000 }).then(
        () => true,
        () => false,
      );
    }, Boolean);
  };

  const chooseLimits = async () => {
    await asks(7);
    await quickInput(page).getByText("No Limits").waitFor();
    assert.equal(await quickInput(page).getByText("Other Memory…").count(), limits.includes("memoryMb") ? 1 : 0);
    await scene.picture(page, "workspace-limits");
    if (limits.includes("processes")) {
      await pickQuickItem(page, "512 processes");
      await quickInput(page).getByText("Create with These Limits").waitFor();
      await askAmount();
      await answerQuickInput(page, "a few");
      await quickInput(page).getByText("Type a whole number").waitFor();
      await scene.picture(page, "workspace-limits-wrong");
      await answerQuickInput(page, "3000");
      await quickInput(page)
        .locator(".monaco-list-row:has(.codicon-check)", {
          hasText: "3,000 processes",
        })
        .last()
        .waitFor();
      await scene.picture(page, "workspace-limits-chosen");
    }
    await page.keyboard.press("Enter");
  };

  it("is told which line of the init script has failed, and sees the log", async () => {
    await fromMenu("Edit Init Script");
    await page.locator('.tab[aria-label^="box.init.sh"]').waitFor();
    await writeScript(failing);
    await answer(notification(page, "takes effect when it is built"), "Build Now");
    await answer(notification(page, "line 2"), "Show Build Log");
    await rowShows("build failed");
    await terminalShows(`preparing ${mark}`);
    await terminalShows("box was not built.");
    await scene.picture(page, "workspace-failed");
  });

  it("watches it being built", async () => {
    const waits = once(gate, "connection") as Promise<[Socket]>;
    await writeScript(script);
    await runCommand(page, "Notifications: Clear All Notifications");
    await fromMenu("Build Workspace");
    await rowShows("building");
    await terminalShows(`preparing ${mark}`);
    const [connection] = await waits;
    assert.match(await row().innerText(), /building/);
    await scene.picture(page, "workspace-building");
    connection.end();
    await terminalShows("box is ready");
    await rowShows("built");
  });

  it("launches a mission in it, which says where it works", async () => {
    await inline("New Mission Here");
    const command = "cat /etc/made >made.txt; head -c 21000000 /dev/zero >/opt/made; cat /etc/hostname";
    await launchFrom(page, lineScript("Look inside", bash(command), { text: "Looked." }));
    await turnsEnd(page, 1);
    assert.deepEqual(await inPanel(page, ".answer"), ["Looked."]);
    await panelShows(page, ".facts", ([facts = ""]) => facts.includes("box · bwrap"));
    assert.equal(readFileSync(join(scene.bed.project, "made.txt"), "utf8"), "made inside\n");
    // What the mission has left on disk is seen once it is done.
    await onDisk(20);
    await row().locator(".monaco-tl-twistie").click();
    await tree().locator(".monaco-list-row").filter({ hasText: "Look inside" }).first().waitFor();
    await scene.picture(page, "workspace-mission");
  });

  it("opens its shell and sees the file", async () => {
    await inline("Open Shell");
    await page.locator(".terminal-wrapper.active .xterm-helper-textarea").waitFor({ state: "attached" });
    await terminalShows("box:");
    await page.keyboard.type("cat made.txt; cp /etc/made shell.txt\n");
    await terminalShows("made inside");
    await eventually(() => existsSync(join(scene.bed.project, "shell.txt")), Boolean);
    await scene.picture(page, "workspace-shell");
  });

  it("opens a file that only the container has, to read it", async () => {
    const open = async (...names: string[]) => {
      await fromMenu("Open Files of Workspace");
      await stepTitled(page, "Files of box");
      await pickQuickItem(page, "The Container’s Files");
      for (const name of names) await pickQuickItem(page, name);
    };
    await open("opt", "..", "etc");
    await quickInput(page).locator('input[placeholder="/etc"]').waitFor();
    await quickInput(page).locator(".label-name").getByText("alternatives", { exact: true }).waitFor();
    await scene.picture(page, "container-files");
    await fillQuickInput(page, "made");
    await pickQuickItem(page, "made");
    const editor = page.locator(".editor-group-container.active");
    await editor.locator(".view-lines").getByText("made inside").waitFor();
    await editor.locator(".monaco-editor").first().click();
    await page.keyboard.type("x");
    await editor.getByText("The files of a container are only read here.").waitFor();
    await scene.picture(page, "container-file");
    await open("opt", "made");
    await notification(page, "/opt/made is larger than 20 MB").first().waitFor();
    await scene.picture(page, "container-file-large");
    await runCommand(page, "View: Close Editor");
  });

  it("gives it a secret, of which only the name is seen", async () => {
    await fromMenu("Secrets of Workspace");
    await stepTitled(page, "Secrets of box");
    await scene.picture(page, "workspace-secrets-none");
    await pickQuickItem(page, "Add Secret…");
    await stepTitled(page, "New Secret of box");
    await answerQuickInput(page, "DEPLOY_TOKEN");
    await stepTitled(page, "Secret DEPLOY_TOKEN of box");
    await scene.picture(page, "workspace-secret-value");
    await answerQuickInput(page, "hush-hush");
    await notification(page, "The secret DEPLOY_TOKEN of box is set.").first().waitFor();
    await fromMenu("Secrets of Workspace");
    await stepTitled(page, "Secrets of box");
    await quickInput(page).locator(".label-name").getByText("DEPLOY_TOKEN", { exact: true }).waitFor();
    await scene.picture(page, "workspace-secrets");
    assert.equal((await page.locator("body").innerText()).includes("hush-hush"), false);
    await page.keyboard.press("Escape");
  });

  it("forks it, and deletes the fork", async () => {
    await fromMenu("Fork Workspace");
    await stepTitled(page, "Fork box");
    await scene.picture(page, "workspace-fork");
    await answerQuickInput(page, "fork");
    await notification(page, "fork is ready, a fork of box.").first().waitFor({ timeout: 60_000 });
    const fork = tree().locator(".monaco-list-row").filter({ hasText: "fork" });
    await fork.filter({ hasText: "built just now" }).waitFor();
    await scene.picture(page, "workspace-forked");
    await chooseFromMenu(page, fork, "Delete Workspace");
    await page.locator(".monaco-dialog-box").getByRole("button", { name: "Delete" }).click();
    await fork.waitFor({ state: "detached" });
  });

  it("takes it back to a snapshot after a question", async () => {
    await fromMenu("Snapshot Workspace");
    await stepTitled(page, "Snapshot of box");
    await answerQuickInput(page, "before");
    await notification(page, "The snapshot “before” of box is kept.").first().waitFor();
    await onDisk(40);
    const inside = async (line: string) => {
      await runCommand(page, "Notifications: Clear All Notifications");
      await fromMenu("Run Command in Workspace");
      await stepTitled(page, "Run in box");
      await answerQuickInput(page, `${line}; echo >&2; touch ran.txt`);
      const ran = join(scene.bed.project, "ran.txt");
      await eventually(() => existsSync(ran), Boolean);
      rmSync(ran);
    };
    await inside("echo changed >/etc/made; head -c 60000000 /dev/zero >/opt/more");
    await onDisk(100);
    await fromMenu("Restore Snapshot");
    await stepTitled(page, "Snapshots of box");
    await scene.picture(page, "workspace-snapshots");
    await pickQuickItem(page, "before");
    const dialog = page.locator(".monaco-dialog-box");
    await scene.picture(page, "workspace-restore");
    await dialog.getByRole("button", { name: "Restore" }).click();
    await notification(page, "box is as it was in the snapshot “before”.").first().waitFor();
    await onDisk(40);
    await inside("cp /etc/made restored.txt");
    assert.equal(readFileSync(join(scene.bed.project, "restored.txt"), "utf8"), "made inside\n");
  });

  it("takes it back to what was built after a question", async () => {
    await fromMenu("Reset Workspace");
    const dialog = page.locator(".monaco-dialog-box");
    await dialog.waitFor();
    await scene.picture(page, "workspace-reset");
    await dialog.getByRole("button", { name: "Reset" }).click();
    await notification(page, "box is as it was built.").first().waitFor();
    // The snapshot is there still, what it was taken of is not.
    await onDisk(20);
  });

  it("deletes it and keeps the folder", async () => {
    await fromMenu("Delete Workspace");
    const dialog = page.locator(".monaco-dialog-box");
    await dialog.waitFor();
    const detail = await dialog.innerText();
    assert.match(detail, /Look inside/);
    assert.ok(detail.includes(`The folder ${scene.bed.project} stays`), detail);
    await scene.picture(page, "workspace-delete");
    await dialog.getByRole("button", { name: "Delete" }).click();
    await row().waitFor({ state: "detached" });
    assert.deepEqual(readdirSync(join(scene.bed.paths.containers, "workspaces")), []);
    assert.equal(existsSync(join(scene.bed.project, "made.txt")), true);
    await quickInput(page).waitFor({ state: "detached" });
  });
});
