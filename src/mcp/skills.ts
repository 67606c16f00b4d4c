import { z } from "zod";
import { fields, optionalText } from "../base/fields.ts";
import { request } from "./fetchUrl.ts";
import { tool, ToolError } from "./tool.ts";

/** A file of a skill, as it is to be: without its name the SKILL.md. */
export interface Skill {
  name: string;
  file: string | undefined;
  content: string;
}

/** Where skills are written; undefined where there is no Library. It throws a sentence. */
export interface SkillPlace {
  library: ((skill: Skill, signal: AbortSignal) => Promise<void>) | undefined;
}

/** Most characters of a file, as in the API: more than anything that an agent reads. */
const fileLimit = 10_000_000;

export const updateSkill = tool(
  "update_skill",
  "Writes a skill into the user's Library: its SKILL.md, or another file of it. What the file held before is replaced.",
  z.strictObject({
    skill_name: z.string().min(1).describe("Name of the skill"),
    content: z.string().max(fileLimit).describe("All that the file shall hold"),
    file_path: z.string().min(1).optional().describe("File of the skill, relative to its folder; SKILL.md by default"),
  }),
  async ({ skill_name: name, content, file_path: file }, { library, signal }: SkillPlace & { signal: AbortSignal }) => {
    if (library === undefined)
      throw new ToolError(
        "This workspace has no Library to write to. Write the skill as a file of the workspace instead.",
      );
    const parts = [name, ...(file?.split("/") ?? [])];
    if (/[/\\]/.test(name) || parts.some((part) => part === "" || part === "." || part === ".."))
      throw new ToolError(
        `The skill or the file is outside of the Library's skills: ${[name, file].filter(Boolean).join(" ")}`,
      );
    await library({ name, file, content }, signal);
    return { text: `Wrote ${file ?? "SKILL.md"} of the skill ${name}.` };
  },
);

/** The Library behind Open Agent's HTTP API. */
export function libraryAt(url: string, token: string): NonNullable<SkillPlace["library"]> {
  return async ({ name, file, content }, signal) => {
    const [skill = "", ...path] = [name, ...(file?.split("/") ?? [])].map(encodeURIComponent);
    const place = ["api", "library", "skills", skill, ...(path.length > 0 ? ["files", ...path] : [])];
    const response = await request(`${url.replace(/\/+$/, "")}/${place.join("/")}`, {
      method: "PUT",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ content }),
      redirect: "error",
      signal,
    });
    const body = await response.text();
    if (!response.ok)
      throw new ToolError(`The Library did not take the skill ${name} (${String(response.status)}): ${saying(body)}`);
  };
}

function saying(body: string): string {
  try {
    return optionalText(fields(JSON.parse(body))["error"]) ?? body.slice(0, 1000);
  } catch {
    // Not our API, then, or something in between.
    return body.slice(0, 1000);
  }
}
