import { mkdirSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Page } from "playwright-core";
import type { Driver, DriverReply, DriverRequest } from "./driver.ts";
import { answerQuickInput, choosePath, fillQuickInput, pickQuickItem, runCommand, webviewFrame } from "./page.ts";

/** Serves the driver of a page on a local socket. Screenshots go to the folder `artifacts`. */
export async function serveDriver(page: Page, path: string, artifacts: string): Promise<{ close(): void }> {
  const operations = operationsOf(page, artifacts);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // An extension host that ends resets its connections.
    socket.on("error", () => socket.destroy());
    createInterface({ input: socket }).on("line", (line) => {
      const request = JSON.parse(line) as DriverRequest;
      void replyTo(request, operations).then((reply) => socket.write(`${JSON.stringify(reply)}\n`));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(path, resolve);
  });
  return {
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function replyTo({ id, operation, args }: DriverRequest, operations: Driver): Promise<DriverReply> {
  try {
    if (!Object.hasOwn(operations, operation)) throw new Error(`The driver has no ${operation}.`);
    const run = operations[operation as keyof Driver] as (...args: unknown[]) => Promise<unknown>;
    return { id, value: await run(...args) };
  } catch (error) {
    return { id, error: String(error) };
  }
}

function operationsOf(page: Page, artifacts: string): Driver {
  const violations: string[] = [];
  page.on("console", (message) => {
    if (/content security policy/i.test(message.text())) violations.push(message.text());
  });
  return {
    print: (line) => {
      console.log(line);
      return Promise.resolve();
    },
    screenshot: async (name) => {
      const path = join(artifacts, `${name}.png`);
      mkdirSync(artifacts, { recursive: true });
      await page.screenshot({ path });
      return path;
    },
    runCommand: (label) => runCommand(page, label),
    press: (key) => page.keyboard.press(key),
    click: (selector) => page.click(selector),
    rightClick: (selector) => page.click(selector, { button: "right" }),
    hover: (selector) => page.hover(selector),
    resize: (width, height) => page.setViewportSize({ width, height }),
    policyViolations: () => Promise.resolve(violations),
    attributes: (selector, name) =>
      page
        .locator(selector)
        .evaluateAll((elements, attribute) => elements.map((element) => element.getAttribute(attribute) ?? ""), name),
    texts: (selector) => page.locator(selector).allInnerTexts(),
    answerQuickInput: (text) => answerQuickInput(page, text),
    choosePath: (title, path) => choosePath(page, title, path),
    fillQuickInput: (text) => fillQuickInput(page, text),
    pickQuickItem: (label) => pickQuickItem(page, label),
    clickInWebview: async (webview, selector) => (await webviewFrame(page, webview)).click(selector),
    fillInWebview: async (webview, selector, text) => (await webviewFrame(page, webview)).fill(selector, text),
    textsInWebview: async (webview, selector) => (await webviewFrame(page, webview)).locator(selector).allInnerTexts(),
    evaluateInWebview: async (webview, expression) => (await webviewFrame(page, webview)).evaluate(expression),
  };
}
