import { existsSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { describeError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { CommandInput, CommandName, CommandResult, Core, SecretStore } from "../orchestrator/index.ts";
import { attachedPassword, settings } from "./settings.ts";

/** What the parts of the user interface share: the core, which is made on first need, and the log. */
export class App implements vscode.Disposable {
  readonly context: vscode.ExtensionContext;
  readonly output: vscode.OutputChannel;
  readonly log: Logger;
  readonly #coreMade = new vscode.EventEmitter<Core>();
  /** Tells of the core once it is made. */
  readonly onCore = this.#coreMade.event;
  #core: Promise<Core> | undefined;

  constructor(context: vscode.ExtensionContext) {
    this.context = context;
    this.output = vscode.window.createOutputChannel("Open Agent", "log");
    this.log = channelLogger(this.output);
  }

  /** A build under development keeps its missions apart from the user's. */
  get isDevelopment(): boolean {
    return this.context.extensionMode === vscode.ExtensionMode.Development;
  }

  /** Rejects with OpenAgentError when the store cannot be opened; the next call tries again. */
  core(): Promise<Core> {
    return (this.#core ??= this.#makeCore().catch((error: unknown) => {
      this.#core = undefined;
      this.log.error(describeError(error));
      throw error;
    }));
  }

  async #makeCore(): Promise<Core> {
    const { containersIn, Core, dataPaths, nativeBindingIn } = await import("../orchestrator/index.ts");
    const { extensionPath, extension } = this.context;
    const ripgrepFolder = findRipgrep();
    const core = new Core({
      paths: dataPaths(settings().dataFolder, process.env, this.isDevelopment),
      nativeBinding: nativeBindingIn(join(extensionPath, "dist", "native")),
      guard: join(extensionPath, "dist", "guard.js"),
      build: String((extension.packageJSON as { version: unknown }).version),
      environment: process.env,
      containers: containersIn(process.env),
      packageFolders: [extensionPath],
      ...(ripgrepFolder !== undefined && { ripgrepFolder }),
      settings,
      attachedPassword: () => attachedPassword(this.context.secrets),
      secrets: secretStore(this.context.secrets),
      log: this.log,
      mayAct: () => vscode.workspace.isTrusted,
    });
    this.#coreMade.fire(core);
    return core;
  }

  /** Runs a command of the core. */
  async run<Name extends CommandName>(
    name: Name,
    input: CommandInput<Name>,
    signal?: AbortSignal,
  ): Promise<CommandResult<Name>> {
    return (await this.core()).run(name, input, signal);
  }

  async close(): Promise<void> {
    const core = await this.#core?.catch(() => undefined);
    this.#core = undefined;
    await core?.dispose();
  }

  dispose(): void {
    this.#coreMade.dispose();
    this.output.dispose();
  }
}

function channelLogger(output: vscode.OutputChannel): Logger {
  const write = (level: string) => (message: string) => {
    output.appendLine(`${new Date().toISOString()} [${level}] ${message}`);
  };
  return { debug: write("debug"), info: write("info"), warn: write("warning"), error: write("error") };
}

/** VS Code carries a ripgrep; OpenCode would download one when there is none on PATH. */
function findRipgrep(): string | undefined {
  const name = process.platform === "win32" ? "rg.exe" : "rg";
  const packages = [join("node_modules", "@vscode"), join("node_modules.asar.unpacked", "@vscode")];
  const folders = packages.flatMap((folder) => [
    join(vscode.env.appRoot, folder, "ripgrep", "bin"),
    join(vscode.env.appRoot, folder, "ripgrep-universal", "bin", `${process.platform}-${process.arch}`),
  ]);
  return folders.find((folder) => existsSync(join(folder, name)));
}

/** The editor's secret storage, as the core knows one. */
function secretStore(secrets: vscode.SecretStorage): SecretStore {
  return {
    get: async (key) => secrets.get(key),
    set: async (key, value) => {
      await (value === undefined ? secrets.delete(key) : secrets.store(key, value));
    },
  };
}
