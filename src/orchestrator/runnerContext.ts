import type { Logger } from "../base/log.ts";
import type { Engine, Translator } from "../opencode/engine.ts";
import type { MissionHead, PermissionRequest } from "../protocol/mission.ts";
import type { AllowedBy } from "../protocol/permission.ts";
import type { Appended, Store } from "../store/store.ts";
import type { Chosen } from "./models.ts";
import type { DeskContext } from "./requestDesk.ts";

/** What a runner needs of the leader. */
export interface RunnerContext {
  readonly store: Store;
  readonly log: Logger;
  /** What reads OpenCode's events of a mission, without the secrets of its workspace. */
  translator(head: MissionHead): Translator;
  /** Tells the others what was stored. */
  publish(stored: Appended, before: MissionHead): void;
  /** The engine of a server, as a mission's head names it, started if need be. */
  ensureEngine(server: string): Promise<Engine>;
  /** The same engine if its stream is open. */
  connectedEngine(server: string): Engine | undefined;
  /** Whether the mission may begin a turn now, as only so many may run at once. If not, it is woken when it may. */
  admit(missionId: string): boolean;
  /** The mission runs no turn any more. */
  release(missionId: string): void;
  /** Agent and model of a message, also where the user chose none. Throws `no_provider` when there is no model. */
  choose(engine: Engine, head: MissionHead, message: Chosen): Promise<Chosen>;
  /** What allows a request so that the user need not be asked. */
  allowedBy(request: PermissionRequest, head: MissionHead): AllowedBy | undefined;
  addRules: DeskContext["addRules"];
  rulesChanged: DeskContext["rulesChanged"];
  /** Events could not be stored. The leader tries again and then asks for a resync. */
  onStoreFault(error: unknown): void;
}
