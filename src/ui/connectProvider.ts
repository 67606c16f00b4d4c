import * as vscode from "vscode";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { formatModel } from "../protocol/mission.ts";
import type { LoginField, LoginMethod, Provider } from "../orchestrator/index.ts";
import type { App } from "./app.ts";

type Item = vscode.QuickPickItem & { provider?: Provider; endpoint?: true };

/**
 * Leads through logging in with a model provider, all of it done by OpenCode's own API: keys go into OpenCode's own
 * store and nowhere else. True when a provider is connected at the end.
 */
export async function connectProvider(app: App, directory: string): Promise<boolean> {
  const loading = app.run("providers", { directory }).then(providerItems);
  const item = await vscode.window.showQuickPick<Item>(loading, {
    title: "Connect Provider",
    placeHolder: "Who runs the models?",
    matchOnDescription: true,
    ignoreFocusOut: true,
  });
  if (item?.endpoint) return addEndpoint(app, directory);
  if (!item?.provider) return false;
  return item.provider.connected ? manage(app, directory, item.provider) : login(app, directory, item.provider);
}

function providerItems(providers: readonly Provider[]): Item[] {
  const item = (provider: Provider): Item => ({ label: provider.name, description: provider.id, provider });
  const heading = (label: string): Item => ({ label, kind: vscode.QuickPickItemKind.Separator });
  const connected = providers.filter((provider) => provider.connected);
  const others = providers.filter((provider) => !provider.connected);
  const endpoint: Item = {
    label: "$(add) OpenAI-Compatible Endpoint…",
    description: "any server that speaks the OpenAI API",
    endpoint: true,
  };
  return [
    ...(connected.length > 0 ? [heading("Connected"), ...connected.map(item)] : []),
    heading("Own"),
    endpoint,
    heading("Providers that OpenCode knows"),
    ...others.map(item),
  ];
}

async function manage(app: App, directory: string, provider: Provider): Promise<boolean> {
  const actions = ["Test with a Short Request", "Log In Again…", "Disconnect"] as const;
  const action = await vscode.window.showQuickPick(actions, { title: provider.name });
  if (action === "Test with a Short Request") return testProvider(app, directory, provider.id);
  if (action === "Log In Again…") return login(app, directory, provider);
  if (action !== "Disconnect") return false;
  const sure = await vscode.window.showWarningMessage(
    `Disconnect ${provider.name}? OpenCode forgets its key or login.`,
    { modal: true },
    "Disconnect",
  );
  if (sure === undefined) return false;
  await app.run("removeLogin", { providerId: provider.id });
  const endpoints = await app.run("endpoints", {});
  if (endpoints.some((endpoint) => endpoint.id === provider.id)) await app.run("removeEndpoint", { id: provider.id });
  const left = provider.environment.filter((name) => process.env[name] !== undefined);
  if (left.length > 0)
    void vscode.window.showInformationMessage(
      `${provider.name} is still connected by the environment variable ${left.join(", ")}.`,
    );
  else void vscode.window.showInformationMessage(`${provider.name} is disconnected.`);
  return false;
}

async function login(app: App, directory: string, provider: Provider): Promise<boolean> {
  const method = await pickMethod(provider);
  if (!method) return false;
  const inputs = await askFields(method.fields);
  if (!inputs) return false;
  const done =
    method.kind === "key"
      ? await loginByKey(app, provider, inputs)
      : await loginByBrowser(app, directory, provider, method, inputs);
  if (!done) return false;
  void offerTest(app, directory, provider);
  return true;
}

async function pickMethod(provider: Provider): Promise<LoginMethod | undefined> {
  if (provider.methods.length === 1) return provider.methods[0];
  const items = provider.methods.map((method) => ({ label: method.label, method }));
  return (
    await vscode.window.showQuickPick(items, {
      title: provider.name,
      placeHolder: "How do you log in?",
      ignoreFocusOut: true,
    })
  )?.method;
}

/** Undefined when the user stops. */
async function askFields(fields: readonly LoginField[]): Promise<Record<string, string> | undefined> {
  const inputs: Record<string, string> = {};
  for (const field of fields) {
    const { when } = field;
    if (when && (inputs[when.key] === when.value) !== when.equal) continue;
    const value = await askField(field);
    if (value === undefined) return undefined;
    inputs[field.key] = value;
  }
  return inputs;
}

async function askField(field: LoginField): Promise<string | undefined> {
  if (field.kind === "text")
    return vscode.window.showInputBox({ title: field.message, placeHolder: field.placeholder, ignoreFocusOut: true });
  const items = field.options.map(({ label, hint, value }) => ({ label, description: hint, value }));
  return (await vscode.window.showQuickPick(items, { title: field.message, ignoreFocusOut: true }))?.value;
}

