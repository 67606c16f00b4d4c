import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { bash } from "../fake/scenarios.ts";
import { lineScript } from "../fake/script.ts";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import { closeTabs, inPanel, launch, missionTree, page, panelShows, showMissions, tabs, turnsEnd } from "./steps.ts";

const treeRow = (title: string) => `${missionTree} .monaco-list-row:has-text("${title}")`;
/** What would show itself if it ever became more than text. */
const evil = (place: string) =>
  `<script>top.pwned="${place}"</script><img src=x onerror="top.pwned='${place}'"><b class=evil>${place}</b>`;

describe("the mission panel", () => {
  before(showMissions);
  beforeEach(closeTabs);
  afterEach(() => driver.resize(1400, 900));

  it("gives its place to the next mission that is only looked at", async () => {
    for (const name of ["Look one", "Look two"]) {
      await launch(lineScript(name, { text: name }));
      await turnsEnd(1);
      await closeTabs();
    }
    await driver.click(treeRow("Look one"));
    await panelShows(".answer", "Look one");
    await driver.click(treeRow("Look two"));
    await panelShows(".answer", "Look two");
    assert.equal(tabs().length, 1);
    await driver.fillInWebview(page, ".composer textarea", "a draft");
    await driver.click(treeRow("Look one"));
    await eventually(tabs, (titles) => titles.length === 2);
    await driver.click(treeRow("Look two"));
    await eventually(
      () => driver.evaluateInWebview(".composer textarea", "document.querySelector('h1').textContent"),
      (title) => String(title).startsWith("Look"),
    );
    assert.equal(tabs().length, 2);
  });

  it("shows markup in any field of a transcript as text", async () => {
    const todos = [{ content: evil("todo"), status: "pending", priority: "high" }];
    const option = { label: evil("option"), description: evil("description") };
    const question = { question: evil("question"), header: evil("header"), options: [option, option], multiple: true };
    const file = `<b class=evil>.txt`;
    const link = "[a](javascript:top.pwned='link') ![b](https://evil.example/x.png) <a href=\"command:quit\">c</a>";
    await launch(
      lineScript(
        evil("title"),
        { reasoning: evil("reasoning"), text: `${evil("text")}\n\nSee ${link}`, tool: "todowrite", args: { todos } },
        { tool: "write", args: { filePath: `$CWD/${file}`, content: evil("content") } },
        { tool: "edit", args: { filePath: `$CWD/${file}`, oldString: evil("content"), newString: evil("edit") } },
        bash(`printf '%s' ${JSON.stringify(evil("output"))}`),
        { tool: evil("tool"), args: {} },
        bash(`touch ${JSON.stringify(evil("permission"))}`),
        { tool: "question", args: { questions: [question] } },
        { fail: { status: 400, times: 99, body: { error: { message: evil("failure") } } } },
      ),
    );
    await panelShows(".card.request", "permission");
    await assertInert("permission");
    await driver.clickInWebview(page, ".card.request button >> text=Deny…");
    await driver.fillInWebview(page, ".card.request input", evil("reason"));
    await driver.press("Enter");
    await panelShows(".card.request legend", "question");
    await assertInert("question");
    await driver.clickInWebview(page, ".card.request .option input");
    await driver.clickInWebview(page, ".card.request button >> text=Answer");
    await panelShows(".failure .message", "failure");
    await driver.evaluateInWebview(page, "document.querySelectorAll('.fold > .line').forEach((line) => line.click())");
    await eventually(
      () => inPanel(".fold > .body .note"),
      (notes) => !notes.includes("Loading…"),
    );
    await assertInert("failure");
    const shown = (await inPanel(".content")).join("\n");
    for (const place of ["title", "reasoning", "text", "content", "edit", "output", "tool", "reason", "failure"])
      assert.ok(shown.includes(`>${place}</b>`), `${place} is not shown as it is`);
    assert.deepEqual(await driver.texts(".evil"), []);
    await driver.screenshot("panel-markup");
  });

  async function assertInert(when: string): Promise<void> {
    const found = await driver.evaluateInWebview(
      page,
      `({
        pwned: top.pwned ?? window.pwned ?? null,
        scripts: document.querySelectorAll("#root script, #root img, #root iframe, #root .evil").length,
        handlers: [...document.querySelectorAll("#root *")].filter((element) =>
          [...element.attributes].some(({ name, value }) => /^on|^style$/.test(name) && !element.matches("textarea")
            || /^(javascript|command):/.test(value))).map((element) => element.outerHTML.slice(0, 200)),
      })`,
    );
    assert.deepEqual(found, { pwned: null, scripts: 0, handlers: [] }, when);
  }

  it("keeps to its strict content security policy", async () => {
    await launch(lineScript("A short one", { text: "Short." }));
    await turnsEnd(1);
    const policy = String(
      await driver.evaluateInWebview(
        page,
        "document.querySelector('meta[http-equiv=Content-Security-Policy]').getAttribute('content')",
      ),
    );
    assert.match(policy, /^default-src 'none'; script-src 'nonce-[\w-]{22}'; /);
    assert.doesNotMatch(policy, /unsafe|connect-src|(script|img)-src[^;]*https?:/);
    assert.deepEqual(await driver.policyViolations(), []);
    // A script that came into the page would not run, and would be noticed.
    const inject = `(() => {
      const script = document.createElement("script");
      script.textContent = "window.injected = true";
      document.body.append(script);
      return window.injected === undefined;
    })()`;
    assert.equal(await driver.evaluateInWebview(page, inject), true);
    const [violation] = await eventually(driver.policyViolations, (found) => found.length === 1);
    assert.match(violation ?? "", /inline script/);
  });

  it("is worked by the keyboard alone", async () => {
    await launch("A mission to walk through [[mission]]");
    await turnsEnd(1);
    const focused = (expression: string) =>
      driver.evaluateInWebview(page, `(() => { const at = document.activeElement; return ${expression}; })()`);
    const isComposer = () => focused("at.matches('.composer textarea')");
    await driver.clickInWebview(page, ".composer textarea");
    assert.equal(await isComposer(), true);
    await driver.press("Escape");
    assert.equal(await focused("at.closest('.item').classList.contains('answer')"), true);
    await driver.press("ArrowUp");
    assert.equal(await focused("at.matches('.fold > .line')"), true);
    const label = await focused("at.getAttribute('aria-label')");
    await driver.press("Enter");
    await eventually(
      () => focused("at.getAttribute('aria-expanded')"),
      (value) => value === "true",
    );
    await driver.press("ArrowLeft");
    await eventually(
      () => focused("at.getAttribute('aria-expanded')"),
      (value) => value === "false",
    );
    await driver.press("ArrowRight");
    await eventually(
      () => focused("at.getAttribute('aria-expanded')"),
      (value) => value === "true",
    );
    await driver.press("ArrowUp");
    await driver.press("ArrowDown");
    assert.equal(await focused("at.getAttribute('aria-label')"), label);
    await driver.press("Escape");
    assert.equal(await isComposer(), true);
  });

  it("names its landmarks, headings, controls and live regions for assistive technology", async () => {
    await launch(lineScript("Ask to touch", bash("touch spoken.txt"), { text: "Spoken." }));
    await panelShows(".card.request h3", "Wants to run");
    const found = await driver.evaluateInWebview(
      page,
      `({
        landmarks: ["header", "main", "footer"].filter((name) => !document.querySelector(name)),
        headings: [...document.querySelectorAll("h1, h2, h3")].map((heading) => heading.tagName),
        alert: document.querySelector(".card.request").getAttribute("role"),
        live: document.querySelectorAll("[aria-live=polite]").length,
        status: document.querySelectorAll("[role=status]").length,
        nameless: [...document.querySelectorAll("button, textarea, input")].filter((control) =>
          !(control.textContent.trim() || control.getAttribute("aria-label") || control.labels?.length))
          .map((control) => control.outerHTML),
        spokenIcons: document.querySelectorAll(".codicon:not([aria-hidden=true])").length,
        language: document.documentElement.lang,
      })`,
    );
    assert.deepEqual(found, {
      landmarks: [],
      headings: ["H1", "H2", "H3"],
      alert: "alert",
      live: 1,
      status: 1,
      nameless: [],
      spokenIcons: 0,
      language: "en",
    });
    await driver.clickInWebview(page, ".card.request button >> text=Allow Once");
    await turnsEnd(1);
    const spoken = await driver.evaluateInWebview(page, "document.querySelector('[aria-live=polite]').textContent");
    assert.equal(spoken, "Ran touch spoken.txt");
  });

  it("fits into a narrow column", async () => {
    await launch("A mission in a narrow column [[mission]]");
    await turnsEnd(1);
    await driver.resize(620, 700);
    const overflow = await driver.evaluateInWebview(
      page,
      `[...document.querySelectorAll("header, main, footer, main *:not(pre *, .diff *)")].filter((element) =>
         element.getBoundingClientRect().right > innerWidth + 1).map((element) => element.outerHTML.slice(0, 100))`,
    );
    await driver.screenshot("panel-narrow");
    assert.deepEqual(overflow, []);
  });

  it("takes every colour from the theme", () => {
    const root = vscode.extensions.getExtension("open-agent.open-agent")?.extensionPath ?? "";
    const styles = readFileSync(join(root, "webview", "styles.css"), "utf8");
    assert.match(styles, /var\(--vscode-/);
    const colours = styles.match(
      /#[0-9a-f]{3,8}\b(?!.*\{)|\b(?:rgba?|hsla?|oklch|color-mix)\(|:\s*(?:white|black|red|gr[ae]y)\b/gi,
    );
    assert.deepEqual(colours, null);
  });
});
