import { existsSync } from "node:fs";
import { join } from "node:path";
import { OpenAgentError } from "../base/errors.ts";

/**
 * better-sqlite3's binary for this machine, in a folder that holds those of a package. A package for one platform
 * holds only its own.
 *
 * @throws OpenAgentError `runtime_too_old` when there is none
 */
export function nativeBindingIn(folder: string): string {
  const name = `${process.platform}${isMusl() ? "musl" : ""}-${process.arch}.node`;
  const path = join(folder, name);
  if (existsSync(path)) return path;
  const platform = name.replace(".node", "");
  throw new OpenAgentError("runtime_too_old", `This build of Open Agent holds no SQLite for ${platform}.`, {
    platform,
  });
}

/** On Linux, Node.js names the version of glibc in its report; on musl there is none. */
function isMusl(): boolean {
  if (process.platform !== "linux") return false;
  const { header } = process.report.getReport() as { header?: object };
  return header !== undefined && !("glibcVersionRuntime" in header);
}
