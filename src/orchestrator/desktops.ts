import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { OpenAgentError, systemCode } from "../base/errors.ts";
import { Emitter } from "../base/event.ts";
import type { Disposable } from "../base/lifetime.ts";
import { Broker, type Viewer, type ViewerOptions } from "../desktop/broker.ts";
import { screenshotsFolder, seenDisplay, type Display } from "../desktop/display.ts";
import { lookAt } from "../desktop/plainFile.ts";
import { encodePng } from "../desktop/png.ts";
import { RfbClient } from "../desktop/rfb.ts";
import { readDesktopSettings } from "../library/productSettings.ts";
import type { LiveDesktop } from "../protocol/desktop.ts";
import { isRunning, type MissionHead } from "../protocol/mission.ts";
import type { Store } from "../store/store.ts";

/** Where the desktops of agents on this machine lie, below the folder of all. */
const hostPlace = "host";
/** In a container's folder its agent can make as many as it likes. */
const mostInPlace = 32;
/** A folder in which nothing has changed for so long is of no display that is being started. */
const leftMs = 60_000;

/** The folder in which the desktops of a container lie, or of this machine: its path is short, as those of sockets must be. */
export function desktopsFolder(desktops: string, containerId?: string): string {
  return join(desktops, containerId === undefined ? hostPlace : placeOf(containerId));
}

function placeOf(workspaceId: string): string {
  return `w${workspaceId.slice(0, 8)}`;
}

export interface DesktopsOptions {
  /** The folder of all desktops. */
  folder: string;
  store: Pick<Store, "missionOfSession" | "sessionsOf" | "has" | "head">;
  library: () => string;
  /** Holds a folder for each mission with files. */
  missions: string;
}

/** A desktop as it is found on the disk. */
export interface FoundDesktop extends LiveDesktop {
  folder: string;
  socket: string;
  /** It runs in a container. */
  isContained: boolean;
  /** Its agent's session is known, and its mission is not there any more. */
  isOrphan: boolean;
}

/** What a page has of a desktop. */
export interface DesktopView extends Disposable {
  readonly viewer: Viewer;
  /** Lets this view use mouse and keyboard, or gives them back. Throws `desktop_busy` while another has them. */
  control(wanted: boolean): void;
}

/** The desktops that run, as any process of the user can look at them and use them. */
export class Desktops implements Disposable {
  readonly #options: DesktopsOptions;
  readonly #changed = new Emitter<void>();
  readonly #brokers = new Map<string, { broker: Broker; views: number }>();
  /** Tells that desktops have come, gone or changed. */
  readonly onChange = this.#changed.event;

  constructor(options: DesktopsOptions) {
    this.#options = options;
  }

