import { isAbsolute } from "node:path";
import { z } from "zod";
import { OpenAgentError } from "../base/errors.ts";
import { isRunning, parseModel, verdicts, type MissionHead } from "../protocol/mission.ts";
import { attachmentLimit } from "../protocol/attachment.ts";
import { requestOf } from "../protocol/event.ts";
import type { ImportReport } from "../protocol/exchange.ts";
import { openRequests, permissionModes, ruleScopes } from "../protocol/permission.ts";
import type { Choices, CommandChoice, LoginAttempt, Provider } from "../opencode/engine.ts";
import { checkAttachments } from "./attachments.ts";
import { resumeInCleanWorkspace, uncleanFiles, type CleanReport, type UncleanFiles } from "./cleanWorkspace.ts";
import { withParams } from "./commandHints.ts";
import { compactMission } from "./compaction.ts";
import type { Changes, RevertReport } from "../protocol/changes.ts";
import { command, type Command } from "./command.ts";
import { changesOf, turnsIn, type TurnRange } from "./changes.ts";
import { endpointSchema, type Endpoint } from "./endpoints.ts";
import { importMissions } from "./importing.ts";
import type { Leader } from "./leader.ts";
import { offeredChoices } from "./offeredChoices.ts";
import { libraryKeyCommands } from "./libraryKey.ts";
import { edited, moved, removed } from "./queue.ts";
import { forkMission, revertTurn, unrevert } from "./reverting.ts";
import { configurationCommands } from "./configurationCommands.ts";
import { desktopCommands } from "./desktopCommands.ts";
import { layerCommands, workspaceCommands, workspaceId } from "./workspaceCommands.ts";

/**
 * Everything that can be asked of the leader, by the user interface, a second window or an HTTP client alike. Each
 * command has the schema of its input, which is checked before it runs, and names its result.
 */

const missionId = z.uuid();
const queueId = z.uuid();
const messageId = z.string().min(1).max(200);
const force = z.boolean().optional();
const all = { kind: "all" } as const;
const directory = z.string().min(1).max(4096);
const agent = z.string().min(1).max(200);
const providerId = z.string().min(1).max(200);
/** 8 MB of text: more than any model takes. */
const messageText = z
  .string()
  .max(8_000_000)
  .refine((text) => text.trim() !== "", "the message is empty");
const model = z
  .string()
  .max(400)
  .transform((text, context) => {
    const parsed = parseModel(text);
    if (!parsed) context.addIssue({ code: "custom", message: `“${text}” is not of the form provider/model` });
    return parsed ?? z.NEVER;
  });
const path = z.string().min(1).max(4096).refine(isAbsolute, "the path is not absolute");
const line = z.int().min(1);
const attachment = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("file"),
    path,
    name: z.string().min(1).max(500),
    mime: z.string().min(1).max(200),
    mention: z.string().min(1).max(5_000).optional(),
    lines: z.tuple([line, line]).optional(),
  }),
  z.object({ kind: z.literal("agent"), name: agent, mention: z.string().min(1).max(500) }),
]);
const commandCall = z.object({ name: z.string().min(1).max(500), arguments: z.string().max(1_000_000) });
/** Either; with both, the directory is one inside of the workspace. */
const missionPlace = { directory: directory.optional(), workspaceId: workspaceId.optional() };
const choice = { agent: agent.optional(), model: model.optional() };

