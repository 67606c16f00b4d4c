import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemCode } from "../../src/base/errors.ts";

export interface SmallDisk {
  folder: string;
  /** Fills what is left. */
  fill(): void;
  /** Makes room again. */
  free(): void;
  unmount(): void;
}

/** A file system of so many kilobytes, or undefined where this user may not mount one. */
export function mountSmallDisk(kilobytes: number): SmallDisk | undefined {
  const folder = mkdtempSync(join(tmpdir(), "disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${String(kilobytes)}k`, "tmpfs", folder], { stdio: "ignore" });
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
  const ballast = join(folder, "ballast");
  return {
    folder,
    fill: () => {
      for (let size = kilobytes * 1024; size >= 512; size = Math.floor(size / 2)) {
        try {
          writeFileSync(ballast, Buffer.alloc(size), { flag: "a" });
        } catch (error) {
          // Too much for what is left: half of it is tried next.
          if (systemCode(error) !== "ENOSPC") throw error;
        }
      }
    },
    free: () => rmSync(ballast, { force: true }),
    unmount: () => {
      execFileSync("umount", ["-l", folder]);
      rmSync(folder, { recursive: true });
    },
  };
}
