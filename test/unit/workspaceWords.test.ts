import assert from "node:assert/strict";
import type { Workspace } from "../../src/protocol/workspace.ts";
import { limitsWord, limitWords } from "../../src/ui/workspaces/limitWords.ts";
import { privateNetworkWords, sizeWord, workspaceDescription } from "../../src/ui/workspaces/workspaceWords.ts";

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
  selection: {},
  createdAt: 0,
  builtAt: 10 * hour,
};

describe("the words for workspaces", () => {
  it("say what a private network lets through, in one line of a pick", () => {
    assert.match(privateNetworkWords.inside, /^Agents reach other machines by an HTTP proxy/);
    assert.match(privateNetworkWords.outside, /^Agents and terminals reach nothing/);
    assert.ok(Object.values(privateNetworkWords).every((words) => words.length <= 120));
  });

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

  it("read amounts of limits as one types them, and nothing else", () => {
    const { memoryMb, cpus, processes } = limitWords;
    assert.deepEqual(["6 GB", "1.5g", "1500 MB", "16M"].map(memoryMb.parse), [6144, 1536, 1500, 16]);
    for (const wrong of ["", "6", "6 TB", "1 MB", "-2 GB", "1.2.3 GB", "1e3 MB"])
      assert.equal(memoryMb.parse(wrong), undefined);
    assert.deepEqual(["2", " 0.5 "].map(cpus.parse), [2, 0.5]);
    for (const wrong of ["0", "", "two", "1,5", "Infinity"]) assert.equal(cpus.parse(wrong), undefined);
    assert.deepEqual(["1000", "1"].map(processes.parse), [1000, 1]);
    for (const wrong of ["1.5", "0", "-1", "0x10"]) assert.equal(processes.parse(wrong), undefined);
  });

  it("read amounts as they say them", () => {
    for (const mb of [16, 512, 1500, 1536, 4096])
      assert.equal(limitWords.memoryMb.parse(limitWords.memoryMb.word(mb)), mb);
    assert.equal(
      limitsWord({ memoryMb: 1536, cpus: 1, processes: 2000 }),
      "1.5 GB of memory · 1 processor · 2,000 processes",
    );
    assert.equal(limitsWord({}), "");
  });
});
