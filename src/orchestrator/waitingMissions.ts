import type { MissionHead } from "../protocol/mission.ts";
import type { Store } from "../store/store.ts";

/** The missions that wait for others to end, in the order in which they will run. */
export function waitingMissions(store: Store): MissionHead[] {
  return store
    .listPending()
    .filter((head) => head.waitingSince !== undefined)
    .sort((one, other) => (one.waitingSince ?? 0) - (other.waitingSince ?? 0));
}

/** A mission's place among them, from 1 on; undefined when it does not wait. */
export function placeInLine(store: Store, missionId: string): number | undefined {
  const index = waitingMissions(store).findIndex((head) => head.id === missionId);
  return index < 0 ? undefined : index + 1;
}
