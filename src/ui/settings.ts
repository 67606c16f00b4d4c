import * as vscode from "vscode";

export interface Settings {
  dataFolder: string | undefined;
  executable: string | undefined;
  attachedUrl: string | undefined;
}

export function settings(): Settings {
  const values = vscode.workspace.getConfiguration("openAgent");
  const text = (name: string) => {
    const value = values.get<string>(name)?.trim();
    return value === "" ? undefined : value;
  };
  return { dataFolder: text("dataDir"), executable: text("opencode.path"), attachedUrl: text("opencode.url") };
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
