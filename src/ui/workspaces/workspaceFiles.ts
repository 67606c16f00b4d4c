import * as vscode from "vscode";
import { describeError, OpenAgentError } from "../../base/errors.ts";
import { partKinds } from "../../protocol/configuration.ts";
import type { CommandInput } from "../../orchestrator/commands.ts";
import { isContainer, type Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { report } from "../library/problems.ts";
import { fixedFiles, refuse } from "./fixedFiles.ts";
import { nodeOf, workspaceWith } from "./workspaceNodes.ts";

const scheme = "open-agent-workspace";

/** What a script begins as; it becomes the workspace's only when it is saved. */
const firstWords =
  "# Runs as root inside of the container when it is built, after its packages are installed. It stops at the first command\n" +
  "# that fails.\n";

/** What of a workspace its settings are, besides what its missions are given of the Library. */
const settingNames = ["packages", "network", "limits", "environment"] as const;
type Editable = Pick<Workspace, (typeof settingNames)[number] | "selection">;

/** A part of a workspace that is edited as a file. */
interface Part {
  /** How the file's name ends. `media/schemas/workspace.json` is for one of them. */
  suffix: string;
  read(workspace: Workspace): string;
  /** What the text changes of the workspace. Throws `invalid_input` where it does not parse. */
  change(text: string): Partial<Workspace>;
  /** Whether the change between two states takes a build. */
  needsBuild(before: Workspace, after: Workspace): boolean;
}

const parts = {
  script: {
    suffix: ".init.sh",
    read: ({ initScript }) => (initScript === undefined || initScript === "" ? firstWords : initScript),
    change: (initScript) => ({ initScript }),
    needsBuild: () => true,
  },
  settings: {
    suffix: ".workspace.json",
    read: ({ kind, packages, network, limits, environment, selection }) => {
      const container = { packages, network, limits };
      return `${JSON.stringify({ ...(isContainer(kind) && container), environment, ...selection }, null, 2)}\n`;
    },
    change: parseSettings,
    needsBuild: (before, after) => String(before.packages) !== String(after.packages),
  },
} satisfies Record<string, Part>;

/** Opens the init script of a workspace in the editor. Saving it changes the workspace. */
export function editInitScript(workspace: Workspace): Promise<void> {
  return edit(workspace, parts.script);
}

/** Opens the settings of a workspace in the editor, as JSON. Saving them changes the workspace. */
export function editWorkspace(workspace: Workspace): Promise<void> {
  return edit(workspace, parts.settings);
}

async function edit({ id, name }: Workspace, { suffix }: Part): Promise<void> {
  const uri = vscode.Uri.from({ scheme, path: `/${id}/${name}${suffix}` });
  await vscode.commands.executeCommand("vscode.open", uri, { preview: false });
}

function parseSettings(text: string): Partial<Editable> {
  let settings: unknown;
  try {
    settings = JSON.parse(text);
  } catch (error) {
    throw new OpenAgentError("invalid_input", `The settings are no JSON: ${describeError(error)}`);
  }
  const given = Object.entries(Object(settings) as object);
  const isPart = (name: string) => partKinds.some((kind) => kind === name);
  const unknown = given.find(([name]) => !isPart(name) && !settingNames.some((known) => known === name));
  if (unknown) throw new OpenAgentError("invalid_input", `A workspace has no setting “${unknown[0]}”, or not here.`);
  const [chosen, others] = [true, false].map((part) => given.filter(([name]) => isPart(name) === part));
  return { ...(Object.fromEntries(others ?? []) as Partial<Editable>), selection: Object.fromEntries(chosen ?? []) };
}

/** The parts of workspaces as files. */
export function provideWorkspaceFiles(app: App): vscode.Disposable {
  const changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  /** When each was written, in epoch milliseconds: the editor compares it. */
  const written = new Map<string, number>();
  const partAt = ({ path }: vscode.Uri): Part =>
    Object.values(parts).find(({ suffix }) => path.endsWith(suffix)) ?? parts.settings;
  const workspaceAt = async (uri: vscode.Uri): Promise<Workspace> => {
    const workspace = workspaceWith(await app.core(), uri.path.split("/")[1] ?? "");
    if (workspace) return workspace;
    throw vscode.FileSystemError.FileNotFound(uri);
  };
  const read = async (uri: vscode.Uri) => new TextEncoder().encode(partAt(uri).read(await workspaceAt(uri)));
  const provider: vscode.FileSystemProvider = {
    ...fixedFiles,
    onDidChangeFile: changed.event,
    stat: async (uri) => {
      const { createdAt } = await workspaceAt(uri);
      return {
        type: vscode.FileType.File,
        ctime: createdAt,
        mtime: written.get(uri.path) ?? createdAt,
        size: (await read(uri)).length,
        ...(!vscode.workspace.isTrusted && { permissions: vscode.FilePermission.Readonly }),
      };
    },
    readFile: read,
    writeFile: async (uri, content) => {
      const before = await workspaceAt(uri);
      const part = partAt(uri);
      try {
        const change = part.change(new TextDecoder().decode(content));
        const after = await app.run("updateWorkspace", { ...change, workspaceId: before.id } as UpdateInput);
        if (part.needsBuild(before, after)) void offerBuild(after).catch(report);
      } catch (error) {
        throw error instanceof OpenAgentError ? vscode.FileSystemError.Unavailable(error.message) : error;
      }
      written.set(uri.path, Date.now());
      changed.fire([{ type: vscode.FileChangeType.Changed, uri }]);
    },
    readDirectory: refuse,
  };
  return vscode.Disposable.from(
    changed,
    vscode.workspace.registerFileSystemProvider(scheme, provider, { isCaseSensitive: true }),
  );
}

/** The command checks what it is given. */
type UpdateInput = CommandInput<"updateWorkspace">;

async function offerBuild({ id, name }: Workspace): Promise<void> {
  const build = "Build Now";
  const words = `The change of ${name} takes effect when it is built.`;
  if ((await vscode.window.showInformationMessage(words, build)) === build)
    await vscode.commands.executeCommand("openAgent.buildWorkspace", nodeOf(id));
}
