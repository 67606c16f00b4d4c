import { stripVTControlCharacters } from "node:util";
import type Mocha from "mocha";

/** A test that failed or was tried again, and why in one line. */
export interface Trouble {
  title: string;
  error: string;
}

/** How tests went. */
export interface Outcome {
  passed: number;
  failed: number;
  pending: number;
  failures: Trouble[];
  retried: Trouble[];
}

export interface Listeners {
  onRetry: (trouble: Trouble) => void;
  onFailure?: (test: Mocha.Runnable) => void;
}

/** Runs what a Mocha has loaded. */
export function runMocha(mocha: Mocha, listeners: Listeners): Promise<Outcome> {
  return new Promise((resolve) => {
    const failures: Trouble[] = [];
    const retried: Trouble[] = [];
    const runner = mocha.run(() => {
      const { passes: passed = 0, pending = 0 } = runner.stats ?? {};
      resolve({ passed, failed: failures.length, pending, failures, retried });
    });
    runner.on("retry", (test: Mocha.Test, error: unknown) => {
      const trouble = { title: test.fullTitle(), error: inOneLine(error) };
      retried.push(trouble);
      listeners.onRetry(trouble);
    });
    runner.on("fail", (test: Mocha.Runnable, error: unknown) => {
      failures.push({ title: test.fullTitle(), error: inOneLine(error) });
      listeners.onFailure?.(test);
    });
  });
}

/** The beginning of a message; what a browser waited for stands behind the first line of its error. */
function inOneLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return stripVTControlCharacters(message).replace(/\s+/g, " ").slice(0, 300);
}
