import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describeError } from "../../src/base/errors.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import { findDevContainers } from "../../src/workspace/devContainer.ts";
import { findTool } from "../../src/workspace/tools.ts";
import { Templates } from "../../src/workspace/template.ts";
import { bash, codeOf, makeBed, repository, script, transcriptOf, untilTurns, type Bed } from "../fake/bed.ts";
import { writeFiles } from "../fake/library.ts";
import { makeWorkspaceBed, needBackend, type WorkspaceBed } from "../fake/workspaces.ts";
import { installationFolder } from "../host/setup.ts";

const podman = (...words: string[]) => execFileSync(findTool("podman") ?? "", words, { encoding: "utf8" });

describe("a dev container", function () {
  this.timeout(240_000);
  const path = process.env["PATH"] ?? "";
  const withoutCli = path
    .split(delimiter)
    .filter((folder) => !existsSync(join(folder, "devcontainer")))
    .join(delimiter);
  const templates = join(installationFolder(), "templates");
  let bed: Bed;
  let core: Core;
  let plain: WorkspaceBed;
  /** No registry is asked: what the files name is an image that is here. */
  let image: string;

  before(async function () {
    await needBackend(this, "podman");
    plain = makeWorkspaceBed();
    const workspace = plain.workspace("podman", { packages: ["git"] });
    await plain.backends.podman.prepare(workspace, { output: () => undefined });
    image = `localhost/open-agent:${new Templates(templates).keyOf(workspace)}`;
    bed = await makeBed({ templates });
    core = bed.core();
  });
  beforeEach(() => {
    process.env["PATH"] = [join(repository, "node_modules", ".bin"), withoutCli].join(delimiter);
  });
  after(async () => {
    process.env["PATH"] = path;
    for (const { id } of core.workspaces().workspaces) await core.run("deleteWorkspace", { workspaceId: id });
    await bed.close();
    await plain.close();
  });

  /** Makes a workspace of a file in the project. */
  const create = async (name: string, config: object): Promise<string> => {
    const file = join(".devcontainer", name, "devcontainer.json");
    writeFiles(bed.project, { [file]: `// ${name}\n${JSON.stringify(config)}` });
    const devContainer = join(bed.project, file);
    assert.ok(findDevContainers(bed.project).includes(devContainer));
    const wish = { name, kind: "podman" as const, directory: bed.project, devContainer };
    return (await core.run("createWorkspace", { ...wish, network: "host" })).id;
  };
  const sh = async (workspaceId: string, line: string) =>
    (await core.run("execInWorkspace", { workspaceId, argv: ["/bin/sh", "-c", line] })).stdout.trim();

  it("is built as its file says, and missions run in it", async () => {
    writeFiles(bed.project, {
      ".devcontainer/Dockerfile": [
        `FROM ${image}`,
        "RUN mkdir /extra && printf '#!/bin/sh\\necho found\\n' >/extra/tool && chmod +x /extra/tool",
        "ENV OF_IMAGE=yes",
        "USER nobody",
        'ENTRYPOINT ["/bin/false"]',
      ].join("\n"),
    });
    const workspaceId = await create("whole", {
      build: { dockerfile: "../Dockerfile" },
      // The last is one that podman's own command would heed.
      containerEnv: { COLOUR: "blue", WHERE: "${containerWorkspaceFolder}", STORAGE_DRIVER: "none such" },
      remoteEnv: { PATH: "${containerEnv:PATH}:/extra" },
      remoteUser: "someone",
      initializeCommand: `touch ${join(bed.project, "on-the-host")}`,
      onCreateCommand: { first: "id -un >/first", second: ["touch", "/second"] },
      postCreateCommand: "echo $COLOUR >made.txt; tool",
    });
    const text = script(bash('tool; echo "$OF_IMAGE $COLOUR $WHERE $STORAGE_DRIVER"; cat /first; ls /second; id -u'), {
      text: ".",
    });
    const { id } = await core.run("createMission", { text, workspaceId });
    await untilTurns(core, id, 1, 120_000);
    const [output = ""] = transcriptOf(core, id)
      .messages.flatMap(({ parts }) => parts)
      .flatMap((part) => (part.kind === "tool" ? [part.output ?? ""] : []));
    assert.equal(output.trim(), `found\nyes blue ${bed.project} none such\nroot\n/second\n0`);
    assert.equal(await sh(workspaceId, "tool"), "found");
    assert.equal(readFileSync(join(bed.project, "made.txt"), "utf8"), "blue\n");
    assert.ok(!existsSync(join(bed.project, "on-the-host")));
    const log = readFileSync(join(bed.paths.workspaces, `${workspaceId}.build.log`), "utf8");
    assert.match(log, /does without initializeCommand\. Everything runs as root, not as someone\./);
  });

  it("is an image that is here where the CLI is not, forgets changes when it is reset, and follows its file when it is rebuilt", async () => {
    process.env["PATH"] = withoutCli;
    const workspaceId = await create("plain", { image, postCreateCommand: "echo once >/once" });
    assert.equal(await sh(workspaceId, "echo more >>/once; cat /once"), "once\nmore");
    await core.run("resetWorkspace", { workspaceId });
    assert.equal(await sh(workspaceId, "cat /once"), "once");
    const [file = ""] = findDevContainers(bed.project).filter((path) => path.includes("plain"));
    writeFileSync(file, JSON.stringify({ image, onCreateCommand: "echo anew >/once" }));
    await core.run("updateWorkspace", { workspaceId, initScript: "echo script >>/once" });
    await core.run("buildWorkspace", { workspaceId, rebuild: true });
    assert.equal(await sh(workspaceId, "cat /once"), "anew\nscript");
    const featured = await create("featured", { image, features: { "ghcr.io/some/feature:1": {} } });
    await assert.rejects(sh(featured, "true"), /can only be built by the Dev Containers CLI.*npm install -g/);
  });

  it("says what is wrong where it cannot be built, and leaves nothing behind", async () => {
    const failing = await create("failing", { image, postCreateCommand: "echo the reason >&2; exit 3" });
    await assert.rejects(sh(failing, "true"), /the reason/);
    const broken = await create("broken", { build: { dockerfile: "Missing" } });
    await assert.rejects(sh(broken, "true"), /could not be built: .*Missing/);
    const compose = await create("compose", { dockerComposeFile: "compose.yaml", service: "app" });
    await assert.rejects(sh(compose, "true"), /is for Docker Compose/);
    const left = podman("ps", "--all", "--format", "{{.Names}}").split("\n");
    assert.deepEqual(
      left.filter((name) => name.endsWith("-build")),
      [],
    );
    const wish = { name: "elsewhere", kind: "bwrap" as const, devContainer: join(bed.project, "x.json") };
    await assert.rejects(core.run("createWorkspace", wish), (error) => codeOf(error) === "invalid_input");
    const saving = core.run("saveAsTemplate", { workspaceId: failing, name: "failing" });
    await assert.rejects(saving, (error) => describeError(error).includes("is its template"));
  });
});