export const commands = {
  ...workspaceCommands,
  ...layerCommands,
  ...configurationCommands,
  ...libraryKeyCommands,
  ...desktopCommands,
  createMission: command(
    z.object({ text: messageText, ...missionPlace, title: z.string().min(1).max(500).optional(), ...choice }),
    (leader, input): Promise<MissionHead> => leader.create(input),
  ),
  /** A mission without a first message yet. */
  createEmptyMission: command(
    z.object({ ...missionPlace, title: z.string().min(1).max(500), ...choice }),
    (leader, input): Promise<MissionHead> => leader.create({ text: "", ...input }),
  ),
  sendMessage: command(
    z
      .object({
        missionId,
        text: z.string().max(8_000_000),
        ...choice,
        attachments: z.array(attachment).max(attachmentLimit).optional(),
        command: commandCall.optional(),
      })
      .refine(({ text, attachments }) => text.trim() !== "" || attachments?.length, "the message is empty"),
    (leader, { missionId: id, attachments, ...message }) => {
      const runner = leader.runner(id);
      checkAttachments(attachments ?? [], runner.head.server);
      return runner.send({ ...message, ...(attachments?.length && { attachments }) });
    },
  ),
  resumeMission: command(z.object({ missionId }), (leader, input) => {
    leader.runner(input.missionId).resume();
  }),
  /** What `resumeInCleanWorkspace` would put away. */
  uncleanFiles: command(z.object({ missionId }), (leader, input): Promise<UncleanFiles> => {
    return uncleanFiles(leader, input.missionId);
  }),
  resumeInCleanWorkspace: command(z.object({ missionId }), (leader, input): Promise<CleanReport> => {
    return resumeInCleanWorkspace(leader, input.missionId);
  }),
  editMessage: command(
    z.object({ missionId, queueId, text: messageText, command: commandCall.optional() }),
    (leader, input) => {
      const runner = leader.runner(input.missionId);
      runner.update(edited(runner.head, input.queueId, input.text, input.command));
    },
  ),
  removeMessage: command(z.object({ missionId, queueId }), (leader, input) => {
    const runner = leader.runner(input.missionId);
    runner.update(removed(runner.head, input.queueId));
    runner.wake();
  }),
  /** Puts a waiting message before another one, or at the end. */
  moveMessage: command(z.object({ missionId, queueId, before: queueId.optional() }), (leader, input) => {
    const runner = leader.runner(input.missionId);
    runner.update(moved(runner.head, input.queueId, input.before));
  }),
  sendMessageNow: command(z.object({ missionId, queueId }), (leader, input) =>
    leader.runner(input.missionId).sendNow(input.queueId),
  ),
  /** What the user says of a mission whose work has ended; a message opens it again. */
  markMission: command(z.object({ missionId, status: z.enum(verdicts) }), (leader, input) => {
    const runner = leader.runner(input.missionId);
    requireIdle(runner.head);
    runner.update([{ type: "mission_status_changed", status: input.status }]);
  }),
  /** Resolves when the summary is written. */
  compactMission: command(z.object({ missionId }), (leader, input) => compactMission(leader, input.missionId)),
  /** Whether the caller is the one that tells the user of this: true once for a mission and key, for all time. */
  claimNotice: command(z.object({ missionId, key: z.string().min(1).max(200) }), (leader, input): boolean => {
    const notice = { type: "notice", key: input.key } as const;
    const runner = leader.runner(input.missionId);
    const requestId = requestOf(input.key);
    const isNews = requestId === undefined || openRequests(runner.head).some(({ id }) => id === requestId);
    if (!isNews || leader.holds(input.missionId, notice)) return false;
    runner.update([notice]);
    return true;
  }),
  stopMission: command(z.object({ missionId }), (leader, input) => leader.runner(input.missionId).stop()),
  renameMission: command(z.object({ missionId, title: z.string().trim().min(1).max(500) }), (leader, input) => {
    leader.runner(input.missionId).update([{ type: "mission_updated", title: input.title }]);
  }),
  archiveMission: command(z.object({ missionId, archived: z.boolean() }), (leader, input) => {
    const runner = leader.runner(input.missionId);
    if (input.archived) requireIdle(runner.head);
    runner.update([{ type: "mission_updated", archivedAt: input.archived ? Date.now() : null }]);
  }),
  pinMission: command(z.object({ missionId, pinned: z.boolean() }), (leader, input) => {
    leader.runner(input.missionId).update([{ type: "mission_updated", pinned: input.pinned }]);
  }),
  setMissionChoice: command(
    z.object({ missionId, agent: agent.nullable().optional(), model: model.nullable().optional() }),
    (leader, { missionId: id, ...change }) => {
      leader.runner(id).update([{ type: "mission_updated", ...change }]);
    },
  ),
  /** Takes in the missions of a file: an original Open Agent's `missions*.db`, or a JSON export. */
  importMissions: command(z.object({ path }), (leader, input): Promise<ImportReport> =>
    importMissions(leader, input.path),
  ),
  deleteMission: command(z.object({ missionId }), (leader, input) => leader.remove(input.missionId)),
  answerPermission: command(
    z.object({
      missionId,
      requestId: z.string().min(1),
      reply: z.enum(["once", "always", "reject"]),
      reason: z.string().max(10_000).optional(),
      /** With `always`: which of the patterns that the request offers, and for whom. */
      patterns: z.array(z.string().min(1)).min(1).max(100).optional(),
      scope: z.enum(ruleScopes).optional(),
    }),
    (leader, { missionId: id, requestId, ...answer }) => leader.runner(id).requests.answerPermission(requestId, answer),
  ),
  answerQuestion: command(
    z.object({ missionId, requestId: z.string().min(1), answers: z.array(z.array(z.string().max(10_000))).optional() }),
    (leader, input) => leader.runner(input.missionId).requests.answerQuestion(input.requestId, input.answers),
  ),
  /** A mode of the mission's own; null: that of the settings again. */
  setMissionPermissions: command(z.object({ missionId, mode: z.enum(permissionModes).nullable() }), (leader, input) => {
    const runner = leader.runner(input.missionId);
    runner.update([{ type: "mission_updated", permissions: input.mode }]);
    runner.requests.weighAgain();
  }),
  revokeRule: command(z.object({ ruleId: z.uuid() }), (leader, input) => {
    leader.revokeRule(input.ruleId);
  }),
  /** The files that the mission has changed, or the turn of a message of the user (and all following), with their texts. */
  changes: command(
    z.object({ missionId, messageId: messageId.optional(), following: z.boolean().optional() }),
    (leader, { missionId: id, messageId: turn, following }): Promise<Changes> => {
      const range: TurnRange = turn === undefined ? all : { kind: following ? "from" : "one", messageId: turn };
      return changesOf(leader.store, leader.runner(id).head, range, (head) => leader.engineOf(head));
    },
  ),
  acceptChanges: command(z.object({ missionId, paths: z.array(z.string().min(1)).min(1) }), (leader, input) => {
    const runner = leader.runner(input.missionId);
    const upTo = turnsIn(leader.store, runner.head, all).at(-1);
    if (upTo !== undefined) runner.update([{ type: "changes_accepted", paths: input.paths, upTo }]);
  }),
  /** Takes back a message of the user and all after it. `files_changed` when that overwrites what others did. */
  revertTurn: command(z.object({ missionId, messageId, force }), (leader, input): Promise<RevertReport> =>
    revertTurn(leader, input),
  ),
  unrevert: command(z.object({ missionId, force }), (leader, input): Promise<RevertReport> => unrevert(leader, input)),
  /** A new mission with the history up to the turn of the message `after` and with it. */
  forkMission: command(z.object({ missionId, after: messageId.optional() }), (leader, input): Promise<MissionHead> =>
    forkMission(leader, input.missionId, input.after),
  ),
  /** What a mission in this directory can be run with; in a workspace, or as one that there is. */
  choices: command(
    z.object({ directory, missionId: missionId.optional(), workspaceId: workspaceId.optional() }),
    (leader, input): Promise<Choices> => offeredChoices(leader, input),
  ),
  /** What a message of a mission in this directory can call as `/name`. */
  commands: command(
    z.object({ directory, missionId: missionId.optional() }),
    async (leader, { directory: path, missionId: id }): Promise<CommandChoice[]> => {
      const engine = id === undefined ? leader.engineFor(path) : leader.engineOf(leader.store.head(id));
      return withParams(await (await engine).commands(path), (await leader.configurations.all()).parts);
    },
  ),
  providers: command(z.object({ directory }), async (leader, input): Promise<Provider[]> => {
    return (await leader.engineFor(input.directory)).providers(input.directory);
  }),
  setKey: command(
    z.object({
      providerId,
      key: z.string().trim().min(1).max(10_000),
      metadata: z.record(z.string(), z.string()).default({}),
    }),
    async (leader, input) => {
      await (await leader.engines.main.ensure()).setKey(input.providerId, input.key, input.metadata);
      await leader.loginsChanged();
    },
  ),
  removeLogin: command(z.object({ providerId }), async (leader, input) => {
    await (await leader.engines.main.ensure()).removeLogin(input.providerId);
    await leader.loginsChanged();
  }),
  beginLogin: command(
    z.object({ directory, providerId, method: z.int().min(0), inputs: z.record(z.string(), z.string()) }),
    async (leader, input): Promise<LoginAttempt> => {
      const engine = await leader.engineFor(input.directory);
      return engine.beginLogin(input.directory, input.providerId, input.method, input.inputs);
    },
  ),
  finishLogin: command(
    z.object({ directory, providerId, method: z.int().min(0), code: z.string().max(10_000).optional() }),
    async (leader, input, signal) => {
      const engine = await leader.engineFor(input.directory);
      await engine.finishLogin(input.directory, input.providerId, input.method, input.code, signal);
      await leader.loginsChanged();
    },
  ),
  tryModel: command(z.object({ directory, model }), async (leader, input, signal): Promise<string> => {
    return (await leader.engineFor(input.directory)).tryModel(input.directory, input.model, signal);
  }),
  endpoints: command(z.object({}), (leader): Endpoint[] => leader.endpoints()),
  setEndpoint: command(endpointSchema, (leader, input) => leader.setEndpoint(input.id, input)),
  removeEndpoint: command(z.object({ id: z.string() }), (leader, input) => leader.setEndpoint(input.id, undefined)),
  startServer: command(z.object({}), async (leader): Promise<void> => {
    await leader.engines.main.ensure();
  }),
  restartServer: command(z.object({}), (leader) => leader.restart()),
};

function requireIdle(head: MissionHead): void {
  if (isRunning(head))
    throw new OpenAgentError("mission_busy", "The mission is at work. Stop it first.", { missionId: head.id });
}

export type CommandName = keyof typeof commands;
export type CommandInput<Name extends CommandName> = z.input<(typeof commands)[Name]["input"]>;
export type CommandResult<Name extends CommandName> = Awaited<ReturnType<(typeof commands)[Name]["run"]>>;

/** Checks the input and runs the command. Rejects with OpenAgentError; `invalid_input` names the field. */
export async function runCommand(leader: Leader, name: string, input: unknown, signal: AbortSignal): Promise<unknown> {
  if (!Object.hasOwn(commands, name)) throw new OpenAgentError("invalid_input", `There is no command “${name}”.`);
  const found: Command<z.ZodType, unknown> = commands[name as CommandName];
  const parsed = found.input.safeParse(input);
  if (!parsed.success) throw new OpenAgentError("invalid_input", z.prettifyError(parsed.error));
  return await found.run(leader, parsed.data, signal);
}
