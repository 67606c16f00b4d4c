import { extname } from "node:path";
import { z } from "zod";
import { describeError, systemCode } from "../base/errors.ts";
import { Output, sizeText } from "./output.ts";
import { tool, ToolError } from "./tool.ts";

/** Bytes of an answer that are given as they are. */
const mostBytes = 20 * 1024;

export const fetchUrl = tool(
  "fetch_url",
  "Fetches a page or file by HTTP or HTTPS. Up to 20 KB of text are given as they are; what is longer or binary is kept in a file that is named.",
  z.strictObject({ url: z.string().min(1).describe("An http:// or https:// URL") }),
  async ({ url }, { signal }) => {
    const target = URL.canParse(url) ? new URL(url) : undefined;
    if (target?.protocol !== "http:" && target?.protocol !== "https:")
      throw new ToolError(`${url} is no URL that begins with http:// or https://.`);
    const response = await request(target.href, { signal });
    const suffix = /^\.\w{1,8}$/.exec(extname(target.pathname))?.[0] ?? ".txt";
    const body = new Output(`fetched${suffix}`, mostBytes);
    try {
      for await (const chunk of response.body ?? []) body.add(Buffer.from(chunk as Uint8Array));
    } catch (error) {
      throw new ToolError(`${url} broke off after ${sizeText(body.bytes)}: ${said(error)}`);
    } finally {
      body.close();
    }
    const { text, note } = body.isLong ? { text: "", note: body.place() } : body.shown(mostBytes);
    const type = response.headers.get("content-type") ?? "unknown type";
    const failed = !response.ok;
    const status = failed ? `${url} answered ${String(response.status)} ${response.statusText}`.trimEnd() : undefined;
    if (note !== undefined) return { text: [status, `${type}: ${note}`].filter(Boolean).join("\n\n"), failed };
    return { text: [status, text || "The answer is empty."].filter(Boolean).join("\n\n"), failed };
  },
);

/** Asks a server; rejects with a sentence when it cannot be reached, and with the signal's reason when that aborts. */
export async function request(url: string, options: RequestInit & { signal: AbortSignal }): Promise<Response> {
  try {
    return await fetch(url, options);
  } catch (error) {
    options.signal.throwIfAborted();
    throw new ToolError(`${url} could not be fetched: ${said(error)}`);
  }
}

function said(error: unknown): string {
  const [message, code] = [describeError(error), systemCode(error)];
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}
