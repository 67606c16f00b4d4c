/** Runs in pages: when something is painted. */
import type { BrowserContext, Page } from "playwright-core";

interface Watch {
  /** Epoch milliseconds of the last press of the pointer. */
  pressedAt: number;
  /** Resolves with the time at which the text was painted within the window. */
  painted(text: string): Promise<number>;
}

declare global {
  interface Window {
    benchWatch?: Watch;
  }
}

/** Gives every top document of a profile the means to tell when a text is painted, also within a webview. */
export async function watchPaints(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    if (window !== window.top) return;
    const channel = new MessageChannel();
    const afterPaint = (run: () => void) => {
      channel.port1.onmessage = run;
      channel.port2.postMessage(0);
    };
    const documents = (root: Document): Document[] => {
      const frames = [...root.querySelectorAll<HTMLIFrameElement>("iframe.webview, iframe#active-frame")];
      return [root, ...frames.flatMap((frame) => (frame.contentDocument ? documents(frame.contentDocument) : []))];
    };
    const isShown = (root: Document, text: string) => {
      const path = `//text()[contains(., "${text}")]`;
      const found = root.evaluate(path, root, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE, null);
      for (let index = 0; index < found.snapshotLength; index++) {
        const element = found.snapshotItem(index)?.parentElement;
        const box = element?.getBoundingClientRect();
        const view = root.defaultView;
        if (!element || !box || !view || element.closest("script, style")) continue;
        if (box.height > 0 && box.bottom > 0 && box.top < view.innerHeight && element.checkVisibility()) return true;
      }
      return false;
    };
    const watch: Watch = {
      pressedAt: 0,
      painted: (text) =>
        new Promise((resolve, reject) => {
          const end = performance.now() + 20_000;
          const isThere = () => documents(document).some((root) => isShown(root, text));
          const look = () => {
            const before = isThere();
            // The frame may still change the document before it is painted.
            afterPaint(() => {
              const now = performance.now();
              if (before || isThere()) resolve(performance.timeOrigin + now);
              else if (now > end) reject(new Error(`${text} was not painted.`));
              else requestAnimationFrame(look);
            });
          };
          requestAnimationFrame(look);
        }),
    };
    window.addEventListener(
      "pointerdown",
      (event) => (watch.pressedAt = performance.timeOrigin + event.timeStamp),
      true,
    );
    window.benchWatch = watch;
  });
}

/** Milliseconds from the press of the pointer until a text is painted. It must not be there before. */
export async function clickToPaint(page: Page, click: () => Promise<void>, text: string): Promise<number> {
  const painted = page.evaluate((wanted) => window.benchWatch?.painted(wanted) ?? NaN, text);
  const [at] = await Promise.all([painted, click()]);
  return at - (await page.evaluate(() => window.benchWatch?.pressedAt ?? NaN));
}

/** Milliseconds from the start of the page's navigation until a text is painted. */
export async function loadToPaint(page: Page, text: string): Promise<number> {
  return page.evaluate(
    async (wanted) => ((await window.benchWatch?.painted(wanted)) ?? NaN) - performance.timeOrigin,
    text,
  );
}

/** Bytes of JavaScript heap of the page's process in use, after garbage collections. */
export async function heapOf(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  for (let time = 0; time < 3; time++) await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  await session.detach();
  return usedSize;
}
