import { homedir } from "node:os";
import * as vscode from "vscode";
import { permissionModes, type PermissionMode } from "../protocol/permission.ts";

export interface Settings {
  dataFolder: string | undefined;
  executable: string | undefined;
  attachedUrl: string | undefined;
  passEnvironment: string[];
  maxParallelMissions: number;
  keepRunning: boolean;
  /** US dollars for each mission; 0: no alert. */
  spendAlert: number;
  notify: { done: boolean; failed: boolean; waiting: boolean };
  permissions: PermissionMode;
  library?: string;
  containerOpenCode: "inside" | "outside";
  desktop: boolean;
  desktopSize?: string;
  browserTools: boolean;
  recordDesktops: boolean;
  /** Whether a mission's desktop is shown beside it when its agent starts it. */
  desktopOpens: boolean;
}

export function settings(): Settings {
  const values = vscode.workspace.getConfiguration("openAgent");
  const text = (name: string) => {
    const value = values.get<string>(name)?.trim();
    return value === "" ? undefined : value;
  };
  const passEnvironment = values.get<string[]>("agent.passEnvironment") ?? [];
  return {
    dataFolder: text("dataDir"),
    executable: text("opencode.path"),
    attachedUrl: text("opencode.url"),
    passEnvironment,
    maxParallelMissions: values.get<number>("maxParallelMissions") ?? 4,
    permissions: permissionModes.find((mode) => mode === values.get("permissions")) ?? "ask",
    ...(text("library.path") !== undefined && {
      library: (text("library.path") ?? "").replace(/^~(?=$|[/\\])/, homedir()),
    }),
    desktop: values.get<boolean>("desktop.enabled") ?? false,
    browserTools: values.get<boolean>("desktop.browserTools") ?? false,
    ...(text("desktop.resolution") !== undefined && { desktopSize: text("desktop.resolution") ?? "" }),
    recordDesktops: values.get<boolean>("desktop.record") ?? true,
    desktopOpens: values.get<boolean>("desktop.autoOpen") ?? true,
    containerOpenCode: values.get("container.opencode") === "outside" ? "outside" : "inside",
    keepRunning: values.get<boolean>("keepRunning") ?? true,
    spendAlert: values.get<number>("spendAlert") ?? 0,
    notify: {
      done: values.get<boolean>("notify.done") ?? true,
      failed: values.get<boolean>("notify.failed") ?? true,
      waiting: values.get<boolean>("notify.waiting") ?? true,
    },
  };
}

const passwordKey = "opencode.password";

/** The password of the server at `openAgent.opencode.url`. */
export async function attachedPassword(secrets: vscode.SecretStorage): Promise<string | undefined> {
  return secrets.get(passwordKey);
}

export async function askAttachedPassword(secrets: vscode.SecretStorage): Promise<boolean> {
  const password = await vscode.window.showInputBox({
    title: "Password of the OpenCode Server",
    prompt: `OPENCODE_SERVER_PASSWORD of ${settings().attachedUrl ?? "the server"}. It is kept in the editor's secret storage.`,
    password: true,
    ignoreFocusOut: true,
  });
  if (password === undefined) return false;
  await secrets.store(passwordKey, password);
  return true;
}
