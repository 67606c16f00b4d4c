import { dirname, relative, resolve } from "node:path";
import js from "@eslint/js";
import { globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/**
 * Who may import whom. A folder may import itself, the folders of `may`, and the packages of `packages`; Node's own
 * modules are free to all but those with `browser`. The first folder that a file is in counts, so a file before its
 * folder. A file in no folder of this list is an error, and so is a package that is not named here.
 */
const layers = [
  { folder: "src/base", may: [], packages: ["jsonc-parser"] },
  { folder: "src/protocol", may: ["src/base"], browser: true },
  { folder: "src/store", may: ["src/base", "src/protocol"], packages: ["better-sqlite3"] },
  {
    folder: "src/opencode",
    may: ["src/base", "src/protocol"],
    packages: ["@opencode-ai/sdk", "eventsource", "undici", "zod"],
  },
  {
    folder: "src/library",
    may: ["src/base", "src/protocol"],
    packages: ["fflate", "jsonc-parser", "simple-git", "yaml", "yauzl", "zod"],
  },
  { folder: "src/workspace", may: ["src/base", "src/protocol"], packages: ["zod"] },
  { folder: "src/desktop", may: ["src/base", "src/protocol"] },
  {
    folder: "src/mcp/desktop",
    may: ["src/base", "src/protocol", "src/desktop", "src/mcp"],
    packages: ["@modelcontextprotocol/server", "dbus-native", "zod"],
  },
  { folder: "src/mcp/browser", may: ["src/base", "src/desktop", "src/mcp", "src/mcp/desktop"] },
  { folder: "src/mcp/library", may: ["src/base", "src/protocol", "src/library", "src/mcp"] },
  { folder: "src/mcp", may: ["src/base", "src/protocol"], packages: ["@modelcontextprotocol/server", "zod"] },
  {
    folder: "src/orchestrator",
    may: ["src/base", "src/protocol", "src/store", "src/opencode", "src/library", "src/workspace", "src/desktop"],
    packages: ["zod"],
  },
  {
    folder: "src/api",
    may: ["src/base", "src/protocol", "src/orchestrator"],
    packages: ["hono", "@cornerstonejs/codec-libjpeg-turbo-8bit", "@hono/node-server", "ws", "zod"],
  },
  { folder: "src/ui", may: ["src/base", "src/protocol", "src/orchestrator"], packages: ["vscode", "zod"] },
  { folder: "src/extension.ts", may: ["src/base", "src/protocol", "src/ui"], packages: ["vscode"] },
  { folder: "src/cli", may: ["src/base", "src/protocol", "src/orchestrator", "src/api"] },
  {
    folder: "src/headless.ts",
    may: ["src/base", "src/protocol", "src/orchestrator", "src/api", "src/cli"],
  },
  {
    folder: "webview",
    may: ["src/base", "src/protocol"],
    packages: ["@novnc/novnc", "preact", "@preact/signals", "marked", "dompurify", "highlight.js", "anser"],
    browser: true,
  },
  { folder: "test", may: ["src", "webview"], any: true },
];

const layerOf = (path) => layers.find(({ folder }) => path === folder || path.startsWith(`${folder}/`));

const layering = {
  create(context) {
    const path = relative(import.meta.dirname, context.filename).replaceAll("\\", "/");
    const layer = layerOf(path);
    const check = (source) => {
      if (!layer || layer.any || typeof source?.value !== "string") return;
      const wrong = wrongImport(layer, path, source.value);
      if (wrong) context.report({ node: source, message: wrong });
    };
    return {
      Program(node) {
        if (!layer) context.report({ node, message: `${path} is in no layer of eslint.config.mjs` });
      },
      ImportDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
    };
  },
};

function wrongImport(layer, path, specifier) {
  if (specifier.startsWith("node:"))
    return layer.browser ? `${layer.folder} runs in the page: no ${specifier}` : undefined;
  if (!specifier.startsWith(".")) {
    const name = specifier
      .split("/")
      .slice(0, specifier.startsWith("@") ? 2 : 1)
      .join("/");
    return layer.packages?.includes(name) ? undefined : `${layer.folder} may not import the package ${name}`;
  }
  const target = relative(import.meta.dirname, resolve(dirname(path), specifier)).replaceAll("\\", "/");
  const into = layerOf(target)?.folder ?? target;
  return into === layer.folder || layer.may.includes(into) ? undefined : `${layer.folder} may not import ${into}`;
}

export default tseslint.config(
  globalIgnores(["dist", "out", "node_modules"]),
  js.configs.recommended,
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { local: { rules: { layering } } },
    rules: {
      "local/layering": "error",
      "no-restricted-syntax": [
        "error",
        { selector: "TSEnumDeclaration", message: "States are string-tagged unions." },
        { selector: "CatchClause > BlockStatement[body.length=0]", message: "Say what the error means here." },
      ],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_$" }],
      "@typescript-eslint/dot-notation": "off",
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      "max-lines": ["error", 500],
    },
  },
  {
    files: ["**/*.mjs"],
    languageOptions: {
      globals: {
        process: "readonly",
        console: "readonly",
        URL: "readonly",
        setTimeout: "readonly",
        setInterval: "readonly",
      },
    },
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      // mocha's describe and it return what nobody waits for.
      "@typescript-eslint/no-floating-promises": ["error", { allowForKnownSafeCalls: [] }],
      "@typescript-eslint/no-unused-expressions": "off",
    },
  },
);
