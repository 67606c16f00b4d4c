import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import { fields, optionalText } from "../../base/fields.ts";
import type { DesktopAction } from "../../protocol/desktopPage.ts";
import type { Handler, Parts } from "../commands.ts";
import type { DesktopWindows } from "./desktops.ts";

const sizes = ["1280x720", "1920x1080", "1024x768", "1600x900", "390x844"];

/** The commands about desktops of agents. */
export function desktopHandlers(windows: DesktopWindows): Readonly<Record<string, Handler>> {
  const onDesktop =
    (title: string, run: (parts: Parts, desktopId: string) => Promise<unknown>): Handler =>
    async (parts, argument) => {
      const desktopId = await desktopOf(parts, windows, argument, title);
      if (desktopId !== undefined) await run(parts, desktopId);
    };
  /** What the page in front does with its desktop. */
  const onPage =
    (action: DesktopAction): Handler =>
    ({ panels }) => {
      const { active } = windows;
      if (active) active.act(action);
      else if (panels.nearest) panels.nearest.actOnDesktop(action);
      else throw new OpenAgentError("invalid_input", "Open a mission with a desktop first.");
      return Promise.resolve();
    };
  return {
    showDesktop: onDesktop("Show Which Desktop?", async ({ app, panels }, desktopId) => {
      const { missionId } = (await app.core()).desktops.find(desktopId);
      if (missionId === undefined) await windows.open(desktopId);
      else (await panels.open(missionId, { preview: false })).showDesktop(desktopId);
    }),
    openDesktopWindow: onDesktop("Open Which Desktop?", (_parts, desktopId) => windows.open(desktopId)),
    closeDesktop: onDesktop("Close Which Desktop?", async ({ app }, desktopId) => {
      const { missionId } = (await app.core()).desktops.find(desktopId);
      const head = missionId === undefined ? undefined : (await app.core()).store.head(missionId);
      if (head?.runState !== undefined && head.runState !== "idle") {
        const detail = "Its agent is at work and may be using it. All programs in it end.";
        const sure = await vscode.window.showWarningMessage("Close the desktop?", { modal: true, detail }, "Close");
        if (sure === undefined) return;
      }
      await app.run("endDesktop", { desktopId });
    }),
    keepDesktop: onDesktop("Keep Which Desktop?", async ({ app }, desktopId) => {
      const hours = (count: number, label: string) => ({ label, seconds: count * 3600 });
      const items = [hours(2, "2 hours"), hours(8, "8 hours"), hours(24, "1 day"), hours(24 * 7, "1 week")];
      const chosen = await vscode.window.showQuickPick(items, { title: "Keep the Desktop for" });
      if (chosen) await app.run("keepDesktop", { desktopId, seconds: chosen.seconds });
    }),
    resizeDesktop: onDesktop("Change the Size of Which Desktop?", async ({ app }, desktopId) => {
      const other = "Other…";
      const title = "Size of the Desktop";
      const chosen = await vscode.window.showQuickPick([...sizes, other], { title });
      const prompt = "Width and height in pixels, such as 1440x900";
      const size = chosen === other ? await vscode.window.showInputBox({ title, prompt }) : chosen;
      if (size !== undefined) await app.run("resizeDesktop", { desktopId, size });
    }),
    saveDesktopPicture: onDesktop("Save a Screenshot of Which Desktop?", async ({ app }, desktopId) => {
      const png = await (await app.core()).desktops.picture(desktopId);
      const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
      const name = `desktop-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.png`;
      const target = await vscode.window.showSaveDialog({
        title: "Save Screenshot",
        filters: { PNG: ["png"] },
        ...(folder && { defaultUri: vscode.Uri.joinPath(folder, name) }),
      });
      if (!target) return;
      await vscode.workspace.fs.writeFile(target, png);
      await vscode.commands.executeCommand("vscode.open", target);
    }),
    controlDesktop: onPage("control"),
    pauseDesktop: onPage("pause"),
    fitDesktop: onPage("fit"),
    desktopPictureInPicture: onPage("pictureInPicture"),
  };
}

/** The desktop that a command is about: the one it was called on, the one in view, else one that is asked for. */
async function desktopOf(
  { app, panels, missions }: Parts,
  windows: DesktopWindows,
  argument: unknown,
  title: string,
): Promise<string | undefined> {
  const named = optionalText(fields(argument)["desktopId"]) ?? windows.active?.desktopId;
  if (named !== undefined) return named;
  const { desktops, store } = await app.core();
  const missionId =
    optionalText(fields(argument)["missionId"]) ?? panels.active?.missionId ?? missions.selection[0]?.missionId;
  const all = desktops.list();
  const own = all.filter((desktop) => missionId !== undefined && desktop.missionId === missionId);
  const found = own.length > 0 ? own : all;
  if (found.length === 0)
    throw new OpenAgentError("desktop_not_found", "No desktop runs. An agent that has the tools starts one itself.");
  if (found.length === 1) return found[0]?.id;
  const items = found.map(({ id, display, size, missionId: owner }) => ({
    label: owner === undefined ? "No mission" : store.head(owner).title,
    description: `${display} · ${size}`,
    id,
  }));
  return (await vscode.window.showQuickPick(items, { title }))?.id;
}
