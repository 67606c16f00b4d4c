/** How missions leave and come back: the file of an export, and what an import tells of itself. */
import type { EventBody } from "./event.ts";
import type { MissionHead } from "./mission.ts";

export const exportFormat = "open-agent-mission";
/** Grows when an older version could no longer read the file. */
export const exportVersion = 1;

/** One mission with all that is stored of it. The head is for readers; an import makes it anew from the events. */
export interface MissionExport {
  format: typeof exportFormat;
  version: number;
  /** ISO 8601. */
  exportedAt: string;
  head: MissionHead;
  events: { seq: number; time: number; body: EventBody }[];
}

/** What came in from a file, and what did not. */
export interface ImportReport {
  /** The file. */
  path: string;
  imported: { id: string; title: string; events: number }[];
  /** With the reason in the user's words. */
  skipped: { id: string; title: string; reason: string }[];
  /** Files with the texts of events that were not where they should be; the events came in without them. */
  missingFiles: string[];
  /**
   * Tables that this version has no place for. `kept`: their rows stand as they were among the events of the missions
   * that they belong to.
   */
  otherTables: { name: string; rows: number; kept: boolean }[];
}
