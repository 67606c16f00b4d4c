import { OpenAgentError } from "../base/errors.ts";
import { variableName } from "../protocol/workspace.ts";

/** Where programs of the host are found that work for a workspace: nothing of it is ever in there. */
export const helperPath = "/usr/sbin:/usr/bin:/sbin:/bin";

/** What leads to the user's own systemd, which is asked to limit a workspace; not for what runs inside. */
const busVariables = ["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];

/** The environment of programs of the host that work for a workspace. Nothing that the workspace says acts on them. */
export function helperEnvironment(): Record<string, string> {
  const bus = busVariables.map((name) => [name, process.env[name]] as const);
  return { PATH: helperPath, ...Object.fromEntries(bus.filter((entry): entry is [string, string] => !!entry[1])) };
}

/**
 * A command that gets its environment inside of a container, from a shell there. On the way the variables have names that
 * mean nothing to any program of the host, so that they act on none; and they stand on no command line.
 */
export function handOver(
  argv: readonly string[],
  variables: Readonly<Record<string, string>>,
): { argv: string[]; env: Record<string, string> } {
  const names = Object.keys(variables);
  const wrong = names.find((name) => !variableName.test(name));
  if (wrong !== undefined)
    throw new OpenAgentError(
      "invalid_input",
      `“${wrong}” is no name of an environment variable: letters, digits, “_”.`,
    );
  const passing = (index: number) => `OPEN_AGENT_GIVEN_${String(index)}`;
  // Some shells let nobody set a few names, such as UID, which is no reason to end.
  const given = names.map((name, index) => `command export ${name}="$${passing(index)}"; unset ${passing(index)};`);
  const script = `unset ${busVariables.join(" ")}; { :; ${given.join(" ")} } 2>/dev/null; exec "$@"`;
  return {
    argv: ["/bin/sh", "-c", script, "inside", ...argv],
    env: Object.fromEntries(Object.values(variables).map((value, index) => [passing(index), value])),
  };
}
