import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { waitUntil } from "../../src/base/async.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import type { MissionExport } from "../../src/protocol/exchange.ts";
import { apiClient } from "../fake/apiClient.ts";
import { makeBed, runTurn, script, until, type Bed } from "../fake/bed.ts";
import { buildHeadless, finish, headless, type Headless } from "../fake/headless.ts";
import { closeOriginals, original, writeOriginal } from "../fake/original.ts";

interface Hit {
  mission_id: string;
  event_type: string;
  snippet: string;
  ranges: [number, number][];
}

describe("missions of the past", function () {
  this.timeout(90_000);
  let bed: Bed;
  let core: Core;
  let server: Headless;
  let api: ReturnType<typeof apiClient>;
  let url: string;
  let id: string;

  before(async () => {
    buildHeadless();
    bed = await makeBed();
    core = bed.core();
    ({ id } = await runTurn(core, bed, script({ text: "The word is Zephyrblume." })));
    server = headless(bed, ["serve"]);
    await server.says(/listens on http:\/\/127\.0\.0\.1:\d+\n.*\n/);
    url = /http:\/\/\S+/.exec(server.out())?.[0] ?? "";
    api = apiClient(url, readFileSync(join(bed.data, "runtime", "api-token"), "utf8").trim());
  });
  after(async () => {
    closeOriginals();
    server.kill("SIGTERM");
    await server.finished;
    await bed.close();
  });

  const cli = (...words: string[]) => finish(bed, words);
  const get = (path: string) => fetch(`${url}/api/${path}`, { headers: api.headers });
  /** How far the index goes, and how far the events. */
  const indexed = () => {
    const database = new SqliteDatabase(bed.paths.database, { readonly: true });
    const state = database.prepare("SELECT indexed_to, (SELECT max(seq) FROM events) AS last FROM search_state").get();
    database.close();
    return state as { indexed_to: number; last: number };
  };

  it("are indexed by whoever leads, soon after they happen", async () => {
    const done = () => indexed().indexed_to === indexed().last;
    assert.ok(await waitUntil(done, 10_000), JSON.stringify(indexed()));
    assert.ok(indexed().last > 5);
  });

  it("are found over HTTP and on the command line alike", async () => {
    const response = await get("search?q=zephyrBLUME%20word");
    const [hit, ...others] = (await response.json()) as Hit[];
    assert.deepEqual([response.status, hit?.mission_id, hit?.event_type], [200, id, "assistant_message"]);
    assert.deepEqual(
      hit?.ranges.map(([from, to]) => hit.snippet.slice(from, to)),
      ["word", "Zephyrblume"],
    );
    assert.ok(
      others.every(({ event_type }) => event_type !== "assistant_message"),
      "the answer is there once",
    );
    const inOther = await get("search?q=zephyrblume&mission_id=00000000-0000-4000-8000-000000000000");
    assert.deepEqual([inOther.status, await inOther.json()], [200, []]);
    assert.deepEqual([(await get("search?q=%20")).status, (await get("search?q=%22%27%28*")).status], [400, 200]);
    const { code, out } = await cli("search", "zephyrblume");
    assert.equal(code, 0);
    assert.match(out, new RegExp(`^${id.slice(0, 8)}  \\d{4}-.*\\n +The word is Zephyrblume\\.$`, "m"));
    const json = (await cli("search", "zephyrblume", "--json")).out.trim().split("\n");
    assert.ok(json.some((line) => (JSON.parse(line) as Hit).mission_id === id));
    assert.deepEqual((await cli("search", "is-not-there")).code, 1);
    assert.match((await cli("search", "two", "words")).err, /Put the words in quotes/);
  });

  it("are exported over HTTP and on the command line alike", async () => {
    const markdown = await get(`missions/${id}/export`);
    const text = await markdown.text();
    assert.match(markdown.headers.get("content-type") ?? "", /^text\/markdown/);
    assert.match(
      text,
      /^# .*\n[\s\S]*\n## You · [\s\S]*\n## Agent · build · scripted\/scripted · [\s\S]*\nThe word is Zephyrblume\.\n/,
    );
    assert.equal((await cli("export", id.slice(0, 8))).out, text);
    const json = await get(`missions/${id}/export?format=json`);
    const { head, events } = (await json.json()) as MissionExport;
    assert.deepEqual([head, events.length], [core.store.head(id), core.store.events(id).length]);
    const wrong = [await get(`missions/${id}/export?format=pdf`), await get("missions/none/export")];
    assert.deepEqual(
      wrong.map(({ status }) => status),
      [400, 404],
    );
    assert.equal(await get(`missions/${id}/export`).then((response) => response.status), 200);
    assert.equal((await fetch(`${url}/api/missions/${id}/export`)).status, 401);
  });

  it("come back from an export when they were deleted", async () => {
    const { id: gone } = await runTurn(core, bed, "[[hello]] to be deleted");
    const { out } = await cli("export", gone, "--json");
    const file = join(bed.root, "export.json");
    writeFileSync(file, out);
    assert.match((await cli("import", file)).out, /0 missions came in, 1 skipped/);
    const before = core.store.events(gone).map(({ body }) => body);
    await core.run("deleteMission", { missionId: gone });
    assert.deepEqual([core.store.has(gone), core.store.search({ text: "deleted", limit: 500 }).length], [false, 0]);
    const { code, out: told } = await cli("import", file);
    assert.deepEqual([code, told.includes("1 mission came in, 0 skipped")], [0, true], told);
    assert.deepEqual(
      core.store.events(gone).map(({ body }) => body),
      before,
    );
  });

  it("come in from an original Open Agent, to be read and not to be gone on with", async () => {
    const seen: string[] = [];
    const heard = core.onHead((head) => seen.push(head.id));
    const { code, out } = await cli("import", writeOriginal(bed.root));
    assert.equal(code, 0);
    assert.match(out, /2 missions came in, 0 skipped\n {2}\+ 3f2b8c1e {2}Repair the parser \(15 events\)/);
    heard.dispose();
    assert.ok(seen.includes(original.whole), "windows hear of it");
    await core.run("sendMessage", { missionId: original.whole, text: "Go on" });
    const head = await until(
      core,
      original.whole,
      ({ failure, pending }) => failure !== undefined && pending.length > 0,
    );
    assert.match(head.failure?.message ?? "", /imported/);
    const { code: refused, err } = await cli("import", join(bed.root, "not-there.db"));
    assert.equal(refused, 1);
    assert.match(err, /not-there\.db was not imported: it cannot be read .* Name an original/);
  });

  it("are pinned before all others, and let go", async () => {
    const first = () => core.store.list()[0]?.id;
    await runTurn(core, bed, "[[hello]]");
    assert.notEqual(first(), id);
    assert.equal((await cli("pin", id.slice(0, 8))).code, 0);
    assert.deepEqual([first(), core.store.head(id).pinned], [id, true]);
    assert.equal((await cli("unpin", id)).code, 0);
    assert.notEqual(first(), id);
  });

  it("leave their space to the disk when they are deleted", async () => {
    const size = () => statSync(bed.paths.database).size + statSync(`${bed.paths.database}-wal`).size;
    const { id: big } = await runTurn(core, bed, "[[hello]]");
    const file = join(bed.root, "big.json");
    const { events, ...facts } = JSON.parse((await cli("export", big, "--json")).out) as MissionExport;
    const head = { ...facts.head, id: "99999999-8888-4777-8666-555555555555" };
    const texts = Array.from({ length: 500 }, (_, index) => {
      const words = Array.from({ length: 600 }, (_other, place) => ((index * 600 + place) * 7_919).toString(36)).join(
        " ",
      );
      return {
        time: 1,
        body: { type: "thinking", sessionId: "s", messageId: "m", partId: `p${String(index)}`, text: words },
      };
    });
    writeFileSync(file, JSON.stringify({ ...facts, head, events: [...events, ...texts] }));
    await core.run("importMissions", { path: file });
    assert.ok(await waitUntil(() => indexed().indexed_to === indexed().last, 60_000));
    const full = size();
    await core.run("deleteMission", { missionId: head.id });
    const freed = () => size() < full / 4;
    assert.ok(await waitUntil(freed, 30_000), `${String(full)} bytes became ${String(size())}`);
  });
});
