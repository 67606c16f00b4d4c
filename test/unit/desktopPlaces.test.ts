import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readPlainFile } from "../../src/desktop/plainFile.ts";
import { Desktops } from "../../src/orchestrator/desktops.ts";
import { repository } from "../fake/bed.ts";

const pipe = (path: string) => execFileSync("mkfifo", [path]);

/** What lies in a container's folder its agent may have put there. */
describe("the places of desktops", () => {
  let root: string;
  let desktops: Desktops;
  const servers: Server[] = [];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "places-"));
    desktops = new Desktops({
      folder: root,
      store: {
        missionOfSession: () => undefined,
        sessionsOf: () => [],
        has: () => false,
        head: () => assert.fail("no mission"),
      },
      library: () => join(root, "library"),
      missions: join(root, "missions"),
    });
  });
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    desktops.dispose();
    rmSync(root, { recursive: true });
  });

  /** Makes a folder as a display has it. */
  const place = async (name: string, id: string) => {
    const folder = join(root, name, id);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "display"), "99 1 800x600 Xtigervnc none");
    writeFileSync(join(folder, "owner"), "ses_1");
    pipe(join(folder, "hold"));
    const server = createServer();
    servers.push(server);
    await new Promise<void>((listening) => server.listen(join(folder, "vnc.sock"), listening));
    return folder;
  };

  it("tell which desktops there are, and which of them run in a container", async () => {
    await place("host", "0a0a0a0a");
    await place("w1234", "0b0b0b0b");
    const found = desktops.list().map(({ id, isContained, isOrphan }) => ({ id, isContained, isOrphan }));
    assert.deepEqual(
      found.sort((one, other) => one.id.localeCompare(other.id)),
      [
        { id: "0a0a0a0a", isContained: false, isOrphan: true },
        { id: "0b0b0b0b", isContained: true, isOrphan: true },
      ],
    );
  });

  it("are read as far as they hold plain, small files: no link is followed and no pipe waited for", async () => {
    const secret = join(root, "secret");
    writeFileSync(secret, "ses_secret");
    assert.equal(readPlainFile(secret)?.toString(), "ses_secret");
    const [link, fifo, large] = ["link", "fifo", "large"].map((name) => join(root, name)) as [string, string, string];
    symlinkSync(secret, link);
    pipe(fifo);
    writeFileSync(large, Buffer.alloc(5000));
    for (const path of [link, fifo, large, root, join(root, "none"), join(secret, "below")])
      assert.equal(readPlainFile(path), undefined, path);

    const trap = await place("w1234", "0badf00d");
    const owner = join(trap, "owner");
    for (const put of [() => symlinkSync(secret, owner), () => pipe(owner)]) {
      rmSync(owner);
      put();
      // Nobody's, as it was before its owner was written down.
      assert.deepEqual(
        desktops.list().map(({ id, isOrphan }) => [id, isOrphan]),
        [["0badf00d", false]],
      );
    }
  });

  it("do not stop who wants the cookie of a display", () => {
    const fifo = join(root, "authority");
    pipe(fifo);
    // In a process of its own: one that waits for a pipe does nothing else any more.
    const script = `const { connectX } = await import(${JSON.stringify(join(repository, "src", "desktop", "x11.ts"))});
      await connectX({ name: ":9876", authority: ${JSON.stringify(fifo)} }).catch(({ message }) => console.log(message));`;
    const said = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      timeout: 20_000,
    });
    assert.match(said, /has no cookie/);
  }).timeout(30_000);

  it("are taken away with what was left in them for a minute, and nothing that links lead to", async () => {
    const running = await place("w1234", "0a0a0a0a");
    const folder = join(root, "w1234");
    const precious = join(root, "precious");
    mkdirSync(precious);
    writeFileSync(join(precious, "file"), "precious");
    const trap = join(folder, "0badf00d");
    mkdirSync(trap);
    writeFileSync(join(trap, "display"), "99 1 800x600 Xtigervnc none");
    for (const name of ["vnc.sock", "hold", "taken", "owner"]) symlinkSync(precious, join(trap, name));
    symlinkSync(precious, join(folder, "0badf01d"));
    mkdirSync(join(folder, "ffffffff"));
    desktops.sweep();
    assert.deepEqual(readdirSync(folder).sort(), ["0a0a0a0a", "0badf00d", "0badf01d", "ffffffff"]);
    const old = Date.now() / 1000 - 120;
    for (const name of readdirSync(folder)) if (name !== "ffffffff") lutimesSync(join(folder, name), old, old);
    desktops.sweep();
    // One that runs and one that is being started stay.
    assert.deepEqual(readdirSync(folder).sort(), ["0a0a0a0a", "ffffffff"]);
    assert.ok(existsSync(join(running, "display")));
    assert.equal(readFileSync(join(precious, "file"), "utf8"), "precious");
  });
});
