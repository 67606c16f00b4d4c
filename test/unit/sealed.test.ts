import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { readLibrary } from "../../src/library/library.ts";
import { newKey, open, openMarks, parseKey, readableText, seal, sealMarks } from "../../src/library/sealed.ts";
import { unsealedIn } from "../../src/library/secretRules.ts";
import { changeServer, readServers } from "../../src/library/servers.ts";
import { readTemplate } from "../../src/library/templates.ts";
import { LibraryKey, withLibraryKey } from "../../src/orchestrator/libraryKey.ts";
import { fileSecrets } from "../../src/orchestrator/secrets.ts";
import { isSealed, jsonStringAt, jsonStrings, marksIn } from "../../src/protocol/sealed.ts";
import { writeFiles } from "../fake/library.ts";

const hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const key = parseKey(hex);
const other = parseKey(newKey());

/** A value in the layout that is written down, made without the code under test. */
function vector(text: string, nonceByte: number): string {
  const nonce = Buffer.alloc(12, nonceByte);
  const cipher = createCipheriv("aes-256-gcm", Buffer.from(hex, "hex"), nonce);
  const body = Buffer.concat([cipher.update(text), cipher.final()]);
  return `<encrypted v="1">${Buffer.concat([nonce, body, cipher.getAuthTag()]).toString("base64")}</encrypted>`;
}

