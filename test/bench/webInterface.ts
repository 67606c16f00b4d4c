/** OpenCode's own web interface. */
import type { Browser, BrowserContext, Page } from "playwright-core";
import { watchPaints } from "./paint.ts";
import type { ServerBed } from "./serverBed.ts";

/** A profile in which the bed's project is in the interface's list of projects. */
export async function webProfile(browser: Browser, { bed, connection }: ServerBed): Promise<BrowserContext> {
  const context = await browser.newContext({
    viewport: { width: 1400, height: 900 },
    httpCredentials: { username: connection.username, password: connection.password },
  });
  await watchPaints(context);
  await context.addInitScript((directory) => {
    const key = "opencode.global.dat:server";
    if (localStorage.getItem(key) !== null) return;
    const projects = { local: [{ worktree: directory, expanded: true }] };
    localStorage.setItem(
      key,
      JSON.stringify({ list: [], projects, lastProject: { local: directory }, recentlyClosed: {} }),
    );
  }, bed.project);
  return context;
}

/** Its list of sessions. */
export async function openList(context: BrowserContext, { connection }: ServerBed): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${connection.url}/`);
  await sessionRow(page, "").first().waitFor();
  return page;
}

export function sessionRow(page: Page, title: string) {
  return page.locator('[data-component="home-session-row"]', { hasText: title });
}

export async function goHome(page: Page): Promise<void> {
  await page.locator('button[aria-label="Home"]').click();
  await sessionRow(page, "").first().waitFor();
}

export function sessionUrl({ connection }: ServerBed, sessionId: string): string {
  return `${connection.url}/server/${Buffer.from(connection.url).toString("base64url")}/session/${sessionId}`;
}
