import { readFileSync } from "node:fs";
import { join } from "node:path";
import { authorization } from "../../src/opencode/connection.ts";
import type { Bed } from "./bed.ts";

/** The bed's OpenCode server, asked directly. */
export function openCodeOf(bed: Bed) {
  const record = JSON.parse(readFileSync(join(bed.data, "runtime", "opencode.json"), "utf8")) as Parameters<
    typeof authorization
  >[0];
  const get = async (path: string, directory: string): Promise<unknown> => {
    const url = new URL(path, record.url);
    url.searchParams.set("directory", directory);
    return (await fetch(url, { headers: { authorization: authorization(record) } })).json();
  };
  return {
    /** What a session has cost, by its own messages. */
    costOf: async (sessionId: string, directory: string): Promise<number> => {
      const messages = (await get(`/session/${sessionId}/message`, directory)) as { info: { cost?: number } }[];
      return messages.reduce((sum, { info }) => sum + (info.cost ?? 0), 0);
    },
  };
}
