import type {
  McpStatus as ReportedMcpStatus,
  OpencodeClient,
  PermissionRequest,
  QuestionRequest,
  Session,
} from "@opencode-ai/sdk/v2/client";
import type { Disposable } from "../base/lifetime.ts";
import { OpenAgentError } from "../base/errors.ts";
import { withoutSecrets, type McpStatus, type RunningConfiguration } from "../protocol/configuration.ts";
import type { MissionView } from "../protocol/reduce.ts";
import { answer, openClient, unlimitedUntil, whole } from "./client.ts";
import { commandList } from "./commandList.ts";
import type { Choices, Engine, SessionRef, Snapshot, Translator } from "./engine.ts";
import { fields, text } from "../base/fields.ts";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import * as changes from "./fileDiff.ts";
import * as logins from "./logins.ts";
import { Hiding, type Hidden } from "./hiding.ts";
import { newMemory, normalise, rememberGap, sessionInfo, type RawEvent } from "./normalise.ts";
import { commandBody, promptBody } from "./promptParts.ts";
import type { Connection } from "./connection.ts";
import { openStream, type StreamSignal } from "./stream.ts";

/** Messages asked for at once. */
const pageSize = 100;

/** OpenCode 1.18 and newer 1.x, by its V1 endpoints. */
export function engineV1(id: string, connection: Connection): Engine {
  const client = openClient(connection);
  return {
    id,
    stream: (onSignal: (signal: StreamSignal) => void): Disposable => openStream({ connection, onSignal }),
    createSession: async (directory, title, missionId) => {
      const metadata = { openAgentMission: missionId };
      return (await answer("open a session", client.session.create({ directory, title, metadata }))).id;
    },
    deleteSession: async (session) => {
      await answer("delete a session", client.session.delete(address(session)));
    },
    prompt: async (session, prompt, signal) => {
      if (prompt.command) {
        const call = { ...address(session), ...(await commandBody(prompt)) };
        await answer(`run /${prompt.command.name}`, client.session.command(call, unlimitedUntil(signal)));
      } else {
        const message = { ...address(session), ...(await promptBody(prompt)) };
        await answer("take a message", client.session.promptAsync(message));
      }
    },
    holds: (session, messageId) => holds(client, session, messageId),
    abort: async (session) => {
      await answer("stop", client.session.abort(address(session)));
    },
    compact: async (session, model, signal) => {
      const { providerId: providerID, modelId: modelID } = model;
      const request = client.session.summarize({ ...address(session), providerID, modelID }, unlimitedUntil(signal));
      await answer("summarise the conversation", request);
    },
    snapshot: (session, since) => snapshot(client, session, since),
    diff: async (session, messageID) => {
      const request = client.session.diff({ ...address(session), messageID });
      const root = rootOf(session.directory);
      return (await answer("show what changed", request)).map((diff) => changes.fileDiff(fields(diff), root));
    },
    revert: async (session, messageID) =>
      sessionInfo(await answer("take back a turn", client.session.revert({ ...address(session), messageID }))),
    unrevert: async (session) =>
      sessionInfo(await answer("bring back a turn", client.session.unrevert(address(session)))),
    fork: async (session, messageID) => {
      const request = client.session.fork({ ...address(session), ...(messageID !== undefined && { messageID }) });
      return (await answer("fork the session", request)).id;
    },
    answerPermission: async (directory, requestID, reply, message) => {
      await answer(
        "take the answer",
        client.permission.reply({ directory, requestID, reply, ...(message !== undefined && { message }) }),
      );
    },
    answerQuestion: async (directory, requestID, answers) => {
      const request = answers
        ? client.question.reply({ directory, requestID, answers })
        : client.question.reject({ directory, requestID });
      await answer<unknown>("take the answer", request);
    },
    choices: (directory) => choices(client, directory),
    commands: (directory) => commandList(client, directory),
    providers: (directory) => logins.providers(client, directory),
    setKey: async (providerID, key, metadata) => {
      const auth = { type: "api" as const, key, ...(Object.keys(metadata).length > 0 && { metadata }) };
      await answer("keep the key", client.auth.set({ providerID, auth }));
    },
    removeLogin: async (providerID) => {
      await answer("forget the login", client.auth.remove({ providerID }));
    },
    beginLogin: (directory, providerId, method, inputs) => logins.begin(client, directory, providerId, method, inputs),
    finishLogin: async (directory, providerID, method, code, signal) => {
      const request = client.provider.oauth.callback(
        { directory, providerID, method, ...(code !== undefined && { code }) },
        unlimitedUntil(signal),
      );
      await answer("finish the login", request);
    },
    configuration: (directory) => runningConfiguration(client, directory),
    mcpServers: async (directory) => {
      const all = await answer("list the MCP servers", client.mcp.status({ directory }));
      return Object.fromEntries(Object.entries(all).map(([name, status]) => [name, mcpStatus(status)]));
    },
    connectMcpServer: async (directory, name) => {
      await answer(`connect ${name}`, client.mcp.connect({ directory, name }));
    },
    beginMcpLogin: async (directory, name) => {
      const begun = await answer(`log in at ${name}`, client.mcp.auth.start({ directory, name }));
      return begun.authorizationUrl;
    },
    finishMcpLogin: async (directory, name, code) => {
      const request = client.mcp.auth.callback({ directory, name, code });
      const { state, error } = mcpStatus(await answer(`finish the login at ${name}`, request));
      if (state === "connected") return;
      throw new OpenAgentError("opencode_request_failed", `You are not logged in at ${name}: ${error ?? state}`, {
        name,
      });
    },
    removeMcpLogin: async (directory, name) => {
      await answer(`log out of ${name}`, client.mcp.auth.remove({ directory, name }));
      // It stays connected with what it has forgotten.
      await answer(`connect ${name}`, client.mcp.connect({ directory, name }));
    },
    reload: async (directory) => {
      await answer("read its configuration anew", client.instance.dispose({ directory }));
    },
    tryModel: (directory, model, signal) => tryModel(client, directory, model, signal),
  };
}

