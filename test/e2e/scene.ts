/** A user at the packaged extension: an editor, a browser, a home with OpenCode, and what is seen in a window. */
import { join } from "node:path";
import type { Browser, BrowserContext, Frame, Locator, Page } from "playwright-core";
import { makeBed, opencodeBinary, repository, type Bed, type BedOptions } from "../fake/bed.ts";
import { packageExtension } from "../host/built.ts";
import { launchBrowser } from "../host/chromium.ts";
import { installationFolder } from "../host/setup.ts";
import { startEditor, steadySettings, type Editor, type EditorOptions } from "../host/editor.ts";
import { eventually } from "../host/eventually.ts";
import {
  answerQuickInput,
  newProfile,
  notification,
  openWorkbench,
  pickQuickItem,
  quickInput,
  runCommand,
  webviewFrame,
} from "../host/page.ts";

export interface Scene {
  bed: Bed;
  editor: Editor;
  /** Opens a window, on the bed's project when no folder is named. */
  open: (folder?: string) => Promise<Page>;
  /** Saves a picture in out/e2e. */
  picture: (page: Page, name: string) => Promise<void>;
  close: () => Promise<void>;
}

/** @param prepare fills the bed before the editor starts */
export async function makeScene(
  options: {
    bed?: BedOptions;
    editor?: Partial<EditorOptions>;
    prepare?: (bed: Bed) => Promise<void>;
    /** The environment of a browser with a window, which names its display. */
    display?: Record<string, string>;
  } = {},
): Promise<Scene> {
  await using cleanup = new AsyncDisposableStack();
  const bed = cleanup.adopt(await makeBed(options.bed), (made) => made.close());
  await options.prepare?.(bed);
  const editor = cleanup.adopt(
    await startEditor({
      extension: { vsix: packageExtension() },
      workspace: bed.project,
      env: {
        HOME: bed.home,
        OPEN_AGENT_DATA_DIR: bed.data,
        OPEN_AGENT_CONTAINER_TEMPLATES: join(installationFolder(), "templates"),
      },
      ...options.editor,
      settings: { "openAgent.opencode.path": opencodeBinary, ...steadySettings, ...options.editor?.settings },
    }),
    (started) => started.stop(),
  );
  const browser: Browser = cleanup.adopt(
    await launchBrowser(options.display ? { headed: true, display: options.display } : {}),
    (started) => started.close(),
  );
  const profile: BrowserContext = await newProfile(browser, { still: true });
  const kept = cleanup.move();
  return {
    bed,
    editor,
    open: (folder) => openWorkbench(profile, editor, folder === undefined ? {} : { folder }),
    picture: async (page, name) => {
      await page.screenshot({ path: join(repository, "out", "e2e", `${name}.png`) });
    },
    close: () => kept.disposeAsync(),
  };
}

/** In a suite: keeps how the window looked when a test failed or is to be tried again. */
export function pictureFailures(picture: (name: string) => Promise<void>): void {
  afterEach(async function () {
    const { currentTest } = this;
    if (currentTest && currentTest.state !== "passed")
      await picture(`failed-${currentTest.title.replace(/\W+/g, "-").slice(0, 60)}`);
  });
}

/** Types a prompt after New Mission, starts, and waits for the panel. */
export async function launch(page: Page, prompt: string): Promise<void> {
  await runCommand(page, "Open Agent: New Mission…");
  await launchFrom(page, prompt);
}

/** Answers the steps of a new mission, and waits for the panel. */
export async function launchFrom(page: Page, prompt: string): Promise<void> {
  await stepTitled(page, "New Mission (1 of 2)");
  await answerQuickInput(page, prompt);
  await stepTitled(page, "New Mission (2 of 2)");
  await pickQuickItem(page, "Start");
  await panelShows(page, "h1", ([title = ""]) => title.slice(0, 10) === prompt.slice(0, 10));
}

/** Waits for the step of a quick input with this title. */
export async function stepTitled(page: Page, title: string, ms = 60_000): Promise<void> {
  await quickInput(page).locator(".quick-input-title").getByText(title, { exact: true }).waitFor({ timeout: ms });
}

/** Unlike the browser's own reload, it waits until the editor has written down which tabs are open. */
export async function reloadWindow(page: Page): Promise<void> {
  await Promise.all([page.waitForEvent("load"), runCommand(page, "Developer: Reload Window")]);
}

/** A notification. A toast goes after ten seconds, or is hidden by what else happens, and is in the centre then. */
export async function noticed(page: Page, text: string): Promise<Locator> {
  const one = notification(page, text).first();
  const isShown = () =>
    one.waitFor({ timeout: 5000 }).then(
      () => true,
      () => false,
    );
  for (let times = 0; times < 12 && !(await isShown()); times++)
    await runCommand(page, "Notifications: Show Notifications");
  return one;
}

/** The page of the mission panel that is shown. */
export function panel(page: Page): Promise<Frame> {
  return webviewFrame(page, "main[aria-label=Transcript]");
}

export async function inPanel(page: Page, selector: string): Promise<string[]> {
  return (await panel(page)).locator(selector).allInnerTexts();
}

/** Waits until the panel shows elements whose texts fit. */
export function panelShows(
  page: Page,
  selector: string,
  fits: (texts: string[]) => boolean,
  ms?: number,
): Promise<string[]> {
  // The panel's frame can be replaced while it is asked.
  return eventually(() => inPanel(page, selector).catch(() => []), fits, ms);
}

/** The first turn has OpenCode start, which takes a machine that is busy a minute. */
export function turnsEnd(page: Page, count: number): Promise<string[]> {
  return panelShows(page, ".end, .failure", (ends) => ends.length >= count, 120_000);
}

export async function send(page: Page, text: string): Promise<void> {
  const composer = (await panel(page)).locator(".composer textarea");
  await composer.fill(text);
  await composer.press("Enter");
}

/** All that the panel says of a mission, without times. */
export async function transcript(page: Page): Promise<string> {
  const [text = ""] = await inPanel(page, ".content");
  return text.replace(/\d[\d.]* (s|m|h)\b/g, "…");
}
