import { setTimeout as sleep } from "node:timers/promises";
import type { Browser, BrowserContext, Frame, Locator, Page } from "playwright-core";
import type { Editor } from "./editor.ts";
import { eventually } from "./eventually.ts";

export interface WorkbenchOptions {
  /** Another folder than the editor's workspace. */
  folder?: string;
  /** Path of a module that the extension host loads and runs as tests. Needs an extension under development. */
  suite?: string;
  /** Called before the page loads. */
  prepare?: (page: Page) => Promise<void>;
}

/**
 * A browser profile. Its windows share what extensions keep as state and secrets, and it is what keeps that. A still one
 * asks for no animations: what turns while a mission runs takes a third of a processor where that has to draw it.
 */
export async function newProfile(browser: Browser, options: { still?: boolean } = {}): Promise<BrowserContext> {
  const profile = await browser.newContext({
    viewport: { width: 1400, height: 900 },
    permissions: ["clipboard-read", "clipboard-write"],
    ...(options.still === true && { reducedMotion: "reduce" as const }),
  });
  // How long a state is waited for, on a machine that is slow and does other things besides.
  profile.setDefaultTimeout(60_000);
  return profile;
}

/**
 * Opens a window of the editor, in a profile of its own when a browser is given, and waits until the workbench stands.
 * The extension host, which is one process a window, may still be starting.
 */
export async function openWorkbench(
  where: Browser | BrowserContext,
  editor: Editor,
  options: WorkbenchOptions = {},
): Promise<Page> {
  const profile = "newContext" in where ? await newProfile(where) : where;
  const page = await profile.newPage();
  const uri = (path: string) => ({ scheme: "vscode-remote", authority: `localhost:${String(editor.port)}`, path });
  if (editor.developed !== undefined)
    await page.addInitScript(addToConfiguration, {
      extensions: [uri(editor.developed)],
      ...(options.suite !== undefined && { extensionTestsPath: uri(options.suite) }),
    });
  await options.prepare?.(page);
  await page.goto(`${editor.url}/?folder=${encodeURIComponent(options.folder ?? editor.dirs.workspace)}`);
  await page.locator(".monaco-workbench").waitFor();
  return page;
}

/** Runs in the page. A built workbench takes development options from nowhere but its own configuration element. */
function addToConfiguration(developmentOptions: object): void {
  if (window !== window.top) return;
  const original = Object.getOwnPropertyDescriptor(Element.prototype, "getAttribute")?.value as Element["getAttribute"];
  Element.prototype.getAttribute = function (this: Element, name) {
    const value = original.call(this, name);
    if (value === null || name !== "data-settings" || this.id !== "vscode-workbench-web-configuration") return value;
    return JSON.stringify({ ...(JSON.parse(value) as object), developmentOptions });
  };
}

/**
 * Runs a command by its full label in the command palette, such as `View: Close Editor`. The palette does not notice
 * commands that are registered while it is open, so it is opened again until it has the command.
 */
export async function runCommand(page: Page, label: string, ms = 60_000): Promise<void> {
  const row = quickInputRow(page, label);
  for (const end = Date.now() + ms; ;) {
    await page.keyboard.press("F1");
    try {
      // An input that is on its way out takes no text.
      await quickInput(page).locator("input.input").first().fill(`>${label}`, { timeout: 1000 });
      await row.waitFor({ timeout: 1000 });
    } catch (error) {
      if (Date.now() > end) throw new Error(`The command palette has no "${label}".`, { cause: error });
      await page.keyboard.press("Escape");
      continue;
    }
    try {
      await row.click({ timeout: 5000 });
      return;
    } catch (error) {
      // It may be gone because the command runs already; a second one would be one too many. But not with an open palette.
      if (!(await row.isVisible()) && !(await isPaletteOpen(page))) return;
      if (Date.now() > end) throw error;
    }
  }
}

async function isPaletteOpen(page: Page): Promise<boolean> {
  const input = quickInput(page).locator("input.input").first();
  return (await input.isVisible()) && (await input.inputValue({ timeout: 1000 }).catch(() => "")).startsWith(">");
}

