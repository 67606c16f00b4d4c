/** The extension as tests and measures run it: built in `dist`, or packed as users get it. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { repository } from "../fake/bed.ts";

/** Set for processes that a run of tests starts: the extension is built, and this is the path of the packed one, if any. */
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
  const given = process.env[builtVariable];
  if (given !== undefined && given !== "") return given;
  const target = `${process.platform}-${process.arch}`;
  return (packed ??= join(repository, esbuild("--package", "--target", target).trim().split("\n").at(-1) ?? ""));
}

/** Builds it, and packs it if need be, for all processes that this one starts, so that none of them does beside another. */
export function buildForAll(options: { packed: boolean }): void {
  const path = options.packed ? packageExtension() : "";
  buildExtension();
  process.env[builtVariable] = path;
}
