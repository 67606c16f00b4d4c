import { realpathSync } from "node:fs";
import { basename, dirname, join, relative, resolve, isAbsolute } from "node:path";
import { steersWhatRuns } from "../opencode/edits.ts";
import type { MissionHead, PermissionRequest } from "../protocol/mission.ts";
import {
  allowingRules,
  appliesTo,
  type AllowedBy,
  type PermissionMode,
  type PermissionRule,
} from "../protocol/permission.ts";

/**
 * What allows a request so that the user need not be asked: the rules that he made, or else the mission's mode, which
 * is its own or that of the settings.
 */
export function allowedBy(
  request: PermissionRequest,
  head: MissionHead,
  rules: readonly PermissionRule[],
  setting: PermissionMode,
): AllowedBy | undefined {
  const allowing = allowingRules(
    request,
    rules.filter((rule) => appliesTo(rule, head)),
  );
  if (allowing) return byRules(allowing);
  const mode = head.permissions ?? setting;
  const allows = mode === "allow-all" || (mode === "allow-edits" && isEditInside(request, head.directory));
  return allows ? { kind: "mode", mode, of: head.permissions === undefined ? "setting" : "mission" } : undefined;
}

export function byRules(rules: readonly PermissionRule[]): AllowedBy {
  return {
    kind: "rules",
    rules: rules.map(({ id, scope, permission, pattern }) => ({ id, scope, permission, pattern })),
  };
}

/** Whether a request is an edit of files below that folder, also once links are followed, that are nothing but work. */
function isEditInside({ paths }: PermissionRequest, directory: string): boolean {
  if (!paths || paths.length === 0) return false;
  const folder = real(directory);
  return paths.every((path) => {
    const target = real(path);
    return isBelow(folder, target) && !steersWhatRuns(relative(folder, target));
  });
}

function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && !/^\.\.([\\/]|$)/.test(way) && !isAbsolute(way);
}

/** Where a path leads when the links in the part of it that exists are followed. */
function real(path: string): string {
  const whole = resolve(path);
  try {
    return realpathSync(whole);
  } catch {
    // It does not exist yet.
    const parent = dirname(whole);
    return parent === whole ? whole : join(real(parent), basename(whole));
  }
}
