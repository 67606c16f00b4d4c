/** Who may allow what without asking: modes, rules and how they match. Plain data and total functions. */
import type { MissionHead, PermissionRequest, UserRequest } from "./mission.ts";
import { includesAll, shellEffects } from "./shell.ts";

/**
 * `ask`: OpenCode's own configuration decides what is asked, and the user answers. `allow-edits`: edits of files in the
 * mission's folder are allowed. `allow-all`: whatever is asked is allowed.
 */
export const permissionModes = ["ask", "allow-edits", "allow-all"] as const;
export type PermissionMode = (typeof permissionModes)[number];

/** Whose requests a rule allows: one mission's, all of those in one folder, or everyone's. */
export const ruleScopes = ["mission", "workspace", "all"] as const;
export type RuleScope = (typeof ruleScopes)[number];

/** What the user allowed for good, until it is revoked. */
export interface PermissionRule {
  id: string;
  scope: RuleScope;
  /** With the scope `mission`. */
  missionId?: string;
  /** With the scope `workspace`. */
  directory?: string;
  /** What the requests are about: `bash`, `edit` … */
  permission: string;
  /** OpenCode's wildcards. */
  pattern: string;
  /** Epoch milliseconds. */
  createdAt: number;
}

/** What allowed a request in the user's stead, as it was then. */
export type AllowedBy =
  | { kind: "rules"; rules: Pick<PermissionRule, "id" | "scope" | "permission" | "pattern">[] }
  | { kind: "mode"; mode: PermissionMode; of: "mission" | "setting" };

/** The requests that wait for the user: not those whose answer is on its way already. */
export function openRequests(head: MissionHead): UserRequest[] {
  return head.requests.filter((request) => request.kind === "question" || request.allowedBy === undefined);
}

/**
 * OpenCode's wildcards: `*` stands for any text, `?` for one character, and a final ` *` for any further words or none.
 * Takes time in proportion to both lengths at most, since patterns come from what an agent wrote.
 */
export function matchesWildcard(text: string, pattern: string): boolean {
  const subject = text.replaceAll("\\", "/");
  const wildcard = pattern.replaceAll("\\", "/");
  return glob(subject, wildcard) || (wildcard.endsWith(" *") && glob(subject, wildcard.slice(0, -2)));
}

function glob(text: string, pattern: string): boolean {
  let at = 0;
  let next = 0;
  /** Where the latest `*` stands, and where in the text what follows it was last tried. */
  let star = -1;
  let tried = 0;
  while (at < text.length) {
    if (pattern[next] === "*") {
      star = next++;
      tried = at;
    } else if (next < pattern.length && (pattern[next] === "?" || pattern[next] === text[at])) {
      next++;
      at++;
    } else if (star >= 0) {
      next = star + 1;
      at = ++tried;
    } else return false;
  }
  while (pattern[next] === "*") next++;
  return next === pattern.length;
}

export function appliesTo(rule: PermissionRule, head: MissionHead): boolean {
  switch (rule.scope) {
    case "mission":
      return rule.missionId === head.id;
    case "workspace":
      return rule.directory === head.directory;
    case "all":
      return true;
  }
}

/**
 * Whether a rule of this pattern allows what a request reports as one of its patterns. Of a command it covers redirections
 * and command substitutions only where it has them itself: who allows `echo *` does not mean `echo x > file`.
 */
function covers(pattern: string, reported: string, permission: string): boolean {
  if (!matchesWildcard(reported, pattern)) return false;
  return permission !== "bash" || includesAll(shellEffects(pattern), shellEffects(reported));
}

/** Whether a command redirects or substitutes something that is in none of the patterns that OpenCode reports of it. */
function hasMoreThanItsPatterns({ permission, patterns, detail }: PermissionRequest): boolean {
  if (permission !== "bash") return false;
  const longestFirst = patterns.toSorted((one, other) => other.length - one.length);
  const rest = longestFirst.reduce((text, pattern) => text.replaceAll(pattern, " "), detail);
  return shellEffects(rest).length > 0;
}

/**
 * The rules that together allow a request, or undefined. Every pattern that OpenCode reports must match one: a chain of
 * commands is as many patterns. A request that names none is never allowed by a rule.
 */
export function allowingRules(
  request: PermissionRequest,
  rules: readonly PermissionRule[],
): PermissionRule[] | undefined {
  const fitting = rules.filter((rule) => rule.permission === request.permission);
  const found = request.patterns.map((pattern) =>
    fitting.find((rule) => covers(rule.pattern, pattern, request.permission)),
  );
  const allowing = found.filter((rule) => rule !== undefined);
  if (allowing.length === 0 || allowing.length < found.length || hasMoreThanItsPatterns(request)) return undefined;
  return [...new Set(allowing)];
}

/**
 * What "always" may be said of: what OpenCode offers, first all of it and then each alone; and exactly what is asked,
 * unless that would be read as a wildcard. Empty where OpenCode offers nothing. Left out is what would not even allow
 * what is asked.
 */
export function alwaysChoices(request: PermissionRequest): string[][] {
  const { permission } = request;
  if (request.always.length === 0 || hasMoreThanItsPatterns(request)) return [];
  const offered = [request.always];
  if (request.patterns.length > 0 && !request.patterns.some((pattern) => /[*?]/.test(pattern)))
    offered.push(request.patterns);
  if (request.always.length > 1) offered.push(...request.always.map((pattern) => [pattern]));
  const seen = new Set<string>();
  return offered.filter((choice) => {
    const isForSome = (pattern: string) => request.patterns.some((asked) => covers(pattern, asked, permission));
    if (request.patterns.length > 0 && !choice.every(isForSome)) return false;
    const name = JSON.stringify(choice);
    return !seen.has(name) && seen.add(name);
  });
}
