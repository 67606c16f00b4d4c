import type { OpencodeClient, ProviderAuthMethod } from "@opencode-ai/sdk/v2/client";
import { answer } from "./client.ts";
import type { LoginAttempt, LoginField, LoginMethod, Provider } from "./engine.ts";

/** All providers that the installed OpenCode knows, the connected ones first. */
export async function providers(client: OpencodeClient, directory: string): Promise<Provider[]> {
  const [catalogue, methods] = await Promise.all([
    answer("list its providers", client.provider.list({ directory })),
    answer("list the ways to log in", client.provider.auth({ directory })),
  ]);
  const connected = new Set(catalogue.connected);
  return catalogue.all
    .map((provider) => ({
      id: provider.id,
      name: provider.name,
      connected: connected.has(provider.id) && provider.options["apiKey"] !== "public",
      environment: provider.env,
      methods: loginMethods(methods[provider.id] ?? []),
    }))
    .sort((one, other) => Number(other.connected) - Number(one.connected) || one.name.localeCompare(other.name));
}

/** A key can be given to every provider, also to one that OpenCode lists no way to log in for. */
function loginMethods(listed: readonly ProviderAuthMethod[]): LoginMethod[] {
  const methods = listed.map((method, index): LoginMethod => {
    return { kind: method.type === "api" ? "key" : "oauth", label: method.label, index, fields: loginFields(method) };
  });
  if (methods.some((method) => method.kind === "key")) return methods;
  return [...methods, { kind: "key", label: "API key", index: -1, fields: [] }];
}

function loginFields(method: ProviderAuthMethod): LoginField[] {
  return (method.prompts ?? []).map((prompt): LoginField => {
    const when = prompt.when && { key: prompt.when.key, equal: prompt.when.op === "eq", value: prompt.when.value };
    const common = { key: prompt.key, message: prompt.message, ...(when && { when }) };
    if (prompt.type === "text") return { kind: "text", ...common, placeholder: prompt.placeholder ?? "" };
    const options = prompt.options.map(({ label, value, hint }) => ({ label, value, hint: hint ?? "" }));
    return { kind: "choice", ...common, options };
  });
}

export async function begin(
  client: OpencodeClient,
  directory: string,
  providerID: string,
  method: number,
  inputs: Record<string, string>,
): Promise<LoginAttempt> {
  const attempt = await answer(
    "begin the login",
    client.provider.oauth.authorize({ directory, providerID, method, inputs }),
  );
  return { url: attempt.url, completion: attempt.method, instructions: attempt.instructions };
}
