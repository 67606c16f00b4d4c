/**
 * What commands find in their environment: what this server was started with, but for what is its own, and for keys,
 * tokens and passwords, which OpenCode's server has in its environment and hands down to this one.
 */

/** The same instructions as those of OpenCode's plugin `guard.ts`, if they are given. */
interface Instructions {
  /** Variables with the value that commands shall see; null where they shall see none. */
  restore?: Record<string, string | null>;
  /** Variables that commands shall not see. */
  hide?: string[];
  /** Variables that commands may see although their names look like secrets. */
  pass?: string[];
}

/** What keys, tokens and passwords are commonly called; as in `guard.ts`. */
const secretName = /(^|_)(API_?KEY|KEY|KEY_ID|TOKEN|SECRET|PASSWORD|PASSWD|PAT|CREDENTIALS?)$|BEARER_TOKEN/i;

const ours = [
  "BUN_BE_BUN",
  "OPEN_AGENT_GUARD",
  "OPEN_AGENT_API_URL",
  "OPEN_AGENT_API_TOKEN",
  "OPEN_AGENT_WORKSPACE",
  "OPEN_AGENT_DESKTOP_FOLDER",
  "OPEN_AGENT_DESKTOP_GRACE",
];

/** `OPEN_AGENT_GUARD` among the variables holds the instructions, as JSON. */
export function commandEnvironment(own: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { restore = {}, hide = [], pass = [] } = JSON.parse(own["OPEN_AGENT_GUARD"] ?? "{}") as Instructions;
  const hidden = new Set([...ours, ...hide, ...Object.keys(restore)]);
  const seen = Object.entries(own).filter(
    ([name]) => !hidden.has(name) && (!secretName.test(name) || pass.includes(name)),
  );
  const restored = Object.entries(restore).filter((entry): entry is [string, string] => entry[1] !== null);
  return Object.fromEntries([...seen, ...restored]);
}
