import * as vscode from "vscode";
import { OpenAgentError } from "../base/errors.ts";
import type { Workspace } from "../protocol/workspace.ts";
import type { App } from "./app.ts";
import { report } from "./problems.ts";
import { workspaceWith } from "./workspaceNodes.ts";

const scheme = "open-agent-init-script";

/** What a script begins as; it becomes the workspace's only when it is saved. */
const firstWords =
  "# Runs as root inside of the container when it is built, after its packages are installed. It stops at the first command\n" +
  "# that fails.\n";

/** Opens the init script of a workspace in the editor. Saving it changes the workspace. */
export async function editInitScript({ id, name }: Workspace): Promise<void> {
  const uri = vscode.Uri.from({ scheme, path: `/${id}/${name}.init.sh` });
  await vscode.commands.executeCommand("vscode.open", uri, { preview: false });
}

/** The init scripts of workspaces as files. */
export function provideInitScripts(app: App): vscode.Disposable {
  const changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  /** When each was written, in epoch milliseconds: the editor compares it. */
  const written = new Map<string, number>();
  const workspaceAt = async (uri: vscode.Uri): Promise<Workspace> => {
    const id = uri.path.split("/")[1] ?? "";
    const workspace = workspaceWith(await app.core(), id);
    if (workspace) return workspace;
    throw vscode.FileSystemError.FileNotFound(uri);
  };
  const textOf = ({ initScript }: Workspace) =>
    new TextEncoder().encode(initScript === undefined || initScript === "" ? firstWords : initScript);
  const refuse = (uri: vscode.Uri): never => {
    throw vscode.FileSystemError.NoPermissions(uri);
  };
  const provider: vscode.FileSystemProvider = {
    onDidChangeFile: changed.event,
    watch: () => new vscode.Disposable(() => undefined),
    stat: async (uri) => {
      const workspace = await workspaceAt(uri);
      return {
        type: vscode.FileType.File,
        ctime: workspace.createdAt,
        mtime: written.get(workspace.id) ?? workspace.createdAt,
        size: textOf(workspace).length,
        ...(!vscode.workspace.isTrusted && { permissions: vscode.FilePermission.Readonly }),
      };
    },
    readFile: async (uri) => textOf(await workspaceAt(uri)),
    writeFile: async (uri, content) => {
      const { id, name } = await workspaceAt(uri);
      try {
        await app.run("updateWorkspace", { workspaceId: id, initScript: new TextDecoder().decode(content) });
      } catch (error) {
        throw error instanceof OpenAgentError ? vscode.FileSystemError.Unavailable(error.message) : error;
      }
      written.set(id, Date.now());
      changed.fire([{ type: vscode.FileChangeType.Changed, uri }]);
      void offerBuild(id, name).catch(report);
    },
    readDirectory: refuse,
    createDirectory: refuse,
    delete: refuse,
    rename: refuse,
  };
  return vscode.Disposable.from(
    changed,
    vscode.workspace.registerFileSystemProvider(scheme, provider, { isCaseSensitive: true }),
  );
}

async function offerBuild(workspaceId: string, name: string): Promise<void> {
  const build = "Build Now";
  const words = `The init script of ${name} takes effect when it is built.`;
  if ((await vscode.window.showInformationMessage(words, build)) === build)
    await vscode.commands.executeCommand("openAgent.buildWorkspace", { kind: "workspace", directory: "", workspaceId });
}
