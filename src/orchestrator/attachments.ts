import { randomBytes } from "node:crypto";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { OpenAgentError } from "../base/errors.ts";
import { privateFolder } from "../base/files.ts";
import { isSentWhole, sizeProblem, type MessageAttachment } from "../protocol/attachment.ts";
import { ownServer } from "../protocol/mission.ts";

/** Files that the user gave a mission and that are nowhere else: `missions/<id>/attachments`, readable by the user alone. */

export function attachmentsFolder(missions: string, missionId: string): string {
  return join(missions, missionId, "attachments");
}

/**
 * Keeps a file for a mission; gives its absolute path.
 * @throws OpenAgentError `attachment_unusable` when it is too big
 */
export function keepAttachment(missions: string, missionId: string, name: string, bytes: Uint8Array): string {
  const problem = sizeProblem([{ name, size: bytes.length }]);
  if (problem !== undefined) throw new OpenAgentError("attachment_unusable", problem, { name });
  privateFolder(join(missions, missionId));
  const folder = privateFolder(attachmentsFolder(missions, missionId));
  const plain = basename(name)
    .replace(/[^\p{L}\p{N}._ -]/gu, "_")
    .slice(-100);
  const path = join(folder, `${randomBytes(4).toString("hex")}-${plain}`);
  writeFileSync(path, bytes, { mode: 0o600, flag: "wx" });
  return path;
}

export function dropAttachments(missions: string, missionId: string): void {
  rmSync(join(missions, missionId), { recursive: true, force: true });
}

/**
 * Makes sure that what a message carries is there and not too big.
 * @throws OpenAgentError `attachment_unusable`, which names the file
 */
export function checkAttachments(attachments: readonly MessageAttachment[], server: string): void {
  const sizes = attachments.flatMap((one) => {
    // What another server reads by itself may be on another machine.
    if (one.kind === "agent" || (server !== ownServer && !isSentWhole(one))) return [];
    const facts = statSync(one.path, { throwIfNoEntry: false });
    if (!facts)
      throw new OpenAgentError("attachment_unusable", `${one.path} is not there any more.`, { path: one.path });
    return isSentWhole(one) ? [{ name: one.name, size: facts.size }] : [];
  });
  const problem = sizeProblem(sizes);
  if (problem !== undefined) throw new OpenAgentError("attachment_unusable", problem);
}