  /** Where the pictures of what a mission's agents did on desktops are kept; they go with the mission. */
  picturesOf(missionId: string): string {
    return join(this.#options.missions, missionId, "desktop");
  }

  /** How long before the end of a desktop the user is told of it, in milliseconds. */
  get warningMs(): number {
    return 1000 * readDesktopSettings(this.#options.library()).warningSeconds;
  }

  /** To be called when something of them has changed. */
  tell(): void {
    this.#changed.fire();
  }

  /** Those that run, oldest first. */
  list(): FoundDesktop[] {
    const grace = 1000 * readDesktopSettings(this.#options.library()).graceSeconds;
    const found = entries(this.#options.folder)
      // This machine's come first: what a container names the same stands behind.
      .sort((one, other) => Number(other === hostPlace) - Number(one === hostPlace))
      .flatMap((place) => this.#inPlace(place, grace));
    const ids = new Set<string>();
    return found.filter(({ id }) => !ids.has(id) && ids.add(id)).sort((one, other) => one.startedAt - other.startedAt);
  }

  /** Those that run, as pages are told of them: without their places on the disk. */
  live(): LiveDesktop[] {
    return this.list().map(({ folder: _, socket: __, isContained: ___, isOrphan: ____, ...desktop }) => desktop);
  }

  /** Those of a mission that run. */
  of(missionId: string): LiveDesktop[] {
    return this.live().filter((desktop) => desktop.missionId === missionId);
  }

  /** @throws OpenAgentError `desktop_not_found` when it does not run (any more) */
  find(id: string): FoundDesktop {
    const found = this.list().find((desktop) => desktop.id === id);
    if (found) return found;
    throw new OpenAgentError("desktop_not_found", "This desktop does not run any more.", { desktopId: id });
  }

  /** Takes away what was left in the places of desktops that are gone, unless one is being started there. */
  sweep(): void {
    for (const place of entries(this.#options.folder))
      for (const folder of this.#foldersIn(place).map((id) => join(this.#options.folder, place, id))) {
        const changedAt = lookAt(folder)?.mtimeMs ?? Infinity;
        if (!seenDisplay(folder) && Date.now() - changedAt > leftMs) removePlace(folder);
      }
  }

  /** Takes away the screenshots of a mission's agents. */
  dropScreenshots(missionId: string): void {
    const sessions = this.#options.store.sessionsOf(missionId);
    for (const place of entries(this.#options.folder).map((name) => join(this.#options.folder, name)))
      for (const session of sessions) rmSync(screenshotsFolder(place, session), { recursive: true, force: true });
  }

  #foldersIn(place: string): string[] {
    const names = entries(join(this.#options.folder, place)).filter((name) => /^[0-9a-f]{8}$/.test(name));
    return names.slice(0, mostInPlace);
  }

  #inPlace(place: string, grace: number): FoundDesktop[] {
    return this.#foldersIn(place).flatMap((id) => {
      const folder = join(this.#options.folder, place, id);
      const seen = seenDisplay(folder);
      return seen ? [this.#describe(id, place, { ...seen, folder }, grace)] : [];
    });
  }

  #describe(
    id: string,
    place: string,
    { display, owner, since, folder }: { display: Display; owner: string | undefined; since: number; folder: string },
    grace: number,
  ): FoundDesktop {
    const { store } = this.#options;
    const missionId = owner === undefined ? undefined : store.missionOfSession(owner);
    const head = missionId !== undefined && store.has(missionId) ? store.head(missionId) : undefined;
    // What a container says of its desktops holds for missions in it only.
    const own = head && (place === hostPlace || placeOf(head.workspaceId ?? "") === place) ? head : undefined;
    const closesAt = own && closing(own, id, since, grace);
    return {
      id,
      display: display.name,
      size: display.size,
      server: display.server,
      startedAt: Math.round(since),
      folder,
      socket: display.socket,
      isContained: place !== hostPlace,
      isOrphan: owner !== undefined && missionId === undefined,
      ...(own && { missionId: own.id }),
      ...(closesAt !== undefined && { closesAt }),
    };
  }

  /** Opens a view of a desktop, which only watches at first. Throws `desktop_not_found`. */
  view(id: string, options: ViewerOptions): DesktopView {
    const { folder, socket } = this.find(id);
    const known = this.#brokers.get(id) ?? { broker: new Broker({ socket }, folder), views: 0 };
    this.#brokers.set(id, known);
    known.views++;
    const { broker } = known;
    const viewer = broker.open(options);
    let isOpen = true;
    return {
      viewer,
      control: (wanted) => {
        if (wanted) broker.giveControl(viewer);
        else if (broker.inControl === viewer) broker.giveControl(undefined);
      },
      dispose: () => {
        viewer.dispose();
        if (!isOpen) return;
        isOpen = false;
        if (--known.views > 0) return;
        broker.dispose();
        if (this.#brokers.get(id) === known) this.#brokers.delete(id);
      },
    };
  }

  /** A connection to a desktop, for who draws it by himself; to be disposed. */
  async connect(id: string): Promise<RfbClient> {
    return RfbClient.to(this.find(id).socket);
  }

  /** What a desktop looks like now, as a PNG. */
  async picture(id: string): Promise<Buffer> {
    const client = await this.connect(id);
    try {
      await client.refresh();
      return await encodePng(client.pixels);
    } finally {
      client.dispose();
    }
  }

  dispose(): void {
    for (const { broker } of this.#brokers.values()) broker.dispose();
    this.#brokers.clear();
    this.#changed.dispose();
  }
}

/** Takes away the folder of a desktop that is gone; not what its container's agent lets nobody take away. */
export function removePlace(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    if (!["EACCES", "EPERM", "ENOTEMPTY"].includes(systemCode(error) ?? "")) throw error;
  }
}

/** When a desktop is closed, if nothing happens until then. */
function closing(head: MissionHead, id: string, since: number, grace: number): number | undefined {
  if (isRunning(head)) return undefined;
  const known = head.desktops?.find((desktop) => desktop.id === id);
  const rest = Math.max(head.turnEndedAt ?? 0, known?.usedAt ?? since);
  return Math.round(Math.max(rest + grace, known?.keptUntil ?? 0));
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error) ?? "")) return [];
    throw error;
  }
}