function mcpStatus({ status, ...rest }: ReportedMcpStatus): McpStatus {
  const error = "error" in rest ? rest.error : undefined;
  // OpenCode's own sign for it looks for other words (1.18.33).
  const isUnknown = status === "failed" && error?.includes("dynamic client registration");
  const state = isUnknown ? "needs_client_registration" : status;
  return { state, ...(error !== undefined && { error }) };
}

async function runningConfiguration(client: OpencodeClient, directory: string): Promise<RunningConfiguration> {
  const config = fields(await answer("tell its configuration", client.config.get({ directory })));
  const agents = await answer("list its agents", client.app.agents({ directory }));
  const commands = await commandList(client, directory);
  const list = (value: unknown) => (Array.isArray(value) ? value.map(String) : []);
  const mcp = Object.entries(fields(config["mcp"])).map(([name, value]) => [name, withoutSecrets(fields(value))]);
  return {
    agents: agents
      .filter(({ hidden }) => hidden !== true)
      .map(({ name }) => name)
      .sort(),
    commands: commands.map(({ name }) => name).sort(),
    instructions: list(config["instructions"]),
    plugins: list(config["plugin"]),
    mcp: Object.fromEntries(mcp) as RunningConfiguration["mcp"],
    permission: config["permission"] ?? {},
  };
}

function address(session: SessionRef) {
  return { sessionID: session.sessionId, directory: session.directory };
}

/** The root of the repository that a folder is in; the folder itself where it is in none. */
function rootOf(directory: string): string {
  for (let folder = directory; ; folder = dirname(folder)) {
    if (existsSync(join(folder, ".git"))) return folder;
    if (folder === dirname(folder)) return directory;
  }
}

