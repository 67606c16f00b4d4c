import { describeError } from "../base/errors.ts";

/** For what nobody waits for. */
export function complain(error: unknown): void {
  process.stderr.write(`${describeError(error)}\n`);
}

/**
 * Ends this process when its standard streams end, or it is asked to, but not by what one call did not foresee: that must
 * not end what the others do. Before that, `endAll` ends what was begun. Gives what tells whether it is ending.
 */
export function endWithStreams(endAll?: () => Promise<void> | void): () => boolean {
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    void Promise.resolve(endAll?.()).finally(() => process.exit(0));
  };
  process.stdin.once("end", end).once("close", end).once("error", end);
  process.stdout.once("error", end);
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, end);
  process.on("uncaughtException", complain).on("unhandledRejection", complain);
  return () => ending;
}
