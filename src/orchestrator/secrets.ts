import { z } from "zod";
import { OpenAgentError } from "../base/errors.ts";
import { readTextIfPresent, writePrivateFile } from "../base/files.ts";
import type { Translator } from "../opencode/engine.ts";
import { translatorV1 } from "../opencode/engineV1.ts";
import type { Hidden } from "../opencode/hiding.ts";
import type { MissionHead } from "../protocol/mission.ts";
import type { Workspace } from "../protocol/workspace.ts";

/** Keeps the user's secrets on this machine: the editor's secret storage, or a file that only he can read. */
export interface SecretStore {
  get(key: string): Promise<string | undefined>;
  /** Undefined deletes. */
  set(key: string, value: string | undefined): Promise<void>;
}

/** Secrets in a JSON file of mode 0600, for processes without an editor. One that does not parse is left alone. */
export function fileSecrets(path: string): SecretStore {
  const read = (): Record<string, string> => {
    const text = readTextIfPresent(path);
    if (text === undefined) return {};
    try {
      return z.record(z.string(), z.string()).parse(JSON.parse(text));
    } catch {
      // What it holds must not get into a message.
      throw new OpenAgentError(
        "invalid_input",
        `${path} does not parse. Repair it, or delete it and set the secrets again.`,
        { path },
      );
    }
  };
  return {
    get: (key) => Promise.resolve().then(() => read()[key]),
    set: (key, value) =>
      Promise.resolve().then(() => {
        const { [key]: _, ...others } = read();
        writePrivateFile(path, JSON.stringify(value === undefined ? others : { ...others, [key]: value }, null, 2));
      }),
  };
}

/** Shorter values stand in too many innocent words to be taken out of them. */
const shortestHidden = 5;

/** The secrets of workspaces: their names are on the workspace's record, their values in the store alone. */
export class WorkspaceSecrets {
  readonly #store: SecretStore;
  /** By the workspace's id, the values that are known to this process: name and value. */
  readonly #known = new Map<string, Readonly<Record<string, string>>>();

  constructor(store: SecretStore) {
    this.#store = store;
  }

  /** The environment variables of a workspace that are secret. Throws `workspace_not_ready` when one cannot be had. */
  async environment({ id, name: of, secrets }: Workspace): Promise<Readonly<Record<string, string>>> {
    const found: Record<string, string> = {};
    for (const name of secrets) {
      const value = await this.#store.get(keyOf(id, name));
      if (value === undefined)
        throw new OpenAgentError(
          "workspace_not_ready",
          `The secret ${name} of ${of} is not known here: it may have been set in another editor, or without one. Set it again.`,
          { workspaceId: id },
        );
      found[name] = value;
    }
    this.#known.set(id, found);
    return found;
  }

  async set(id: string, name: string, value: string | undefined): Promise<void> {
    await this.#store.set(keyOf(id, name), value);
    const { [name]: _, ...others } = this.#known.get(id) ?? {};
    this.#known.set(id, value === undefined ? others : { ...others, [name]: value });
  }

  /** What reads OpenCode's events of a mission, without the secrets of its workspace. */
  translator({ directory, workspaceId = "" }: MissionHead): Translator {
    return translatorV1(directory, () => this.hidden(workspaceId));
  }

  /** The values of a workspace that must not be seen, as far as they are known to this process. */
  hidden(workspaceId: string): Hidden[] {
    return Object.entries(this.#known.get(workspaceId) ?? {})
      .filter(([, secret]) => secret.length >= shortestHidden)
      .map(([name, text]) => ({ text, shownAs: `[secret ${name}]` }));
  }
}

function keyOf(workspaceId: string, name: string): string {
  return `workspace/${workspaceId}/${name}`;
}