async function loginByKey(app: App, provider: Provider, metadata: Record<string, string>): Promise<boolean> {
  const key = await vscode.window.showInputBox({
    title: `API Key for ${provider.name}`,
    prompt: "OpenCode keeps it in its own store, with its other logins.",
    password: true,
    ignoreFocusOut: true,
    validateInput: (value) => (value.trim() === "" ? "Paste the key." : undefined),
  });
  if (key === undefined) return false;
  await app.run("setKey", { providerId: provider.id, key, metadata });
  return true;
}

async function loginByBrowser(
  app: App,
  directory: string,
  provider: Provider,
  method: LoginMethod,
  inputs: Record<string, string>,
): Promise<boolean> {
  const attempt = await app.run("beginLogin", { directory, providerId: provider.id, method: method.index, inputs });
  const request = { directory, providerId: provider.id, method: method.index };
  const choice = await vscode.window.showInformationMessage(
    `Log in with ${provider.name}`,
    { modal: true, detail: attempt.instructions },
    "Open Browser",
    "Copy Address",
  );
  if (choice === undefined) return false;
  if (choice === "Copy Address") await vscode.env.clipboard.writeText(attempt.url);
  else await vscode.env.openExternal(vscode.Uri.parse(attempt.url, true));
  if (attempt.completion === "code") {
    const code = await vscode.window.showInputBox({
      title: provider.name,
      prompt: "Paste the code that the browser shows.",
      ignoreFocusOut: true,
    });
    if (code === undefined || code.trim() === "") return false;
    await app.run("finishLogin", { ...request, code: code.trim() });
    return true;
  }
  return waitForBrowser(provider, attempt.instructions, (signal) => app.run("finishLogin", request, signal));
}

async function waitForBrowser(
  provider: Provider,
  message: string,
  finish: (signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: `Waiting for the login with ${provider.name}`,
    cancellable: true,
  };
  return vscode.window.withProgress(options, async (progress, token) => {
    progress.report({ message });
    const stop = new AbortController();
    token.onCancellationRequested(() => {
      stop.abort(new Error("cancelled"));
    });
    try {
      await finish(stop.signal);
      return true;
    } catch (error) {
      if (stop.signal.aborted) return false;
      throw error;
    }
  });
}

async function addEndpoint(app: App, directory: string): Promise<boolean> {
  const title = "OpenAI-Compatible Endpoint";
  const ask = (prompt: string, placeHolder: string, password = false) =>
    vscode.window.showInputBox({ title, prompt, placeHolder, password, ignoreFocusOut: true });
  const baseUrl = await ask("Base URL of the API", "https://llm.example.org/v1");
  if (!baseUrl) return false;
  const models = await ask("Model ids, separated by commas", "qwen3-coder, llama-4");
  if (!models) return false;
  const name = await ask("Name", URL.canParse(baseUrl) ? new URL(baseUrl).hostname : "");
  if (!name) return false;
  const key = await ask("API key (empty: none). OpenCode keeps it in its own store.", "", true);
  if (key === undefined) return false;
  const id = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 40);
  if (id === "") throw new OpenAgentError("invalid_input", `“${name}” holds no letter or digit to make an id of.`);
  await app.run("setEndpoint", {
    id,
    name,
    baseUrl,
    models: models
      .split(",")
      .map((model) => model.trim())
      .filter((model) => model !== ""),
  });
  if (key.trim() !== "") await app.run("setKey", { providerId: id, key });
  return testProvider(app, directory, id);
}

async function offerTest(app: App, directory: string, provider: Provider): Promise<void> {
  const test = "Test with a Short Request";
  const chosen = await vscode.window.showInformationMessage(`${provider.name} is connected.`, test);
  if (chosen === test) await testProvider(app, directory, provider.id);
}

/** Asks one of the provider's models for a word. True when the provider is connected, whatever the model said. */
async function testProvider(app: App, directory: string, providerId: string): Promise<boolean> {
  const { models } = await app.run("choices", { directory });
  const items = models
    .filter((model) => model.providerId === providerId)
    .map((model) => ({ label: model.name, description: model.modelId, model }));
  if (items.length === 0) throw new OpenAgentError("unknown_model", `OpenCode lists no model of ${providerId}.`);
  const item = items.length === 1 ? items[0] : await vscode.window.showQuickPick(items, { title: "Test which model?" });
  if (!item) return true;
  const options = { location: vscode.ProgressLocation.Notification, title: `Asking ${item.label}`, cancellable: true };
  await vscode.window.withProgress(options, async (_, token) => {
    const stop = new AbortController();
    token.onCancellationRequested(() => {
      stop.abort(new Error("cancelled"));
    });
    try {
      const answer = await app.run("tryModel", { directory, model: formatModel(item.model) }, stop.signal);
      void vscode.window.showInformationMessage(`${item.label} answered: ${answer.slice(0, 200) || "(nothing)"}`);
    } catch (error) {
      if (!stop.signal.aborted) void vscode.window.showErrorMessage(`${item.label}: ${describeError(error)}`);
    }
  });
  return true;
}
