/**
 * Measures against others, as ratios of one run:
 *   node test/bench/run.ts [a] [b] [c] [d] [e] [f] [g] [h] [i] [j]   all by default
 */
import { measureActivation } from "./activation.ts";
import { measureAppend } from "./append.ts";
import { measureBackends } from "./backends.ts";
import { measureDeltas } from "./deltas.ts";
import { measureDesktop } from "./desktop.ts";
import { measureLibrary } from "./library.ts";
import { measureMissionStart } from "./missionStart.ts";
import { measureOpening } from "./opening.ts";
import { measureParallel } from "./parallel.ts";
import { print, type Report } from "./report.ts";
import { measureScale } from "./scale.ts";

const measures: Readonly<Record<string, () => Promise<Report>>> = {
  a: measureActivation,
  b: measureAppend,
  c: measureDeltas,
  d: measureOpening,
  e: measureScale,
  f: measureParallel,
  g: measureBackends,
  h: measureMissionStart,
  i: measureLibrary,
  j: measureDesktop,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(measures, name));
if (unknown.length > 0)
  throw new Error(`There is no measure ${unknown.join(", ")}: ${Object.keys(measures).join(" ")}`);
const reports: Report[] = [];
for (const [name, measure] of Object.entries(measures)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.error(`Measuring ${name} …`);
  reports.push(await measure());
}
print(reports);
