/**
 * A plugin that OpenCode loads into its server (see `home.ts`). It keeps what the server was started with out of the
 * processes that the server starts: the server's password, the keys of model providers, and the settings by which the
 * server was made quiet. It also refuses tools that the agent must not have at all, and tells the tools of
 * desktops and of their browsers whose desktop is meant. Runs inside OpenCode, so it imports nothing.
 */

interface Instructions {
  /** Variables that the server itself needs no more once it listens, with the value that children shall see. */
  restore: Record<string, string | null>;
  /** Variables that the server goes on reading, and that no shell of the agent shall see. */
  hide: string[];
  /** Variables that the user wants the agent's shell to see, although their names look like secrets. */
  pass: string[];
  /** Tools that nothing in a configuration can allow: the agent's place is elsewhere. */
  deny?: string[];
}

const instructions = JSON.parse(
  process.env["OPEN_AGENT_GUARD"] ?? '{"restore":{},"hide":[],"pass":[]}',
) as Instructions;
delete process.env["OPEN_AGENT_GUARD"];
for (const [name, value] of Object.entries(instructions.restore)) {
  if (value === null) Reflect.deleteProperty(process.env, name);
  else process.env[name] = value;
}

/** What keys, tokens and passwords are commonly called. Those of all model providers are among them. */
const secretName = /(^|_)(API_?KEY|KEY|KEY_ID|TOKEN|SECRET|PASSWORD|PASSWD|PAT|CREDENTIALS?)$|BEARER_TOKEN/i;

export const OpenAgentGuard = () => {
  let isBrowserOurs = true;
  return Promise.resolve({
    config: ({ mcp = {} }: { mcp?: Record<string, { environment?: Record<string, string> } | undefined> }) => {
      const { playwright } = mcp;
      isBrowserOurs = !playwright || playwright.environment?.["OPEN_AGENT_DESKTOP_FOLDER"] !== undefined;
      return Promise.resolve();
    },
    "shell.env": (_input: unknown, output: { env: Record<string, string | undefined> }) => {
      const secrets = Object.keys(process.env).filter(
        (name) => secretName.test(name) && !instructions.pass.includes(name),
      );
      for (const name of [...instructions.hide, ...secrets]) output.env[name] = undefined;
      return Promise.resolve();
    },
    event: ({ event }: { event: { type: string; properties?: { info?: { id?: string; parentID?: string } } } }) => {
      const { id, parentID } = event.properties?.info ?? {};
      if (event.type.startsWith("session.") && id !== undefined && parentID !== undefined) parents.set(id, parentID);
      return Promise.resolve();
    },
    "tool.execute.before": (
      { tool, sessionID }: { tool: string; sessionID: string },
      { args }: { args: Record<string, unknown> },
    ) => {
      if (instructions.deny?.includes(tool) === true)
        return Promise.reject(new Error(`${tool} is not available here: use the tools of the workspace.`));
      // Those of our own servers. The user may have a server of the name `playwright`, which must not be told.
      const isOurs = tool.startsWith("desktop_desktop_") || (isBrowserOurs && tool.startsWith("playwright_browser_"));
      if (isOurs) args["mission"] = rootOf(sessionID);
      return Promise.resolve();
    },
  });
};

/** Which session has started which, since the server runs. */
const parents = new Map<string, string>();

/** The session that a mission began with: its sub-agents share its desktops. */
function rootOf(session: string): string {
  let root = session;
  for (let depth = 0; depth < 20; depth++) root = parents.get(root) ?? root;
  return root;
}
