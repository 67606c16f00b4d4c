import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { packageExtension } from "../host/built.ts";
import { makeScene, type Scene } from "./scene.ts";

describe("the package", function () {
  this.timeout(180_000);
  let scene: Scene;
  before(async () => {
    scene = await makeScene();
  });
  after(() => scene.close());

  it("holds only what runs and what the Marketplace shows", () => {
    const { extensions } = scene.editor.dirs;
    const folder = readdirSync(extensions).find((name) => name.startsWith("open-agent.open-agent"));
    assert.ok(folder);
    const files = readdirSync(join(extensions, folder), { recursive: true, encoding: "utf8", withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(join(extensions, folder).length + 1));
    const expected = [
      /^(package\.json|readme\.md|changelog\.md|LICENSE\.txt|\.vsixmanifest)$/,
      /^media\/([\w-]+\.svg|mission\.png)$/,
      /^media\/walkthrough\/\w+\.md$/,
      /^media\/starter\/[\w./-]+\.(md|json|sh)$/,
      /^media\/schemas\/\w+\.json$/,
      /^dist\/(extension|core|headless|jpeg)\.cjs$/,
      /^dist\/(guard|launch|toolPackage)\.js$/,
      /^dist\/bridge\.js$/,
      /^dist\/egress\.js$/,
      /^dist\/(workspace|desktop|browser)Mcp\.js$/,
      /^dist\/webview\/(main\.css|codicon\.ttf)$/,
      /^dist\/webview\/(main|desktops|viewer)\.js$/,
      new RegExp(`^dist/native/${process.platform}-${process.arch}\\.node$`),
    ];
    const unexpected = files.filter((file) => !expected.some((pattern) => pattern.test(file)));
    const absent = expected.filter((pattern) => !files.some((file) => pattern.test(file)));
    assert.deepEqual({ unexpected, absent }, { unexpected: [], absent: [] });
  });

  it("is small", () => {
    const size = statSync(packageExtension()).size;
    assert.ok(size <= 2.5 * 2 ** 20, `${String(size)} bytes`);
  });
});
