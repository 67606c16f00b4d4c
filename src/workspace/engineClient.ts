import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OpenAgentError } from "../base/errors.ts";
import { findTool, runTool, tryTool, type ToolOptions } from "./tools.ts";

/** What has to be added to make an engine work here. */
export interface Flags {
  global: readonly string[];
  run: readonly string[];
}

/** Where there is neither systemd nor the right to raise limits, podman works only with these. */
const fallbacks: readonly Flags[] = [
  { global: [], run: [] },
  {
    global: ["--cgroup-manager=cgroupfs", "--runtime=runc"],
    run: ["--ulimit=nofile=20000:20000", "--ulimit=nproc=20000:20000"],
  },
];

/** Runs the command of podman or docker. */
export class EngineClient {
  readonly #kind: "podman" | "docker";
  #flags: Promise<Flags> | undefined;

  constructor(kind: "podman" | "docker") {
    this.#kind = kind;
  }

  path(): string {
    const path = findTool(this.#kind);
    if (path !== undefined) return path;
    throw new OpenAgentError("workspace_unavailable", `${this.#kind} was not found. Install ${this.#kind}.`);
  }

  /** The environment of the command: what it needs to find its engine, and no secrets of ours. */
  environment(): Record<string, string> {
    const wanted = /^(PATH|HOME|USER|LANG|TERM|TMPDIR|XDG_.*|DOCKER_.*|CONTAINER.*|DBUS_.*|[A-Za-z]+_(proxy|PROXY))$/;
    return Object.fromEntries(
      Object.entries(process.env).filter((entry): entry is [string, string] => wanted.test(entry[0])),
    );
  }

  /** Runs a container for real; gives the engine's version. */
  async probe(): Promise<string | undefined> {
    const format = this.#kind === "docker" ? "{{.Server.Version}}" : "{{.Client.Version}}";
    const version = await runTool(this.path(), ["version", "--format", format], {
      timeoutMs: 20_000,
      env: this.environment(),
    });
    // A retry may find what has been installed meanwhile.
    this.#flags = undefined;
    await this.flags();
    return version.trim();
  }

  /** What makes a container run here; found by trying. */
  flags(): Promise<Flags> {
    return (this.#flags ??= this.#findFlags().catch((error: unknown) => {
      this.#flags = undefined;
      throw error;
    }));
  }

  async #findFlags(): Promise<Flags> {
    const plain = fallbacks[0] ?? { global: [], run: [] };
    // Elsewhere the engine runs in a machine of its own, where nothing of the host's can be run for a try.
    if (process.platform !== "linux") return plain;
    const image = "localhost/open-agent-probe:1";
    if ((await this.try(["image", "inspect", image])) === undefined) await this.#importProbe(image);
    let refused: unknown;
    for (const flags of this.#kind === "podman" ? fallbacks : [plain])
      try {
        await this.run(
          flags.global,
          ["run", "--rm", "--network=none", "--volume=/usr:/usr:ro", ...flags.run, image, "/usr/bin/true"],
          { timeoutMs: 60_000 },
        );
        return flags;
      } catch (error) {
        refused ??= error;
      }
    throw refused;
  }

  /** An image without anything but the way to the host's programs. */
  async #importProbe(image: string): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), "open-agent-probe-"));
    try {
      for (const name of ["usr", "proc", "dev", "sys", "etc"]) mkdirSync(join(folder, name));
      for (const name of ["bin", "lib", "lib64"]) symlinkSync(`usr/${name}`, join(folder, name));
      const packing = spawn("tar", ["-C", folder, "-c", "."], { stdio: ["ignore", "pipe", "ignore"] });
      packing.on("error", () => packing.stdout.destroy());
      await this.run([], ["import", "-", image], { input: packing.stdout, timeoutMs: 60_000 });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async run(global: readonly string[], args: readonly string[], options: ToolOptions = {}): Promise<string> {
    return runTool(this.path(), [...global, ...args], { env: this.environment(), ...options });
  }

  /** What it prints, or undefined when it fails; the second is tried when the first does. */
  async try(...attempts: readonly (readonly string[])[]): Promise<string | undefined> {
    for (const args of attempts) {
      const result = await tryTool(this.path(), args, { env: this.environment() });
      if (result.exitCode === 0) return result.stdout;
    }
    return undefined;
  }

  async quietly(command: string, args: readonly string[]): Promise<void> {
    await tryTool(command, args, { env: this.environment() });
  }
}
