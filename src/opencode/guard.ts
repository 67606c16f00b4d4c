/**
 * A plugin that OpenCode loads into its server (see `home.ts`). It keeps what the server was started with out of the
 * processes that the server starts: the server's password, the keys of model providers, and the settings by which the
 * server was made quiet. Runs inside OpenCode, so it imports nothing.
 */

interface Instructions {
  /** Variables that the server itself needs no more once it listens, with the value that children shall see. */
  restore: Record<string, string | null>;
  /** Variables that the server goes on reading, and that no shell of the agent shall see. */
  hide: string[];
}

interface ProviderClient {
  config: { providers(): Promise<{ data?: { providers?: { env?: string[] }[] } }> };
}

const instructions = JSON.parse(process.env["OPEN_AGENT_GUARD"] ?? '{"restore":{},"hide":[]}') as Instructions;
delete process.env["OPEN_AGENT_GUARD"];
for (const [name, value] of Object.entries(instructions.restore)) {
  if (value === null) Reflect.deleteProperty(process.env, name);
  else process.env[name] = value;
}

/** Names under which keys of model providers are commonly kept, whether or not the provider is in use. */
const keyName = /(_API_KEY|_API_TOKEN|_AUTH_TOKEN)$/;
const secretWord = /KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL/;

export const OpenAgentGuard = ({ client }: { client: ProviderClient }) => {
  /** Variables from which the connected providers took their keys. */
  let provided: Promise<string[]> | undefined;
  const providerKeys = () =>
    (provided ??= client.config
      .providers()
      .then(({ data }) => (data?.providers ?? []).flatMap((provider) => provider.env ?? []))
      .then((names) => names.filter((name) => secretWord.test(name)))
      .catch(() => []));
  return Promise.resolve({
    "shell.env": async (_input: unknown, output: { env: Record<string, string | undefined> }) => {
      const keys = Object.keys(process.env).filter((name) => keyName.test(name));
      for (const name of [...instructions.hide, ...keys, ...(await providerKeys())]) output.env[name] = undefined;
    },
  });
};
