// Runs one mission without an editor: npm run mission -- "prompt" [--dir D] [--json] …
import { spawn } from "node:child_process";
import { join } from "node:path";
import { repository } from "../fake/bed.ts";
import { buildExtension } from "./built.ts";
import { prepareSample, scriptedNotice } from "./demo.ts";

const words = process.argv.slice(2);
buildExtension();
const where: string[] = [];
if (!words.includes("--dir")) {
  const sample = await prepareSample();
  if (sample.scripted !== undefined) console.error(scriptedNotice);
  console.error(`Working in ${sample.folder}; --dir names another folder.\n`);
  where.push("--dir", sample.folder);
}
const mission = spawn(process.execPath, [join(repository, "dist", "headless.cjs"), "run", ...words, ...where], {
  stdio: "inherit",
});
// The mission itself hears Ctrl+C and stops its turn.
process.on("SIGINT", () => undefined);
mission.once("exit", (code) => process.exit(code ?? 1));
