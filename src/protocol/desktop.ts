/** The graphical desktops of a mission's agents: what the mission's events tell of them, and when one is shown. Total. */
import type { ToolResult } from "./event.ts";
import type { MissionHead } from "./mission.ts";

/** What a tool call had to do with a desktop. Made where the tools are known. */
export interface DesktopUse {
  action: "started" | "used" | "stopped";
  /** Of a start: names the desktop from then on. */
  id?: string;
  /** As programs have it in DISPLAY; undefined where the call names none, since there is only one. */
  display?: string;
}

/** A desktop of a mission, as the mission's events tell of it. Whether it runs, only a look at it tells. */
export interface MissionDesktop {
  id: string;
  display: string;
  /** Epoch milliseconds, as are all below. */
  startedAt: number;
  /** When the agent last did something with it. */
  usedAt: number;
  endedAt?: number;
  /** It is kept until then, though nobody uses it. */
  keptUntil?: number;
}

/** A desktop that runs, and the mission that it is of; undefined where that is not known, or gone. */
export interface LiveDesktop {
  id: string;
  display: string;
  /** As it was started, such as `1280x720`. */
  size: string;
  missionId?: string;
  startedAt: number;
  /** When it is closed, since its mission rests; undefined while that is at work. */
  closesAt?: number;
  /** `Xvfb` cannot change its size. */
  server: "Xtigervnc" | "Xvfb";
}

/** A desktop of the mission is not there any more, without its agent having said so. */
export interface DesktopEnded {
  type: "desktop_ended";
  desktopId: string;
}

/** The user keeps a desktop of the mission until then. */
export interface DesktopKept {
  type: "desktop_kept";
  desktopId: string;
  /** Epoch milliseconds. */
  until: number;
}

/** What a desktop looked like when a tool call had been done. */
export interface DesktopPicture {
  type: "desktop_picture";
  sessionId: string;
  messageId: string;
  /** Of the call. */
  partId: string;
  desktopId: string;
  /** Absolute path of a PNG in the mission's own folder. */
  path: string;
}

/** Ended ones that are remembered. */
const mostEnded = 20;

/** The desktops after a call. A start that is told again is no news. */
function afterUse(
  desktops: readonly MissionDesktop[],
  { action, id, display }: DesktopUse,
  time: number,
): readonly MissionDesktop[] {
  if (action === "started") {
    if (id === undefined || display === undefined || desktops.some((known) => known.id === id)) return desktops;
    const ended = desktops.filter(({ endedAt }) => endedAt !== undefined);
    const forgotten = new Set(ended.slice(0, Math.max(0, ended.length - mostEnded)));
    return [...desktops.filter((known) => !forgotten.has(known)), { id, display, startedAt: time, usedAt: time }];
  }
  const meant = desktops.findLast(
    (known) => known.endedAt === undefined && (display === undefined || known.display === display),
  );
  if (!meant) return desktops;
  return changed(desktops, meant.id, action === "stopped" ? { endedAt: time } : { usedAt: time });
}

/** What the end of a tool call changes in the head of its mission. */
export function toolEnded(
  { desktops = [], runningTools }: MissionHead,
  { partId, card }: ToolResult,
  time: number,
): Partial<MissionHead> | undefined {
  const used = card.desktop ? afterUse(desktops, card.desktop, time) : desktops;
  const isRunning = runningTools.includes(partId);
  if (!isRunning && used === desktops) return undefined;
  return {
    ...(isRunning && { runningTools: runningTools.filter((other) => other !== partId) }),
    ...(used !== desktops && { desktops: used }),
  };
}

export function desktopChange(
  { desktops = [] }: MissionHead,
  event: DesktopEnded | DesktopKept,
  time: number,
): Pick<MissionHead, "desktops"> {
  const change = event.type === "desktop_ended" ? { endedAt: time } : { keptUntil: event.until };
  return { desktops: changed(desktops, event.desktopId, change) };
}

function changed(
  desktops: readonly MissionDesktop[],
  id: string,
  change: Partial<MissionDesktop>,
): readonly MissionDesktop[] {
  return desktops.map((known) => (known.id === id ? { ...known, ...change } : known));
}

/** What the user wants of the place where a mission's desktop is shown. */
export interface DesktopWish {
  /** Opened by hand: it stays as long as it runs. */
  opened?: string;
  /** Closed by hand: what was started until then (epoch milliseconds) does not open by itself. */
  closedAt?: number;
}

/**
 * The desktop that is shown beside a mission: the one that the user opened; else the one that is `inHand`, for no longer
 * than that; else, where desktops open by themselves and the mission is at work, the newest that its agent has started or
 * used in this turn, unless the user has closed it.
 */
export function shownDesktop(
  mission: { desktops: readonly MissionDesktop[]; isRunning: boolean; turnStartedAt: number | undefined },
  running: ReadonlySet<string>,
  wish: DesktopWish,
  opensByItself: boolean,
  inHand?: string,
): string | undefined {
  for (const id of [wish.opened, inHand]) if (id !== undefined && running.has(id)) return id;
  if (!opensByItself || !mission.isRunning) return undefined;
  const since = mission.turnStartedAt ?? 0;
  const newest = mission.desktops.findLast(
    ({ id, endedAt, usedAt }) => endedAt === undefined && usedAt >= since && running.has(id),
  );
  return newest === undefined || newest.startedAt <= (wish.closedAt ?? -1) ? undefined : newest.id;
}

/** How a page is to draw a desktop. */
export interface DesktopQuality {
  /** Milliseconds from one picture to the next, at least. */
  gapMs: number;
  /** JPEG quality as RFB counts it, from 0 to 9. */
  quality: number;
}

/** What can be chosen, from the smoothest to the cheapest. */
export const desktopQualities: readonly (DesktopQuality & { name: string })[] = [
  { name: "Best", gapMs: 0, quality: 9 },
  { name: "Good", gapMs: 33, quality: 6 },
  { name: "Light", gapMs: 200, quality: 3 },
  { name: "Frugal", gapMs: 1000, quality: 1 },
];
