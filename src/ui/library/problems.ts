import * as vscode from "vscode";
import { describeError, OpenAgentError } from "../../base/errors.ts";

interface Way {
  label: string;
  command: string;
  arguments?: unknown[];
}

const showLog: Way = { label: "Show Log", command: "openAgent.showLog" };
const choose: Way = { label: "Choose Executable…", command: "openAgent.chooseExecutable" };
const install: Way = { label: "How to Install", command: "openAgent.howToInstall" };
const restart: Way = { label: "Restart OpenCode", command: "openAgent.restartOpenCode" };
const connect: Way = { label: "Connect Provider…", command: "openAgent.connectProvider" };

const sync: Way = { label: "Sync Library", command: "openAgent.syncLibrary" };
const commit: Way = { label: "Commit Library…", command: "openAgent.commitLibrary" };
const setUp: Way = { label: "Set Up Library…", command: "openAgent.setUpLibrary" };
const changeRemote: Way = { label: "Change Remote…", command: "openAgent.changeLibraryRemote" };
const switchBranch: Way = { label: "Switch Branch…", command: "openAgent.switchLibraryBranch" };
const showChanges: Way = { label: "Show Changes", command: "openAgent.showLibraryChanges" };

const waysOutOfGit: Readonly<Record<string, Way[]>> = {
  not_a_repository: [setUp],
  remote_ahead: [sync],
  in_progress: [sync],
  conflict: [sync],
  no_commits: [commit],
  local_changes: [commit, showChanges],
  no_remote: [changeRemote],
  remote_missing: [changeRemote],
  protected_branch: [switchBranch],
  detached: [switchBranch],
};

/** The ways out of a problem, by its code. The message itself already names the thing. */
function waysOut(error: OpenAgentError): Way[] {
  switch (error.code) {
    case "opencode_missing":
      return [install, choose];
    case "opencode_not_executable":
      return [choose, install];
    case "opencode_unsupported":
      return [choose, install];
    case "opencode_start_failed":
    case "opencode_unreachable":
      return [restart, { ...showLog, command: "openAgent.showOpenCodeLog" }];
    case "opencode_unauthorized":
      return [{ label: "Enter Password…", command: "openAgent.enterPassword" }];
    case "opencode_not_a_server":
      return [{ label: "Open Settings", command: "workbench.action.openSettings", arguments: ["openAgent.opencode"] }];
    case "opencode_config_invalid":
      return error.detail["path"]
        ? [{ label: "Open File", command: "vscode.open", arguments: [vscode.Uri.file(error.detail["path"])] }, restart]
        : [restart];
    case "no_provider":
      return [connect];
    case "library_locked":
      return [{ label: "Set Key…", command: "openAgent.setLibraryKey" }];
    case "untrusted":
      return [{ label: "Manage Trust", command: "workbench.trust.manage" }];
    case "store_unreadable":
    case "store_full":
    case "store_failed":
      return [{ label: "Reveal Data Folder", command: "openAgent.revealDataFolder" }, showLog];
    case "store_newer":
      return [{ label: "Check for Updates", command: "workbench.extensions.action.checkForUpdates" }];
    case "runtime_too_old":
    case "opencode_request_failed":
    case "folder_missing":
    case "unknown_agent":
    case "unknown_model":
    case "no_leader":
    case "internal":
      return [showLog];
    case "workspace_build_failed": {
      const { workspaceId } = error.detail;
      return workspaceId === undefined
        ? [showLog]
        : [{ label: "Show Build Log", command: "openAgent.showBuildLog", arguments: [{ workspaceId }] }];
    }
    case "workspace_not_found":
    case "mission_not_found":
    case "mission_busy":
    case "request_gone":
    case "files_changed":
    case "workspace_not_cleanable":
    case "invalid_input":
    case "unknown_command":
    case "attachment_unusable":
    case "import_unusable":
    case "workspace_unavailable":
    case "workspace_not_ready":
    case "workspace_busy":
    case "worktree_failed":
    case "item_not_found":
    case "item_exists":
    case "item_unreadable":
    case "desktop_unavailable":
    case "desktop_failed":
    case "desktop_busy":
    case "desktop_not_found":
      return [];
    case "git_failed":
      return waysOutOfGit[error.detail["problem"] ?? ""] ?? [];
  }
}

/** Tells the user of a problem, with its ways out as buttons. */
export async function report(error: unknown): Promise<void> {
  if (error instanceof vscode.CancellationError) return;
  const known = error instanceof OpenAgentError ? error : new OpenAgentError("internal", describeError(error));
  const ways = waysOut(known);
  const chosen = await vscode.window.showErrorMessage(known.message, ...ways.map((way) => way.label));
  const way = ways.find(({ label }) => label === chosen);
  if (way) await vscode.commands.executeCommand(way.command, ...(way.arguments ?? []));
}
