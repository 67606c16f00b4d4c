import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemCode } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/base/log.ts";
import { Core } from "../../src/orchestrator/core.ts";
import { dataPaths } from "../../src/orchestrator/dataFolder.ts";
import { fileSecrets } from "../../src/orchestrator/secrets.ts";
import { makeProject, repository } from "../fake/bed.ts";
import { demoConfig, startModel } from "../fake/model.ts";
import { installationFolder } from "./setup.ts";

/** What a first run works in. */
export interface Sample {
  folder: string;
  /** URL of the scripted model that its missions use; undefined where OpenCode has a provider of the user's. */
  scripted: string | undefined;
}

/** Always the same one, so that an OpenCode that runs already finds the model again. */
const modelPort = 43_117;

/**
 * Prepares the sample folder. When nobody is logged in to a provider, its OpenCode configuration names a scripted model
 * that runs in this process: only missions in that folder use it, and only while this process lives.
 */
export async function prepareSample(): Promise<Sample> {
  const folder = join(installationFolder(), "sample");
  if (!existsSync(folder)) makeProject(folder);
  const config = join(folder, "opencode.json");
  rmSync(config, { force: true });
  if (await hasProvider(folder)) return { folder, scripted: undefined };
  const scripted = await startDemoModel();
  writeFileSync(config, JSON.stringify(demoConfig(scripted), undefined, 2));
  return { folder, scripted };
}

/** Whether OpenCode would find a model that somebody has logged in for or configured. */
async function hasProvider(directory: string): Promise<boolean> {
  const data = mkdtempSync(join(tmpdir(), "open-agent-"));
  const core = new Core({
    paths: dataPaths(data, process.env, false),
    guard: join(repository, "src", "opencode", "guard.ts"),
    build: "start",
    environment: process.env,
    packageFolders: [repository],
    settings: () => ({ executable: undefined, attachedUrl: undefined }),
    attachedPassword: () => Promise.resolve(undefined),
    secrets: fileSecrets(join(data, "secrets.json")),
    log: silentLogger,
    mayAct: () => true,
  });
  try {
    return (await core.run("choices", { directory })).models.some(({ keyless }) => !keyless);
  } finally {
    await core.dispose();
    rmSync(data, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** The scripted model, here or in another process that has begun it. */
async function startDemoModel(): Promise<string> {
  try {
    return (await startModel({ port: modelPort })).url;
  } catch (error) {
    if (systemCode(error) !== "EADDRINUSE") throw error;
  }
  const running = `http://127.0.0.1:${String(modelPort)}/v1`;
  const answer = await fetch(`${running}/models`, { signal: AbortSignal.timeout(1_000) })
    .then((response) => response.text())
    .catch(() => "");
  return answer.includes('"scripted"') ? running : (await startModel()).url;
}

export const scriptedNotice =
  "OpenCode has no model provider yet, so missions in the sample folder are played by a scripted demo without an AI.\n" +
  "“Open Agent: Connect Provider…” connects a real one.";
