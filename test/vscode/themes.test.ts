import assert from "node:assert/strict";
import * as vscode from "vscode";
import { bash } from "../fake/scenarios.ts";
import { lineScript } from "../fake/script.ts";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import { closeTabs, launch, page, panelShows, turnsEnd } from "./steps.ts";

const source = `/** One. */
import type { A } from "a";
export class B extends A { c = 1; } // two
function d(e: string): boolean { return /f/.test(e) && true; }
const a = 1;
`;

const themes = [
  ["Dark Modern", "vscode-dark"],
  ["Light Modern", "vscode-light"],
  ["Default High Contrast", "vscode-high-contrast"],
  ["Default High Contrast Light", "vscode-high-contrast-light"],
] as const;

/** Texts whose contrast against what is painted behind them is below 4.5:1. An expression for the page. */
const faint = `(() => {
  const parse = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, under) => {
    const mix = (name) => top[name] * top.a + under[name] * (1 - top.a);
    return { r: mix("r"), g: mix("g"), b: mix("b"), a: 1 };
  };
  const background = (element) => {
    if (!element) return parse(getComputedStyle(document.body).backgroundColor);
    const own = parse(getComputedStyle(element).backgroundColor);
    return own.a === 1 ? own : over(own, background(element.parentElement));
  };
  const luminance = (colour) => {
    const [r, g, b] = ["r", "g", "b"].map((name) => {
      const value = colour[name] / 255;
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const shown = [...document.querySelectorAll("#root *")].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "") &&
    element.checkVisibility() && !element.closest(".visually-hidden, :disabled"));
  return {
    texts: shown.length,
    faint: shown.flatMap((element) => {
      const under = background(element);
      const text = over(parse(getComputedStyle(element).color), under);
      const [low, high] = [luminance(text), luminance(under)].sort((one, other) => one - other);
      const ratio = (high + 0.05) / (low + 0.05);
      return ratio < 4.5 ? [element.className + " " + element.textContent.slice(0, 30) + " " + ratio.toFixed(2)] : [];
    }),
  };
})()`;

describe("the themes", () => {
  const configuration = () => vscode.workspace.getConfiguration("workbench");
  const select = (theme: string | undefined) =>
    configuration().update("colorTheme", theme, vscode.ConfigurationTarget.Global);

  before(async () => {
    await closeTabs();
    await launch(
      lineScript(
        "Show all there is",
        {
          reasoning: "I think.",
          text: "Some `code` and a [link](README.md).\n\n> quoted",
          tool: "write",
          args: { filePath: "$CWD/theme.ts", content: source },
        },
        { tool: "edit", args: { filePath: "$CWD/theme.ts", oldString: "a = 1", newString: "a = 2" } },
        bash("printf '\\\\033[31mred\\\\033[0m plain\\\\n'"),
        { tool: "nonexistent", args: {} },
        bash("touch theme.txt"),
        { text: "Done." },
      ),
    );
    await panelShows(".card.request", "touch theme.txt");
    await driver.evaluateInWebview(page, "document.querySelectorAll('.fold > .line').forEach((line) => line.click())");
    await panelShows(".diff .added", "const a = 2");
  });

  after(async () => {
    await select(undefined);
    await driver.clickInWebview(page, ".card.request button >> text=Allow Once");
    await turnsEnd(1);
  });

  for (const [theme, kind] of themes)
    it(`can be read in ${theme}`, async () => {
      await select(theme);
      await eventually(
        () => driver.evaluateInWebview(page, "document.body.className"),
        (names) => String(names).split(" ").includes(kind),
      );
      const found = (await driver.evaluateInWebview(page, faint)) as { texts: number; faint: string[] };
      await driver.screenshot(`theme-${kind}`);
      assert.ok(found.texts > 20, String(found.texts));
      assert.deepEqual(found.faint, []);
    });
});
