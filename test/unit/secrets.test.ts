import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hiding } from "../../src/opencode/hiding.ts";
import { fileSecrets, WorkspaceSecrets } from "../../src/orchestrator/secrets.ts";
import type { Workspace } from "../../src/protocol/workspace.ts";

describe("secrets of workspaces", () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "secrets-"));
    path = join(folder, "secrets.json");
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const box = (...secrets: string[]) => ({ id: "b", name: "box", secrets }) as unknown as Workspace;

  it("are kept in a file of their owner, and deleted from it", async () => {
    const store = fileSecrets(path);
    await store.set("one", "1");
    await store.set("two", "2");
    await store.set("one", undefined);
    assert.deepEqual([await store.get("one"), await store.get("two")], [undefined, "2"]);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it("are refused, and their file left alone, when it does not parse", async () => {
    writeFileSync(path, '{"one": "hidden');
    const store = fileSecrets(path);
    for (const asked of [store.get("one"), store.set("one", "1")])
      await assert.rejects(asked, (error: Error) => error.message.includes(path) && !error.message.includes("hidden"));
    assert.equal(readFileSync(path, "utf8"), '{"one": "hidden');
  });

  it("name what is not known here", async () => {
    const secrets = new WorkspaceSecrets(fileSecrets(path));
    await assert.rejects(secrets.environment(box("TOKEN")), { code: "workspace_not_ready", message: /TOKEN of box/ });
  });

  it("are known to those who hide them when they are long enough to be told from other words", async () => {
    const secrets = new WorkspaceSecrets(fileSecrets(path));
    await secrets.set("b", "TOKEN", "se.cret");
    await secrets.set("b", "SHORT", "abc");
    assert.deepEqual(await secrets.environment(box("TOKEN", "SHORT")), { TOKEN: "se.cret", SHORT: "abc" });
    assert.deepEqual(secrets.hidden("b"), [{ text: "se.cret", shownAs: "[secret TOKEN]" }]);
    assert.deepEqual(secrets.hidden("other"), []);
    await secrets.set("b", "TOKEN", undefined);
    assert.deepEqual(secrets.hidden("b"), []);
  });

  it("are taken out of all that an event says, whatever stands in them", () => {
    const hiding = new Hiding(() => [{ text: "se.cret$&", shownAs: "[$& TOKEN]" }]);
    const properties = { text: "se.cret$& se-cret", inner: [{ "a se.cret$&": "(se.cret$&)" }, 7, undefined] };
    assert.deepEqual(hiding.of({ id: "e", type: "todo.updated", properties }).properties, {
      text: "[$& TOKEN] se-cret",
      inner: [{ "a [$& TOKEN]": "([$& TOKEN])" }, 7, undefined],
    });
    const event = { id: "e", type: "todo.updated", properties };
    assert.equal(new Hiding(() => []).of(event), event);
  });
});
