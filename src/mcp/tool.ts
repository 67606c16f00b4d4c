import { statSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import type { McpServer, ServerContext } from "@modelcontextprotocol/server";
import type { z } from "zod";
import { describeError, systemCode } from "../base/errors.ts";
import type { Commands } from "./commands.ts";
import type { SkillPlace } from "./skills.ts";

/** What the tools work with. */
export interface Place extends SkillPlace {
  /** Absolute path of the workspace's folder. */
  folder: string;
  /** What commands find in their environment. */
  environment: NodeJS.ProcessEnv;
  commands: Commands;
}

/** A call of a tool: what the tools work with, and when to stop. */
export type Call<Where = Place> = Where & {
  /** Aborts when the caller wants no answer any more. */
  signal: AbortSignal;
};

export interface Answer {
  text: string;
  /** Said apart from the text. */
  note?: string | undefined;
  /** The answer says what went wrong. */
  failed?: boolean;
  /** A PNG that comes after the text. */
  picture?: Buffer;
}

/** A tool, to be put into a server. What its `run` throws becomes an answer that says so. */
export type Tool<Where = Place> = (server: McpServer, place: Where) => void;

export function tool<Input extends z.ZodObject, Where extends object = Place>(
  name: string,
  description: string,
  input: Input,
  run: (args: z.output<Input>, call: Call<Where>) => Promise<Answer> | Answer,
): Tool<Where> {
  return (server, place) => {
    const inputSchema: z.ZodObject = input;
    server.registerTool(name, { description, inputSchema }, async (args, context) => {
      const progress = reportProgress(context.mcpReq);
      try {
        return result(await run(args as z.output<Input>, { ...place, signal: context.mcpReq.signal }));
      } catch (error) {
        return result({ text: describeError(error), failed: true });
      } finally {
        clearInterval(progress);
      }
    });
  };
}

const progressMs = 2000;

/**
 * Tells a caller that asked for it that its call goes on. OpenCode gives up a call of which it has heard nothing for a
 * minute (measured with opencode 1.18.33).
 */
function reportProgress({ _meta, notify, signal }: ServerContext["mcpReq"]): NodeJS.Timeout | undefined {
  const progressToken = _meta?.progressToken;
  if (progressToken === undefined) return undefined;
  let progress = 0;
  return setInterval(() => {
    if (signal.aborted) return;
    const params = { progressToken, progress: ++progress };
    // Where nobody hears it any more, the server ends with its input.
    notify({ method: "notifications/progress", params }).catch(() => undefined);
  }, progressMs);
}

function result({ text, note, failed, picture }: Answer) {
  const content = [text, note].filter((part) => part !== undefined && part !== "");
  return {
    content: [
      ...content.map((part) => ({ type: "text" as const, text: part ?? "" })),
      ...(picture ? [{ type: "image" as const, data: picture.toString("base64"), mimeType: "image/png" }] : []),
    ],
    ...(failed === true && { isError: true }),
  };
}

/** What a tool says when it cannot do it: a sentence that names the thing and the way out. */
export class ToolError extends Error {
  override readonly name = "ToolError";
}

/** The absolute path of what a caller named; relative to the workspace's folder. */
export function pathIn({ folder }: Place, path: string): string {
  if (path.includes("\0")) throw new ToolError("A path cannot have a NUL character in it.");
  return isAbsolute(path) ? resolve(path) : resolve(folder, path);
}

/** The absolute path of a folder that a caller named. */
export function folderIn(place: Place, path: string): string {
  const folder = pathIn(place, path);
  const found = doing("enter", folder, () => statSync(folder));
  if (!found.isDirectory()) throw new ToolError(`${folder} is a file, not a folder.`);
  return folder;
}

/** Does something with a file or folder; what the system says against it becomes a sentence. */
export function doing<Result>(what: string, path: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw new ToolError(`Cannot ${what} ${path}: ${reason(error)}`, { cause: error });
  }
}

function reason(error: unknown): string {
  switch (systemCode(error)) {
    case "ENOENT":
      return "there is no such file or folder. list_directory and search_files show what is there.";
    case "EISDIR":
      return "it is a folder. list_directory shows what is in it.";
    case "ENOTDIR":
    case "EEXIST":
      return "a part of its path is a file, not a folder.";
    case "EACCES":
    case "EPERM":
      return "this user may not do that; `ls -l` shows who may.";
    case "ENOSPC":
      return "the disk is full.";
    case "EROFS":
      return "the file system is read-only.";
    case "ELOOP":
      return "its symbolic links lead in a circle.";
    default:
      return describeError(error);
  }
}
