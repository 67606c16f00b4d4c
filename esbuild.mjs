// Builds what runs into dist/.
//   node esbuild.mjs [--watch]
//   node esbuild.mjs --package [--target linux-x64]    also packs it as a .vsix, for one platform or for all
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { context } from "esbuild";

const packaging = process.argv.includes("--package");
const watch = process.argv.includes("--watch");
const target = process.argv.includes("--target") ? process.argv[process.argv.indexOf("--target") + 1] : undefined;
const root = import.meta.dirname;
const dist = join(root, "dist");

/** The extension loads the core only when something first needs it, so that activation stays cheap. */
const lazyCore = {
  name: "lazy-core",
  setup(build) {
    build.onResolve({ filter: /\/orchestrator\/index\.ts$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: "./core.cjs", external: true } : undefined,
    );
  },
};

/** The headless program needs it at once, and shares it. */
const sharedCore = {
  name: "shared-core",
  setup(build) {
    build.onResolve({ filter: /\/orchestrator\/index\.ts$/ }, () => ({ path: "./core.cjs", external: true }));
  },
};

/** What schemas say is read in English; zod brings fifty languages along, in each bundle. */
const onlyEnglish = {
  name: "only-english",
  setup(build) {
    build.onLoad({ filter: /[/\\]zod[/\\]v4[/\\]locales[/\\]index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
      loader: "js",
    }));
  },
};

/** MCP's package checks against schemas in JSON what only questions to users need; our tools have zod. */
const noJsonSchemas = {
  name: "no-json-schemas",
  setup(build) {
    build.onLoad({ filter: /[/\\]server[/\\]dist[/\\]shimsNode\.mjs$/ }, () => ({
      contents: `export { default as process } from "node:process";
        export class DefaultJsonSchemaValidator {
          getValidator() { throw new Error("There is no check of JSON schemas in this build."); }
        }`,
      loader: "js",
    }));
  },
};

/** D-Bus's package reads descriptions of objects as XML, which we ask nobody for. */
const noDescriptions = {
  name: "no-descriptions",
  setup(build) {
    build.onLoad({ filter: /[/\\]xml2js[/\\]lib[/\\]xml2js\.js$/ }, () => ({ contents: "" }));
  },
};

/** A program for WebAssembly packs twice as well by Brotli, which Node.js unpacks, as by the package's own means. */
const packedWasm = {
  name: "packed-wasm",
  setup(build) {
    build.onLoad({ filter: /\.wasm$/ }, ({ path }) => ({
      contents: brotliCompressSync(readFileSync(path)),
      loader: "binary",
    }));
  },
};