describe("encrypted values", () => {
  it("are read as the format says: base64 of nonce, ciphertext and tag", () => {
    for (const text of ["", "hush", "ünï—🔑\nline two", "x".repeat(10_000)])
      assert.equal(open(vector(text, text.length), key), text);
    // Fixed for good: whatever is changed here, files that exist must stay readable.
    const written = '<encrypted v="1">BwcHBwcHBwcHBwcHZx/VNEJnooeusCeyuETjIeWe7L4nkGFDl9iBQw==</encrypted>';
    assert.equal(written, vector("hush-hush-42", 7));
    assert.equal(open(written, key), "hush-hush-42");
  });

  it("are written so, each with a nonce of its own", () => {
    const [one, two] = [seal("hush", key), seal("hush", key)];
    assert.notEqual(one, two);
    const bytes = Buffer.from(marksIn(one)[0]?.value ?? "", "base64");
    assert.equal(bytes.length, 12 + 4 + 16);
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12)).setAuthTag(bytes.subarray(-16));
    assert.equal(decipher.update(bytes.subarray(12, -16), undefined, "utf8") + decipher.final("utf8"), "hush");
    assert.deepEqual([isSealed(one), isSealed("hush"), isSealed("<encrypted>hush</encrypted>")], [true, false, false]);
  });

  it("are read by nobody with another key or none, nor when a single byte was changed, nor in an unknown version", () => {
    const sealed = seal("hush", key);
    const body = marksIn(sealed)[0]?.value ?? "";
    const bytes = Buffer.from(body, "base64");
    for (let index = 0; index < bytes.length; index++) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(index) ^ 1, index);
      assert.equal(open(sealed.replace(body, changed.toString("base64")), key), undefined, String(index));
    }
    const all = [sealed.replace(body, "AAAA"), sealed.replace(body, "no base64"), sealed.replace('"1"', '"2"')];
    assert.deepEqual(
      [...all.map((text) => open(text, key)), open(sealed, other), open(sealed, undefined)],
      [...[undefined, undefined, undefined, undefined, undefined]],
    );
  });

  it("take a key as 64 digits or as base64, and say what is wrong with another one without repeating it", () => {
    const base64 = Buffer.from(hex, "hex").toString("base64");
    for (const text of [hex, hex.toUpperCase(), ` ${hex}\n`, base64, base64.replace(/=+$/, "")])
      assert.deepEqual(Buffer.from(parseKey(text)), Buffer.from(key), text);
    for (const text of ["", "short-secret", hex.slice(1), `${hex}00`, `${hex.slice(1)}g`, `${base64}!`])
      assert.throws(
        () => parseKey(text),
        (error: Error) =>
          error.message.includes("64 hexadecimal digits") && (text === "" || !error.message.includes(text)),
        text,
      );
    assert.throws(() => parseKey(hex.slice(1)), /It has 63 digits/);
    assert.match(newKey(), /^[0-9a-f]{64}$/);
  });

  it("are marked in a text: what is marked is encrypted once, and what has not changed stays as it was", () => {
    const text = "A <encrypted>one</encrypted> and <encrypted>two\nlines</encrypted>; `<encrypted>` is how.";
    const sealed = sealMarks(text, key);
    assert.deepEqual([/one|two/.test(sealed), sealed.endsWith("; `<encrypted>` is how.")], [false, true]);
    assert.equal(sealMarks(sealed, key), sealed);
    assert.equal(openMarks(sealed, key), text);
    assert.equal(openMarks(sealed, other), sealed);
    const again = sealMarks(openMarks(sealed, key).replace("two", "2"), key, sealed);
    const marks = (from: string) => marksIn(from).map(({ value }) => value);
    assert.equal(marks(again)[0], marks(sealed)[0]);
    assert.notEqual(marks(again)[1], marks(sealed)[1]);
  });

  it("are encrypted in JSON as in Markdown: what is marked alone, and all else stays as it is written", () => {
    const secret = fc.string({ unit: fc.constantFrom("a", "é", '"', "\\", "\n", " ", "/", "{") });
    const piece = fc.oneof(
      fc.string().filter((one) => !one.includes("<")),
      secret.map((one) => `Bearer <encrypted>${one}</encrypted>, `),
      fc.constant(seal("before", other)),
    );
    const string = fc.array(piece, { maxLength: 3 }).map((pieces) => pieces.join(""));
    const value = fc
      .jsonValue()
      .chain((rest) => fc.record({ rest: fc.constant(rest), a: string, b: fc.array(string) }));
    const comment = '// “<encrypted>it</encrypted>” isn\'t a value: "\n/* nor " is */';
    fc.assert(
      fc.property(value, (one) => {
        const text = `${comment}${JSON.stringify(one, null, 1)}`;
        const pieces = unsealedIn("x.json", text);
        const sealed = pieces.reduceRight(
          (all, { start, end, text: marked, written }) =>
            all.slice(0, start) + written(sealMarks(marked, key)) + all.slice(end),
          text,
        );
        assert.deepEqual(unsealedIn("x.json", sealed), []);
        const opened = jsonStrings(sealed).reduceRight(
          (all, { start, end, value: said }) =>
            all.slice(0, start) +
            (isSealed(said) ? JSON.stringify(openMarks(said, key)) : all.slice(start, end)) +
            all.slice(end),
          sealed,
        );
        assert.equal(opened, text);
      }),
    );
    const markdown = "Say <encrypted>one</encrypted>, not `<encrypted>`.";
    const [mark, ...others] = unsealedIn("x.md", markdown);
    assert.deepEqual([mark?.text, mark?.written("1"), others], ["<encrypted>one</encrypted>", "1", []]);
  });

  it("are read by agents without their tags, and where they cannot be decrypted as a sign that says so", () => {
    const text = `Use ${seal("hush", key)}, <encrypted>plain</encrypted>.`;
    assert.deepEqual(readableText(text, key), { text: "Use hush, plain.", missing: 0 });
    assert.deepEqual(readableText(text, undefined), { text: "Use [needs your value], plain.", missing: 1 });
  });

  it("are found in JSON at the cursor, but not in place of a name", () => {
    const text = `{"a b": "one \\"two\\"", "c": ["three"]}`;
    const at = (word: string) => jsonStringAt(text, text.indexOf(word));
    assert.deepEqual(
      [at("two")?.value, at("three")?.value, at("a b"), at("[")],
      ['one "two"', "three", undefined, undefined],
    );
    const { start, end } = at("two") ?? { start: 0, end: 0 };
    assert.equal(text.slice(start, end), '"one \\"two\\""');
  });
});

