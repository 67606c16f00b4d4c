import assert from "node:assert/strict";
import type { Workspace } from "../../src/protocol/workspace.ts";
import { sizeWord, workspaceDescription } from "../../src/ui/workspaceWords.ts";

const hour = 3_600_000;
const box: Workspace = {
  id: "b",
  name: "box",
  kind: "bwrap",
  directory: "/work",
  status: "ready",
  packages: [],
  network: "private",
  limits: {},
  environment: {},
  secrets: [],
  createdAt: 0,
  builtAt: 10 * hour,
};

describe("the words for workspaces", () => {
  it("say in a line of the tree when a container was built and what it takes on disk", () => {
    const now = 13 * hour;
    assert.equal(workspaceDescription(box, now), "bwrap · built 3 h ago");
    assert.equal(workspaceDescription(box, box.builtAt ?? 0), "bwrap · built just now");
    assert.equal(workspaceDescription(box, now, 2, 120_400_000), "bwrap · 2 running · 120 MB · built 3 h ago");
    assert.equal(workspaceDescription(box, now, 0, 999_999), "bwrap · built 3 h ago");
    assert.equal(workspaceDescription({ ...box, status: "building" }, now, 0, 0), "bwrap · building");
    assert.equal(workspaceDescription({ ...box, kind: "host" }, now, 1), "host · 1 running");
  });

  it("give a size in one unit", () => {
    assert.deepEqual([1, 940_000, 1_250_000, 120_400_000, 2_340_000_000].map(sizeWord), [
      "1 kB",
      "940 kB",
      "1.3 MB",
      "120 MB",
      "2.3 GB",
    ]);
  });
});
