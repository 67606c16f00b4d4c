import { z } from "zod";
import { fields, optionalText } from "../base/fields.ts";
import { request } from "./fetchUrl.ts";
import { tool, ToolError } from "./tool.ts";

export const updateSkill = tool(
  "update_skill",
  "Writes a skill into the user's Library: its SKILL.md, or another file of it. What the file held before is replaced.",
  z.strictObject({
    skill_name: z.string().min(1).describe("Name of the skill"),
    content: z.string().describe("All that the file shall hold"),
    file_path: z.string().min(1).optional().describe("File of the skill, relative to its folder; SKILL.md by default"),
  }),
  async ({ skill_name: name, content, file_path: file }, { library, signal }) => {
    if (library === undefined)
      throw new ToolError(
        "This workspace has no Library to write to. Write the skill as a file of the workspace instead.",
      );
    const parts = [name, ...(file?.split("/") ?? [])];
    if (/[/\\]/.test(name) || parts.some((part) => part === "" || part === "." || part === ".."))
      throw new ToolError(
        `The skill or the file is outside of the Library's skills: ${[name, file].filter(Boolean).join(" ")}`,
      );
    const [skill = "", ...path] = parts.map(encodeURIComponent);
    const place = ["api", "library", "skills", skill, ...(path.length > 0 ? ["files", ...path] : [])];
    const response = await request(`${library.url.replace(/\/+$/, "")}/${place.join("/")}`, {
      method: "PUT",
      headers: { "content-type": "application/json", authorization: `Bearer ${library.token}` },
      body: JSON.stringify({ content }),
      redirect: "error",
      signal,
    });
    const body = await response.text();
    if (!response.ok)
      throw new ToolError(`The Library did not take the skill ${name} (${String(response.status)}): ${saying(body)}`);
    return { text: `Wrote ${file ?? "SKILL.md"} of the skill ${name}.` };
  },
);

function saying(body: string): string {
  try {
    return optionalText(fields(JSON.parse(body))["error"]) ?? body.slice(0, 1000);
  } catch {
    // Not our API, then, or something in between.
    return body.slice(0, 1000);
  }
}
