import { filterWords } from "./missionFilter.ts";
import { pickFilter } from "./filterPick.ts";
import type { Handler, missionOf, Parts } from "../commands.ts";
import { exportMission, importMissions } from "./exchange.ts";
import { searchMissions } from "./searchPick.ts";

/** Missions whose folders and agents the filter offers. */
const offeredMissions = 1_000;

/** The commands that find, narrow, keep, export and import missions, by the part of their id after `openAgent.`. */
export function historyCommands(findMission: typeof missionOf): Record<string, Handler> {
  const pin = async (parts: Parts, argument: unknown, pinned: boolean) => {
    const missionId = await findMission(
      parts,
      argument,
      pinned ? "Pin which mission?" : "Unpin which mission?",
      (head) => head.pinned !== pinned && head.archivedAt === undefined,
    );
    if (missionId !== undefined) await parts.app.run("pinMission", { missionId, pinned });
  };
  const filter: Handler = async ({ app, missions }) => {
    const { store } = await app.core();
    const next = await pickFilter(missions.filter, store.list({ limit: offeredMissions }));
    if (next) await missions.narrow(next);
  };
  return {
    searchMissions: ({ app, panels }) => searchMissions(app, panels),
    searchInMission: async (parts, argument) => {
      const missionId = await findMission(parts, argument, "Search in which mission?");
      if (missionId !== undefined) await searchMissions(parts.app, parts.panels, missionId);
    },
    filterMissions: filter,
    changeMissionFilter: filter,
    clearMissionFilter: async ({ missions }) => {
      if (filterWords(missions.filter) !== "") await missions.narrow({});
    },
    exportMission: async (parts, argument) => {
      const missionId = await findMission(parts, argument, "Export which mission?");
      if (missionId !== undefined) await exportMission(parts.app, missionId);
    },
    importMissions: ({ app }) => importMissions(app),
    pinMission: (parts, argument) => pin(parts, argument, true),
    unpinMission: (parts, argument) => pin(parts, argument, false),
  };
}