const { name, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const common = {
  absWorkingDir: root,
  bundle: true,
  minify: packaging,
  sourcemap: packaging ? false : "linked",
  legalComments: "none",
  logLevel: "info",
};
// Of packages that come in two forms, the one that can be bundled.
const mainFields = ["module", "main"];
const node = {
  ...common,
  platform: "node",
  format: "cjs",
  target: "node22",
  mainFields,
  plugins: [onlyEnglish, noJsonSchemas, noDescriptions],
};

const bundles = [
  {
    ...node,
    entryPoints: ["src/extension.ts"],
    outfile: "dist/extension.cjs",
    external: ["vscode"],
    plugins: [lazyCore, onlyEnglish],
  },
  { ...node, entryPoints: ["src/orchestrator/index.ts"], outfile: "dist/core.cjs" },
  // Without `vscode` among the externals, a use of it fails the build.
  {
    ...node,
    entryPoints: ["src/headless.ts"],
    outfile: "dist/headless.cjs",
    plugins: [sharedCore, onlyEnglish],
    define: { OPEN_AGENT_VERSION: JSON.stringify(version) },
    banner: { js: "#!/usr/bin/env node" },
  },
  // Makes JPEGs, in a thread of the headless program's server.
  {
    ...node,
    entryPoints: ["src/api/jpegWorker.ts"],
    outfile: "dist/jpeg.cjs",
    plugins: [onlyEnglish, packedWasm],
    sourcemap: false,
  },
  // The two ends of a container's connections. The bridge runs on OpenCode's own runtime, with what the container has.
  { ...node, entryPoints: ["src/opencode/egress.ts"], outfile: "dist/egress.js", format: "esm", sourcemap: false },
  { ...node, entryPoints: ["src/opencode/bridge.ts"], outfile: "dist/bridge.js", format: "esm", sourcemap: false },
  // Starts what runs in a container for an OpenCode outside of it. Runs where the bridge does.
  { ...node, entryPoints: ["src/opencode/launch.ts"], outfile: "dist/launch.js", format: "esm", sourcemap: false },
  // Stands in for the package that tools import from.
  {
    ...common,
    entryPoints: ["src/opencode/toolPackage.ts"],
    outfile: "dist/toolPackage.js",
    format: "esm",
    platform: "neutral",
    minify: true,
    sourcemap: false,
    plugins: [onlyEnglish],
  },
  // The tools of a workspace. Runs where the bridge does, or on Node.js.
  {
    ...node,
    entryPoints: ["src/mcp/main.ts"],
    outfile: "dist/workspaceMcp.js",
    format: "esm",
    sourcemap: false,
    define: { OPEN_AGENT_VERSION: JSON.stringify(version) },
  },
  // A desktop for the agent. Runs where the tools of a workspace do.
  {
    ...node,
    entryPoints: ["src/mcp/desktop/main.ts"],
    outfile: "dist/desktopMcp.js",
    format: "esm",
    sourcemap: false,
    // For the package that speaks D-Bus, which is no module.
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
    define: { OPEN_AGENT_VERSION: JSON.stringify(version) },
  },
  // A browser on it, by Playwright. Runs there too.
  {
    ...node,
    entryPoints: ["src/mcp/browser/main.ts"],
    outfile: "dist/browserMcp.js",
    format: "esm",
    sourcemap: false,
    define: { OPEN_AGENT_VERSION: JSON.stringify(version) },
  },
  // What an agent may do to the Library. Runs on OpenCode's own runtime, where an OpenCode outside of a container does.
  {
    ...node,
    entryPoints: ["src/mcp/library/main.ts"],
    outfile: "dist/libraryMcp.js",
    format: "esm",
    sourcemap: false,
    define: { OPEN_AGENT_VERSION: JSON.stringify(version) },
  },
  // Runs inside OpenCode.
  {
    ...common,
    entryPoints: ["src/opencode/guard.ts"],
    outfile: "dist/guard.js",
    format: "esm",
    platform: "neutral",
    sourcemap: false,
  },
  {
    ...common,
    entryPoints: [
      { in: "webview/main.tsx", out: "main" },
      { in: "webview/desktops.tsx", out: "desktops" },
      { in: "webview/styles.css", out: "main" },
    ],
    outdir: "dist/webview",
    platform: "browser",
    format: "iife",
    target: "es2023",
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".ttf": "file" },
    assetNames: "[name]",
    tsconfig: "webview/tsconfig.json",
  },
  // The viewer of desktops waits for what the browser can do before it is there, which only a module may.
  {
    ...common,
    entryPoints: ["webview/viewer.ts"],
    outfile: "dist/webview/viewer.js",
    platform: "browser",
    format: "esm",
    target: "es2023",
    tsconfig: "webview/tsconfig.json",
  },
];

rmSync(dist, { recursive: true, force: true });
mkdirSync(join(dist, "native"), { recursive: true });
const prebuilds = join(root, "node_modules", "better-sqlite3", "prebuilds");
const wanted = target && `${target.replace(/^alpine/, "linuxmusl")}.node`;
const binaries = readdirSync(prebuilds).filter((name) => wanted === undefined || name === wanted);
if (binaries.length === 0)
  throw new Error(`better-sqlite3 has no binary for ${target}: ${readdirSync(prebuilds).join(" ")}`);
for (const name of binaries) copyFileSync(join(prebuilds, name), join(dist, "native", name));

for (const options of bundles) {
  const built = await context(options);
  await built.rebuild();
  if (watch) await built.watch();
  else await built.dispose();
}

if (packaging) {
  const out = join("out", `${name}${target ? `-${target}` : ""}-${version}.vsix`);
  mkdirSync(join(root, "out"), { recursive: true });
  const vsce = join(root, "node_modules", "@vscode", "vsce", "vsce");
  const options = [
    "--no-dependencies",
    "--allow-missing-repository",
    "--no-rewrite-relative-links",
    "--out",
    out,
    ...(target ? ["--target", target] : []),
  ];
  execFileSync(process.execPath, [vsce, "package", ...options], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  console.log(out);
}