describe("a Library with encrypted values", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "sealed-"));
    writeFiles(root, {
      "skill/login/SKILL.md": `---\ndescription: Logs in.\n---\nThe token is ${seal("hush-1", key)}.\n`,
      "skill/login/references/more.md": `And <encrypted>hush-2</encrypted>.\n`,
      "skill/login/references/none.md": "Nothing.\n",
      "rule/style.md": `Say ${seal("hush-3", key)}.\n`,
      "mcp/servers.json": JSON.stringify({
        local: { command: ["true"], env: { TOKEN: seal("hush-4", key), MODE: "dev" } },
        remote: { url: "https://example.org/mcp", headers: { Authorization: seal("hush-5", key) }, enabled: false },
      }),
      "workspace-template/web.json": JSON.stringify({
        env_vars: { TOKEN: seal("hush-6", key), MODE: "dev" },
        encrypted_keys: ["TOKEN"],
      }),
    });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it("gives them to agents with the key", () => {
    const { parts, problems } = readLibrary(root, key);
    const of = (name: string) => parts.find((part) => part.name === name);
    assert.deepEqual(problems, []);
    const texts = of("login")?.texts ?? {};
    assert.match(texts["SKILL.md"] ?? "", /^name: login$[\s\S]*The token is hush-1\.\n$/m);
    const [first, ...others] = Object.keys(texts);
    assert.deepEqual([first, others], ["SKILL.md", [join("references", "more.md")]]);
    assert.deepEqual(
      [texts[join("references", "more.md")], of("style")?.texts],
      ["And hush-2.\n", { "": "Say hush-3.\n" }],
    );
    assert.deepEqual(
      [of("local")?.entry, of("remote")?.entry],
      [
        { type: "local", command: ["true"], enabled: true, environment: { TOKEN: "hush-4", MODE: "dev" } },
        { type: "remote", url: "https://example.org/mcp", enabled: false, headers: { Authorization: "hush-5" } },
      ],
    );
    assert.deepEqual(readTemplate(root, "web", key).secrets, { TOKEN: "hush-6" });
  });

  it("opens them wherever they are in a text of a server or a template, and gives no part of one that does not open", () => {
    const url = `https://example.org/mcp?key=${seal("hush-2", key)}`;
    writeFiles(root, {
      "mcp/servers.json": JSON.stringify({
        local: { command: ["x", `--token=${seal("hush-1", key)}`], args: [seal("hush-3", key)] },
        remote: {
          url,
          headers: { Authorization: `Bearer ${seal("hush-4", key)}`, Other: "Bearer <encrypted>hush-5</encrypted>" },
          oauth: { clientSecret: seal("hush-6", key) },
        },
        broken: { command: ["x", 'a <encrypted v="1">AAAA'] },
      }),
      "workspace-template/web.json": JSON.stringify({
        env_vars: { DB: `pg://u:${seal("hush-7", key)}@h`, MODE: "dev" },
      }),
      "workspace-template/script.json": JSON.stringify({ init_script: `export A=${seal("hush-8", key)}` }),
    });
    const { servers, problems } = readServers(join(root, "mcp", "servers.json"), key);
    assert.deepEqual(
      servers.map(({ entry }) => entry),
      [
        { type: "local", command: ["x", "--token=hush-1", "hush-3"], enabled: true },
        {
          type: "remote",
          url: "https://example.org/mcp?key=hush-2",
          enabled: true,
          headers: { Authorization: "Bearer hush-4", Other: "Bearer hush-5" },
          oauth: { clientSecret: "hush-6" },
        },
      ],
    );
    assert.deepEqual(
      problems.map(({ name, message }) => [name, message.startsWith("command needs your value")]),
      [["broken", true]],
    );
    const closed = readServers(join(root, "mcp", "servers.json"), other);
    assert.deepEqual([closed.servers, closed.problems.length], [[], 3]);
    assert.deepEqual(readTemplate(root, "web", key).secrets, { DB: "pg://u:hush-7@h" });
    const { secrets, environment } = readTemplate(root, "web", other);
    assert.deepEqual([secrets, environment], [{ DB: undefined }, { MODE: "dev" }]);
    assert.throws(() => readTemplate(root, "script", key), /init script .* holds an encrypted value/);
  });

  it("gives no ciphertext of files in which nothing is opened, and says so; packages of others are not looked into", () => {
    const escaped = JSON.stringify({ token: `Bearer ${seal("hush", key)}` });
    writeFiles(root, {
      "skill/login/data/keys.json": escaped,
      "skill/login/run.sh": `#!/bin/sh\necho '${seal("hush", key)}'\n`,
      "skill/login/node_modules/x/README.md": `With ${seal("hush", other)}.\n`,
      "tool/call.ts": `export const token = ${JSON.stringify(seal("hush", key))};\n`,
      "plugins.json": JSON.stringify({ one: { package: seal("hush", key) }, two: { package: "two@1" } }),
    });
    const { parts, problems } = readLibrary(root, key);
    const texts = parts.find(({ name }) => name === "login")?.texts ?? {};
    assert.deepEqual(
      [texts[join("data", "keys.json")], texts["run.sh"]],
      ['{"token":"Bearer [needs your value]"}', "#!/bin/sh\necho '[needs your value]'\n"],
    );
    assert.ok(!Object.keys(texts).some((file) => file.includes("node_modules")));
    assert.deepEqual(problems.map(({ name, given }) => `${name} ${String(given)}`).sort(), [
      "call undefined",
      "login true",
      "one undefined",
    ]);
    assert.match(problems.find(({ name }) => name === "login")?.message ?? "", /keys\.json needs your value/);
    assert.deepEqual(
      parts.filter(({ kind }) => kind === "plugins").map(({ name }) => name),
      ["two"],
    );
    assert.doesNotMatch(JSON.stringify(parts), /encrypted v=/);
  });

  it("names what needs the user's value without the key, or with another one, and gives no ciphertext", () => {
    for (const [wrong, why] of [
      [undefined, "there is no key"],
      [other, "with another key"],
    ] as const) {
      const { parts, problems } = readLibrary(root, wrong);
      const words = problems.map(({ name, message, given }) => `${name} ${String(given)}: ${message}`).sort();
      for (const [index, name] of ["local undefined", "login true", "remote undefined", "style true"].entries())
        assert.ok(
          words[index]?.startsWith(name) && words[index].includes("needs your value") && words[index].includes(why),
        );
      assert.doesNotMatch(JSON.stringify(parts), /encrypted v=/);
      assert.match(parts.find(({ name }) => name === "login")?.texts?.["SKILL.md"] ?? "", /\[needs your value\]/);
      assert.deepEqual(readTemplate(root, "web", wrong).secrets, { TOKEN: undefined });
    }
  });

  it("keeps them as they are when a server is changed without the key", () => {
    const path = join(root, "mcp", "servers.json");
    const before = JSON.parse(readFileSync(path, "utf8")) as Record<string, object>;
    changeServer(path, "local", { enabled: false });
    const after = JSON.parse(readFileSync(path, "utf8")) as Record<string, object>;
    assert.deepEqual(after, { ...before, local: { ...before["local"], enabled: false } });
    assert.equal(readServers(path, key).servers.length, 2);
  });

  it("has its key among the secrets of the machine, or from the environment, and takes none that is none", async () => {
    const store = fileSecrets(join(root, "secrets.json"));
    const kept = new LibraryKey(store);
    await assert.rejects(kept.required(), { code: "library_locked" });
    await assert.rejects(kept.set("nonsense"), { code: "invalid_input" });
    await kept.set(` ${hex}\n`);
    assert.deepEqual([await kept.text(), Buffer.from(await kept.required())], [hex, Buffer.from(key)]);
    const given = newKey();
    assert.equal(await new LibraryKey(withLibraryKey(store, given)).text(), given);
    assert.equal(await new LibraryKey(withLibraryKey(store, " ")).text(), hex);
    assert.throws(() => withLibraryKey(store, "nonsense"), { code: "invalid_input" });
    await kept.set(undefined);
    assert.equal(await kept.text(), undefined);
  });
});
