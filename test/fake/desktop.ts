import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { OpenAgentError } from "../../src/base/errors.ts";
import type { Broker, Viewer } from "../../src/desktop/broker.ts";
import { eventually } from "../host/eventually.ts";
import type { McpClient } from "./mcpClient.ts";

/** Which of these programs are not on PATH. */
export function missingPrograms(...names: string[]): string[] {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return names.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
}

/** The name of a suite, with what it could not be run without. */
export function unlessMissing(name: string, missing: readonly string[]): string {
  return missing.length > 0 ? `${name} (not tested: ${missing.join(", ")} missing here)` : name;
}

/** Waits until the window of that title is the one that is typed into. */
export async function hasKeyboard(title: string, env: NodeJS.ProcessEnv): Promise<void> {
  const property = (...words: string[]) => execFileSync("xprop", words, { env, encoding: "utf8", stdio: "pipe" });
  await eventually(
    () => {
      try {
        const id = /0x[1-9a-f][0-9a-f]*/.exec(property("-root", "_NET_ACTIVE_WINDOW"))?.[0];
        return id === undefined ? "" : property("-id", id, "WM_NAME");
      } catch {
        // The window that had it has just gone.
        return "";
      }
    },
    (name) => name.includes(`"${title}"`),
    15_000,
  );
}

/** A page that watches, as a viewer without any cleverness does: raw pictures, the next one asked for after each. */
export function watcher(broker: Broker) {
  const ask = (incremental: number) => Buffer.from([3, incremental, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
  const state: {
    ended: OpenAgentError | undefined;
    acknowledges: boolean;
    viewer: Viewer;
    started: () => Promise<void>;
  } = {
    ended: undefined,
    acknowledges: true,
    viewer: broker.open({
      deliver: (bytes) => {
        setImmediate(() => {
          if (state.acknowledges) state.viewer.acknowledge(bytes.length);
          state.viewer.receive(ask(1));
        });
      },
      ended: (error) => (state.ended = error),
    }),
    started: async () => {
      const encodings = Buffer.from([2, 0, 0, 1, 0, 0, 0, 0]);
      state.viewer.receive(Buffer.concat([Buffer.from("RFB 003.008\n"), Buffer.from([1, 1]), encodings, ask(0)]));
      const whole = () => state.viewer.traffic.delivered > 4 * 800 * 600;
      await eventually(whole, (is) => is, 5000);
    },
  };
  return state;
}

/** The picture in the answer of a tool. */
export async function pictureOf(mcp: McpClient, tool: string, args: object): Promise<Buffer> {
  const { result } = await mcp.ask("tools/call", { name: tool, arguments: args });
  const { content } = result as { content: { type: string; data: string; mimeType: string }[] };
  const found = content.find(({ type }) => type === "image");
  assert.equal(found?.mimeType, "image/png");
  return Buffer.from(found.data, "base64");
}
