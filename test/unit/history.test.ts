import assert from "node:assert/strict";
import type { ImportReport } from "../../src/protocol/exchange.ts";
import { newHead } from "../../src/protocol/reduce.ts";
import { importDocument, importSentence } from "../../src/ui/library/importReport.ts";
import { filterWords, fits, withStatus, withValue, type MissionFilter } from "../../src/ui/missions/missionFilter.ts";

describe("the filter of missions", () => {
  const head = { ...newHead("m", 1), title: "Repair the Parser", directory: "/p/app", usedAgent: "build" };

  it("fits what the store lists for it", () => {
    const fitting: MissionFilter[] = [
      {},
      { text: "the pARSER " },
      { status: ["failed", head.status] },
      { directory: "/p/app", agent: "build" },
    ];
    const others: MissionFilter[] = [
      { text: "parsers" },
      { status: ["failed"] },
      { directory: "/p" },
      { agent: "plan" },
      { text: "parser", agent: "plan" },
    ];
    assert.deepEqual(
      [...fitting, ...others].map((filter) => fits(head, filter)),
      [...fitting.map(() => true), ...others.map(() => false)],
    );
    assert.equal(fits({ ...head, agent: "plan" }, { agent: "build" }), false, "the chosen agent counts");
  });

  it("takes a value in, and out again when it is chosen twice", () => {
    const failed = withStatus({}, "failed");
    const both = withStatus(withValue(failed, "agent", "build"), "blocked");
    assert.equal(filterWords(both), "failed or blocked · agent build");
    assert.deepEqual(withStatus(withStatus(both, "failed"), "blocked"), { agent: "build" });
    assert.deepEqual(withValue({ agent: "build" }, "agent", "build"), {});
    assert.deepEqual(withValue({ agent: "build" }, "agent", "plan"), { agent: "plan" });
  });
});

describe("the report of an import", () => {
  const report: ImportReport = {
    path: "/old/missions.db",
    imported: [{ id: "a", title: "A | *bold* title", events: 1_200 }],
    skipped: [{ id: "b", title: "Twice", reason: "It is here already." }],
    missingFiles: ["/gone/event.txt"],
    otherTables: [{ name: "summaries", rows: 1, kept: true }],
  };

  it("says in a sentence what came in", () => {
    assert.equal(importSentence(report), "1 mission came in, 1 was left out.");
    assert.equal(importSentence({ ...report, skipped: [] }), "1 mission came in.");
    assert.equal(importSentence({ ...report, imported: [] }), "0 missions came in, 1 was left out.");
  });

  it("names all that came in and all that did not, in a table that titles cannot break", () => {
    const text = importDocument(report);
    assert.ok(text.includes("| A \\| \\*bold\\* title | 1,200 |"));
    assert.ok(text.includes("| Twice | It is here already. |"));
    assert.ok(text.includes("- `/gone/event.txt`"));
    assert.ok(text.includes("- `summaries`: 1 row, kept with the missions that they belong to"));
    assert.ok(!importDocument({ ...report, skipped: [], missingFiles: [], otherTables: [] }).includes("Left out"));
  });
});
