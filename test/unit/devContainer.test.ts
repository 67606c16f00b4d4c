import assert from "node:assert/strict";
import { completionOf } from "../../src/workspace/devContainer.ts";

describe("what an image says of its dev container", () => {
  it("is put together, where the last wins, with the values of variables", () => {
    process.env["OPEN_AGENT_TEST_LOCAL"] = "local";
    const { environment, commands, left } = completionOf(
      {
        config: { initializeCommand: "on the host" },
        metadata: [
          { containerEnv: { A: "1", B: "old" }, onCreateCommand: "of the image", remoteUser: "node" },
          {
            containerEnv: {
              B: "${containerEnv:HOME}/b",
              C: "${localEnv:OPEN_AGENT_TEST_LOCAL}:${localEnv:NO_SUCH:else}",
            },
            remoteEnv: { PATH: "/b:${containerEnv:PATH}", D: "${containerEnv:B}", GONE: null, KEY: "two\nlines" },
            onCreateCommand: ["run", "${localWorkspaceFolderBasename}"],
            updateContentCommand: { one: "first", two: ["second", "${HOME}"] },
            postCreateCommand: " ",
            mounts: [],
            runArgs: ["--x"],
            privileged: false,
          },
        ],
      },
      { PATH: "/bin", HOME: "/root" },
      "/home/me/shop",
    );
    delete process.env["OPEN_AGENT_TEST_LOCAL"];
    assert.deepEqual(environment, { A: "1", B: "/root/b", C: "local:else", PATH: "/b:/bin", D: "/root/b" });
    assert.deepEqual(commands, [
      ["/bin/sh", "-c", "of the image"],
      ["run", "shop"],
      ["/bin/sh", "-c", "first"],
      ["second", "${HOME}"],
    ]);
    assert.deepEqual(left, [
      "A workspace does without runArgs, initializeCommand.",
      "Everything runs as root, not as node.",
      "A workspace does without KEY: a variable is a name of letters and a value of one line.",
    ]);
  });
});
