// Installs the development packages unless they are there as the lock file has them. Runs on any Node, before anything else.
import { execSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..", "..");
const installed = join(root, "node_modules", ".package-lock.json");
const isCurrent =
  existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs;

if (!isCurrent) {
  console.error("Installing development packages into node_modules (once, about 20 s and 1 GB) …");
  execSync("npm ci --no-audit --no-fund --loglevel=error", { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
}
