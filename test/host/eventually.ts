import assert from "node:assert/strict";
import { sleep } from "../../src/base/async.ts";

/** Looks again until what is found fits, less often the longer it takes; fails with what was found last. */
export async function eventually<T>(look: () => Promise<T> | T, fits: (found: T) => boolean, ms = 45_000): Promise<T> {
  const end = Date.now() + ms;
  for (let pause = 30; ; pause = Math.min(pause * 1.2, 150)) {
    const found = await look();
    if (fits(found)) return found;
    if (Date.now() > end) assert.fail(`In the end there was ${JSON.stringify(found, undefined, 1)}`);
    await sleep(pause);
  }
}
