import { basename } from "node:path";
import { fields, list, number, optionalText, text, type Fields } from "../base/fields.ts";
import type { DesktopUse } from "../protocol/desktop.ts";
import type { ToolCard } from "../protocol/event.ts";

/**
 * The name of a desktop's tool without the key of its MCP server, which OpenCode puts before it; undefined for all other
 * tools. A session is stopped or closed, by whichever name.
 */
export function desktopTool(tool: string): string | undefined {
  return /(?:^|_)(desktop_(?:[a-z0-9]+_session|computer|screenshot|type|click|mouse_move|scroll|i3_command|get_text))$/.exec(
    tool,
  )?.[1];
}

/** What a finished call had to do with a desktop; undefined where it says nothing of one, or failed. */
export function desktopUse(name: string, input: Fields, output: unknown): DesktopUse | undefined {
  const said = resultFields(output);
  const display = optionalText(said["display"]) ?? optionalText(input["display"]);
  switch (name) {
    case "desktop_start_session": {
      const started = optionalText(said["display"]);
      if (started === undefined || said["success"] === false) return undefined;
      const folder = optionalText(said["folder"]);
      return { action: "started", id: folder === undefined ? started : basename(folder), display: started };
    }
    case "desktop_stop_session":
    case "desktop_close_session":
      return said["success"] === false ? undefined : { action: "stopped", ...(display !== undefined && { display }) };
    default:
      return { action: "used", ...(display !== undefined && { display }) };
  }
}

/** What a tool has answered: an object, its text in JSON, or the content of an MCP answer that has one of these. */
function resultFields(output: unknown, depth = 0): Fields {
  if (depth > 3) return {};
  if (typeof output === "string") {
    try {
      return resultFields(JSON.parse(output) as unknown, depth + 1);
    } catch {
      // Words for the agent: they tell of no session.
      return {};
    }
  }
  const content = Array.isArray(output) ? output : fields(output)["content"];
  if (!Array.isArray(content)) return fields(output);
  const texts = list(content).map((item) => resultFields(fields(item)["text"], depth + 1));
  return texts.find((found) => Object.keys(found).length > 0) ?? {};
}

/** How a call of a desktop's tool is drawn. */
export function desktopCard(name: string, input: Fields): Pick<ToolCard, "icon" | "doing" | "done" | "object"> {
  const at = (x: unknown, y: unknown) => (typeof x === "number" ? `${String(x)}, ${String(number(y))}` : "");
  const card = (icon: string, doing: string, done: string, object = "") => ({ icon, doing, done, object });
  const display = text(input["display"]);
  switch (name) {
    case "desktop_start_session": {
      const url = optionalText(input["url"]);
      const object = url ?? (input["launch_browser"] === true ? "a desktop with a browser" : "a desktop");
      return card("device-desktop", "Starting", "Started", object);
    }
    case "desktop_stop_session":
    case "desktop_close_session":
      return card("device-desktop", "Stopping", "Stopped", `the desktop ${display}`.trim());
    case "desktop_screenshot":
      return card("device-camera", "Looking at", "Looked at", `the desktop ${display}`.trim());
    case "desktop_get_text":
      return card("device-camera", "Reading", "Read", `the desktop ${display}`.trim());
    case "desktop_click":
      return card("inspect", "Clicking", "Clicked", at(input["x"], input["y"]));
    case "desktop_mouse_move":
      return card("inspect", "Pointing", "Pointed", at(input["x"], input["y"]));
    case "desktop_scroll":
      return card("arrow-both", "Scrolling", "Scrolled", at(input["x"], input["y"]));
    case "desktop_type":
      return "key" in input
        ? card("record-keys", "Pressing", "Pressed", text(input["key"]))
        : card("record-keys", "Typing", "Typed", text(input["text"]));
    case "desktop_i3_command":
      return card("window", "Running", "Ran", text(input["command"]).replace(/^\s*exec\s+(--no-startup-id\s+)?/, ""));
    default:
      return computerCard(input);
  }
}

function computerCard(input: Fields): ReturnType<typeof desktopCard> {
  const action = text(input["action"]);
  const [x, y] = list(input["coordinate"]);
  const place = typeof x === "number" ? `${String(x)}, ${String(number(y))}` : "";
  const words = text(input["text"]);
  const card = (icon: string, doing: string, done: string, object: string) => ({ icon, doing, done, object });
  if (action === "screenshot" || action === "zoom")
    return card("device-camera", "Looking at", "Looked at", "the desktop");
  if (action === "type") return card("record-keys", "Typing", "Typed", words);
  if (action === "key" || action === "hold_key") return card("record-keys", "Pressing", "Pressed", words);
  if (action === "wait") return card("watch", "Waiting for", "Waited for", "the desktop");
  return card("inspect", "Using the mouse", "Used the mouse", `${action.replaceAll("_", " ")} ${place}`.trim());
}
