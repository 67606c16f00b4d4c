/** (h) What it takes until a mission answers in a ready container, against the host: the first one, and those after it. */
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import { isRunning } from "../../src/protocol/mission.ts";
import { makeBed, script, texts } from "../fake/bed.ts";
import { installationFolder } from "../host/setup.ts";
import { limited, median, type Report } from "./report.ts";

const beds = 3;
const later = 6;

export async function measureMissionStart(): Promise<Report> {
  const times = {
    host: { first: [] as number[], later: [] as number[] },
    bwrap: { first: [] as number[], later: [] as number[] },
  };
  for (let round = 0; round < beds; round++) {
    const bed = await makeBed({ templates: join(installationFolder(), "templates") });
    const core = bed.core();
    try {
      const wish = { name: "box", kind: "bwrap" as const, directory: bed.project, packages: ["git"] };
      const { id: workspaceId } = await core.run("createWorkspace", wish);
      await core.run("execInWorkspace", { workspaceId, argv: ["true"] });
      const places = { host: { directory: bed.project }, bwrap: { workspaceId } };
      for (let mission = 0; mission <= later; mission++)
        for (const place of ["host", "bwrap"] as const)
          times[place][mission === 0 ? "first" : "later"].push(await answerOf(core, places[place]));
      await core.run("deleteWorkspace", { workspaceId });
    } finally {
      await bed.close();
    }
  }
  return {
    rows: (["first", "later"] as const).map((which) =>
      limited(
        `a mission's ${which} answer in a ready container`,
        median(times.bwrap[which]),
        median(times.host[which]),
        "ms",
        1.3,
      ),
    ),
    method: [
      `h: from createMission until the model's words are stored, host and bwrap in turn, ${String(beds)} data folders: the first ` +
        `mission of each, with the start of its OpenCode server, and ${String(later)} more.`,
    ],
  };
}

async function answerOf(core: Core, place: { directory: string } | { workspaceId: string }): Promise<number> {
  const began = performance.now();
  const { id } = await core.run("createMission", { text: script({ text: "An answer." }), ...place });
  await waitUntil(() => texts(core, id).includes("An answer."), 120_000, 5);
  const took = performance.now() - began;
  await waitUntil(() => !isRunning(core.store.head(id)), 30_000);
  return took;
}
