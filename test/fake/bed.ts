import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import { describeError, OpenAgentError } from "../../src/base/errors.ts";
import type { Logger } from "../../src/base/log.ts";
import { endProcessGroup, isAlive } from "../../src/base/processes.ts";
import { Core } from "../../src/orchestrator/core.ts";
import type { CoreSettings } from "../../src/orchestrator/coreSettings.ts";
import { dataPaths, type DataPaths } from "../../src/orchestrator/dataFolder.ts";
import { fileSecrets } from "../../src/orchestrator/secrets.ts";
import { isRunning, type MissionHead } from "../../src/protocol/mission.ts";
import type { Transcript } from "../../src/protocol/transcript.ts";
import { demoConfig, startModel, type Model } from "./model.ts";

export const repository = join(import.meta.dirname, "../..");
export const opencodeBinary = join(
  repository,
  "node_modules",
  `opencode-${process.platform}-${process.arch}`,
  "bin",
  "opencode",
);

/** The platform's binary in the npm package, as VS Code carries one. */
export const ripgrepFolder = join(
  repository,
  "node_modules",
  "@vscode",
  `ripgrep-${process.platform}-${process.arch}`,
  "bin",
);

export interface BedOptions {
  /** Added to the user's OpenCode configuration, which names the scripted model. */
  config?: object;
  /** Added to the environment of OpenCode. */
  environment?: Record<string, string>;
  /** The data folder; one below the bed's own by default. */
  data?: string;
  /** Where finished file systems of containers lie, to be used again. */
  templates?: string;
  /** The extension that uses the data folder is under development, and keeps its missions apart. */
  development?: boolean;
}

/** A user's machine: a home with OpenCode configured for the scripted model, a project, and a data folder. */
export interface Bed {
  root: string;
  home: string;
  project: string;
  data: string;
  paths: DataPaths;
  model: Model;
  environment: Record<string, string>;
  /** What was logged. */
  lines: string[];
  /** Opens a core on the bed's data folder; closed with the bed. */
  core: (settings?: Partial<CoreSettings> & { password?: string; build?: string }) => Core;
  /** The pid of the OpenCode server on record. */
  serverPid: () => number | undefined;
  close: () => Promise<void>;
}

export async function makeBed(options: BedOptions = {}): Promise<Bed> {
  const root = mkdtempSync(join(tmpdir(), "bed-"));
  const [home, project] = [join(root, "home"), join(root, "project")];
  const data = options.data ?? join(root, "data");
  const model = await startModel();
  mkdirSync(join(home, ".config", "opencode"), { recursive: true });
  const config = JSON.stringify({ ...demoConfig(model.url), ...options.config });
  writeFileSync(join(home, ".config", "opencode", "opencode.json"), config);
  makeProject(project);
  const environment = { PATH: process.env["PATH"] ?? "", HOME: home, LANG: "C.UTF-8", ...options.environment };
  const lines: string[] = [];
  const write = (message: string) => void lines.push(message);
  const log: Logger = { debug: write, info: write, warn: write, error: write };
  const paths = dataPaths(data, environment, options.development === true);
  const cores: Core[] = [];
  const serverPid = () => {
    if (!existsSync(paths.serverRecord)) return undefined;
    return (JSON.parse(readFileSync(paths.serverRecord, "utf8")) as { pid: number }).pid;
  };
  return {
    root,
    home,
    project,
    data,
    paths,
    model,
    environment,
    lines,
    serverPid,
    core: (settings = {}) => {
      const core = new Core({
        paths,
        guard: join(repository, "dist", "guard.js"),
        ripgrepFolder,
        ...(options.templates !== undefined && { containers: { templates: options.templates } }),
        build: settings.build ?? "1.0.0",
        environment,
        packageFolders: [],
        settings: () => ({ executable: opencodeBinary, attachedUrl: undefined, ...settings }),
        attachedPassword: () => Promise.resolve(settings.password),
        secrets: fileSecrets(paths.secrets),
        log,
        mayAct: () => true,
      });
      cores.push(core);
      return core;
    },
    close: async () => {
      for (const core of cores) await core.dispose();
      const pid = serverPid();
      if (pid !== undefined && isAlive(pid)) await endProcessGroup(pid, () => !isAlive(pid), 500);
      await model.close();
      rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

/** A git repository with one commit: OpenCode keeps track of changes only in one. */
export function makeProject(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "README.md"), "hello\n");
  const git = (...words: string[]) =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", ...words], { cwd: folder });
  git("init", "-q", ".");
  git("add", ".");
  git("commit", "-qm", "init");
}

/** Waits until a mission's head fits; fails with what it was in the end. */
export async function until(
  core: Core,
  missionId: string,
  fits: (head: MissionHead) => boolean,
  ms = 60_000,
): Promise<MissionHead> {
  await waitUntil(() => fits(core.store.head(missionId)), ms, 10);
  const head = core.store.head(missionId);
  if (fits(head)) return head;
  throw new Error(`The mission did not come so far: ${JSON.stringify(head)}`);
}

/** Waits for the end of so many turns. */
export function untilTurns(core: Core, missionId: string, turns: number, ms?: number): Promise<MissionHead> {
  return until(core, missionId, (head) => !isRunning(head) && ends(core, missionId) >= turns, ms);
}

function ends(core: Core, missionId: string): number {
  return core.store.events(missionId, { types: ["turn_ended"] }).length;
}

/** Launches a mission and waits for the end of its first turn. */
export async function runTurn(core: Core, bed: Bed, text: string): Promise<MissionHead> {
  const { id } = await core.run("createMission", { text, directory: bed.project });
  return untilTurns(core, id, 1);
}

export function transcriptOf(core: Core, missionId: string): Transcript {
  return core.store.snapshot(missionId, 1000).view.transcript;
}

/** The agent's texts, in order. */
export function texts(core: Core, missionId: string): string[] {
  return transcriptOf(core, missionId).messages.flatMap((message) =>
    message.role === "assistant" ? message.parts.flatMap((part) => (part.kind === "text" ? [part.text] : [])) : [],
  );
}

/** The code of an OpenAgentError. */
export function codeOf(error: unknown): string {
  return error instanceof OpenAgentError ? error.code : describeError(error);
}

/** A prompt that makes the scripted model do these steps. */
export function script(...steps: object[]): string {
  return `Do it.\n\`\`\`script\n${JSON.stringify(steps)}\n\`\`\``;
}

export function bash(command: string): object {
  return { tool: "bash", args: { command, description: "a command" } };
}

/** A command that runs until there is a file. */
export function waitingFor(path: string): string {
  return `until [ -e ${path} ]; do sleep 0.05; done`;
}
