/** The extension as tests and measures run it: built in `dist`, or packed as users get it. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { repository } from "../fake/bed.ts";

/** Set for processes that a run of all tests starts: the extension is built, and this is the path of the packed one. */
const builtVariable = "OPEN_AGENT_TEST_BUILT";

function esbuild(...words: string[]): string {
  const args = [join(repository, "esbuild.mjs"), ...words];
  return execFileSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

/** Builds `dist`. */
export function buildExtension(): void {
  if (process.env[builtVariable] === undefined) esbuild();
}

let packed: string | undefined;

/** Packs the extension for this platform, once a run; gives the path of the .vsix. */
export function packageExtension(): string {
  const target = `${process.platform}-${process.arch}`;
  packed ??= process.env[builtVariable];
  return (packed ??= join(repository, esbuild("--package", "--target", target).trim().split("\n").at(-1) ?? ""));
}

/** Builds and packs it for all processes that this one starts, so that none of them does beside another. */
export function buildForAll(): void {
  const path = packageExtension();
  buildExtension();
  process.env[builtVariable] = path;
}