/**
 * Reads the events of protocol V1 for one mission, which works in `directory`.
 * @param hidden what must not be in any event, at this moment
 */
export function translatorV1(directory: string, hidden: () => readonly Hidden[] = () => []): Translator {
  const memory = newMemory(directory, rootOf(directory));
  const hiding = new Hiding(hidden);
  return {
    translate: (event, now, source) => normalise(memory, hiding.of(event), now, source),
    markGap: () => {
      rememberGap(memory);
    },
    seed: (view: MissionView) => {
      for (const id of Object.keys(view.transcript.changes)) memory.changed.add(id);
      for (const message of view.transcript.messages) {
        memory.roles.set(message.id, message.role);
        for (const part of message.parts) {
          if (part.kind === "tool" && (part.state === "completed" || part.state === "error")) memory.ended.add(part.id);
          if (part.kind !== "text" && part.kind !== "thinking") continue;
          const of = part.kind === "text" ? "assistant_message" : "thinking";
          if (part.done) memory.ended.add(part.id);
          else memory.open.set(part.id, { of, length: part.text.length, gap: true });
        }
      }
    },
  };
}

async function holds(client: OpencodeClient, session: SessionRef, messageID: string): Promise<boolean> {
  try {
    await answer("look for a message", client.session.message({ ...address(session), messageID }));
    return true;
  } catch (error) {
    if (error instanceof OpenAgentError && error.code === "request_gone") return false;
    throw error;
  }
}

/**
 * The answers of the REST API as the events that would have told the same, so that one function reads both.
 * Sessions of sub-agents are found from their parents, at any depth.
 */
async function snapshot(client: OpencodeClient, session: SessionRef, since: string | undefined): Promise<Snapshot> {
  const { directory } = session;
  const root = await answer("show the session", client.session.get(address(session)));
  const sessions = [root, ...(await descendants(client, session))];
  const ids = new Set(sessions.map((one) => one.id));
  const events = sessions.map((info) => asEvent("session.updated", { sessionID: info.id, info }));
  for (const { id } of sessions) events.push(...(await messages(client, { sessionId: id, directory }, since)));
  const messageIds = events.flatMap(({ type, properties }) => {
    return type === "message.updated" && properties["sessionID"] === root.id
      ? [text(fields(properties["info"])["id"])]
      : [];
  });

  const todos = await answer("show the plan", client.session.todo(address(session)));
  events.push(asEvent("todo.updated", { sessionID: root.id, todos }));
  const statuses = await answer("show what runs", client.session.status({ directory }));
  for (const id of ids) {
    events.push(asEvent("session.status", { sessionID: id, status: statuses[id] ?? { type: "idle" } }));
  }
  const ours = (request: { sessionID: string }) => ids.has(request.sessionID);
  const permissions: PermissionRequest[] = await answer(
    "show permission requests",
    client.permission.list({ directory }),
  );
  const questions: QuestionRequest[] = await answer("show questions", client.question.list({ directory }));
  for (const request of permissions.filter(ours)) events.push(asEvent("permission.asked", { ...request }));
  for (const request of questions.filter(ours)) events.push(asEvent("question.asked", { ...request }));
  const openRequests = [...permissions, ...questions].filter(ours).map((request) => request.id);
  return {
    events,
    messageIds,
    busy: statuses[root.id] !== undefined && statuses[root.id]?.type !== "idle",
    openRequests,
  };
}

async function descendants(client: OpencodeClient, session: SessionRef): Promise<Session[]> {
  const found: Session[] = [];
  const waiting = [session.sessionId];
  for (let sessionID = waiting.shift(); sessionID !== undefined; sessionID = waiting.shift()) {
    const children = await answer(
      "show sub-agents",
      client.session.children({ sessionID, directory: session.directory }),
    );
    found.push(...children);
    waiting.push(...children.map((child) => child.id));
  }
  return found;
}