/** The open quick pick or input box. */
export function quickInput(page: Page): Locator {
  return page.locator(".quick-input-widget:visible");
}

/** Types into the open quick pick or input box and accepts. */
export async function answerQuickInput(page: Page, text: string): Promise<void> {
  await fillQuickInput(page, text);
  await quickInput(page).locator("input.input").first().press("Enter");
}

/** Types a path into the open file dialog with this title, and accepts: it takes no path before it has read its folder. */
export async function choosePath(page: Page, title: string, path: string): Promise<void> {
  const dialog = quickInput(page).filter({ has: page.locator(".quick-input-title").getByText(title, { exact: true }) });
  await dialog.locator(".label-name").getByText("..", { exact: true }).waitFor();
  await fillQuickInput(page, path);
  // Not by Enter: while it looks at what was typed it takes none, and once it is gone whatever has the focus does.
  const accept = dialog.locator(".quick-input-action .monaco-button").first();
  await eventually(
    async () => {
      if (await dialog.isVisible()) await accept.click({ timeout: 1000 }).catch(() => undefined);
      return dialog.isVisible();
    },
    (visible) => !visible,
  );
}

/** Types into the open quick pick or input box. */
export async function fillQuickInput(page: Page, text: string): Promise<void> {
  await quickInput(page).locator("input.input").first().fill(text);
}

/** Clicks the row of the open quick pick that has exactly this label. */
export async function pickQuickItem(page: Page, label: string): Promise<void> {
  await quickInputRow(page, label).click();
}

function quickInputRow(page: Page, label: string): Locator {
  const name = page.locator(".label-name").getByText(label, { exact: true });
  return quickInput(page).locator(".monaco-list-row").filter({ has: name }).first();
}

/** Toasts and entries of the notification centre that contain a text. */
export function notification(page: Page, text: string): Locator {
  return page.locator(".notification-list-item", { hasText: text });
}

/** Rows of tree views that contain a text. */
export function treeRow(page: Page, text: string): Locator {
  return page.locator('.monaco-list-row[role="treeitem"]', { hasText: text });
}

/** The item of the activity bar with this title. A click on the open one closes the side bar. */
export function activityBar(page: Page, title: string): Locator {
  return page.locator(`.activitybar a.action-label[aria-label^="${title}"]`);
}

/**
 * Waits for a webview in view whose document has an element for the CSS selector, or for which the predicate holds, and gives
 * its inner frame. A webview that reloads or was hidden gets another frame: look it up each time.
 */
export async function webviewFrame(
  page: Page,
  wanted: string | ((frame: Frame) => Promise<boolean>),
  ms = 45_000,
): Promise<Frame> {
  const fits = typeof wanted === "string" ? async (frame: Frame) => (await frame.$(wanted)) !== null : wanted;
  const end = Date.now() + ms;
  for (let pause = 30; ; pause = Math.min(pause * 1.2, 150)) {
    const frames = page.frames().filter((frame) => frame.url().includes("/fake.html"));
    // A frame can go away while it is asked.
    for (const frame of frames)
      if (
        await inView(frame)
          .then((shown) => shown && fits(frame))
          .catch(() => false)
      )
        return frame;
    if (Date.now() > end)
      throw new Error(`No webview has ${String(wanted)}; there are ${String(frames.length)} webviews.`);
    await sleep(pause);
  }
}

/** A hidden webview stays in the page: the frame around it is not visible then. */
async function inView(frame: Frame): Promise<boolean> {
  const outer = await frame.parentFrame()?.frameElement();
  return (await outer?.isVisible()) === true;
}

/** Chooses from the context menu of something. */
export async function chooseFromMenu(page: Page, target: Locator, label: string): Promise<void> {
  await target.click({ button: "right" });
  const item = page.locator(".context-view .action-item").filter({ hasText: label }).first();
  await item.hover();
  await eventually(
    async () => (await item.getAttribute("class"))?.split(" ").includes("focused"),
    (focused) => focused === true,
  );
  await page.keyboard.press("Enter");
}