/** From the newest page backwards until the message `since` is reached, or to the beginning. */
async function messages(client: OpencodeClient, session: SessionRef, since: string | undefined): Promise<RawEvent[]> {
  const pages: RawEvent[][] = [];
  let before: string | undefined;
  do {
    const request = client.session.messages({
      ...address(session),
      limit: pageSize,
      ...(before !== undefined && { before }),
    });
    const { data, response } = await whole("show the messages", request);
    pages.unshift(
      data.flatMap(({ info, parts }) => [
        asEvent("message.updated", { sessionID: session.sessionId, info }),
        ...parts.map((part) => asEvent("message.part.updated", { sessionID: session.sessionId, part })),
      ]),
    );
    const oldest = data.map(({ info }) => info.id).sort()[0];
    const reached = oldest === undefined || (since !== undefined && oldest <= since);
    before = reached ? undefined : (response.headers.get("x-next-cursor") ?? undefined);
  } while (before !== undefined);
  return pages.flat();
}

function asEvent(type: string, properties: Record<string, unknown>): RawEvent {
  return { id: "", type, properties };
}

async function choices(client: OpencodeClient, directory: string): Promise<Choices> {
  const [agents, providers, config] = await Promise.all([
    answer("list its agents", client.app.agents({ directory })),
    answer("list its models", client.config.providers({ directory })),
    answer("show its configuration", client.config.get({ directory })),
  ]);
  const models = providers.providers.flatMap((provider) => {
    // OpenCode's own provider takes this key when the user has none: free models, for anyone.
    const keyless = provider.id === "opencode" && fields(provider.options)["apiKey"] === "public";
    return Object.values(provider.models).map((model) => ({
      providerId: provider.id,
      modelId: model.id,
      name: model.name,
      providerName: provider.name,
      contextLimit: model.limit.context,
      keyless,
    }));
  });
  const configured = models.find((model) => `${model.providerId}/${model.modelId}` === config.model);
  const usable = models.find((model) => !model.keyless && providers.default[model.providerId] === model.modelId);
  const chosen = configured ?? usable;
  const shown = agents
    .filter((agent) => agent.hidden !== true)
    .map(({ name, description = "", model, mode }) => ({
      mode,
      choice: {
        name,
        description,
        ...(model && { model: { providerId: model.providerID, modelId: model.modelID } }),
      },
    }));
  const offered = shown.filter(({ mode }) => mode !== "subagent").map(({ choice }) => choice);
  const defaultAgent = [config.default_agent, "build", offered[0]?.name].find((name) =>
    offered.some((agent) => agent.name === name),
  );
  return {
    agents: offered,
    subagents: shown.filter(({ mode }) => mode !== "primary").map(({ choice }) => choice),
    models,
    ...(defaultAgent !== undefined && { defaultAgent }),
    ...(chosen && { defaultModel: { providerId: chosen.providerId, modelId: chosen.modelId } }),
  };
}

async function tryModel(
  client: OpencodeClient,
  directory: string,
  model: { providerId: string; modelId: string },
  signal: AbortSignal,
): Promise<string> {
  const session = await answer("open a session", client.session.create({ directory, title: "Connection test" }));
  try {
    const request = client.session.prompt(
      {
        sessionID: session.id,
        directory,
        model: { providerID: model.providerId, modelID: model.modelId },
        tools: { "*": false },
        parts: [{ type: "text", text: "Answer with the single word: ready" }],
      },
      unlimitedUntil(signal),
    );
    const { info, parts } = await answer("ask the model", request);
    if (info.error)
      throw new OpenAgentError(
        "opencode_request_failed",
        `The model did not answer: ${text(fields(info.error.data)["message"], info.error.name)}`,
      );
    return parts
      .flatMap((part) => (part.type === "text" ? [part.text] : []))
      .join(" ")
      .trim();
  } finally {
    await client.session.delete({ sessionID: session.id, directory });
  }
}
