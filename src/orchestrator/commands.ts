import { z } from "zod";
import { OpenAgentError } from "../base/errors.ts";
import { parseModel, type MissionHead } from "../protocol/mission.ts";
import type { Choices, LoginAttempt, Provider } from "../opencode/engine.ts";
import { endpointSchema, type Endpoint } from "./endpoints.ts";
import type { Leader } from "./leader.ts";

/**
 * Everything that can be asked of the leader, by the user interface, a second window or an HTTP client alike. Each
 * command has the schema of its input, which is checked before it runs, and names its result.
 */

const missionId = z.uuid();
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
const choice = { agent: agent.optional(), model: model.optional() };

interface Command<Input extends z.ZodType, Result> {
  input: Input;
  run(leader: Leader, input: z.output<Input>, signal: AbortSignal): Promise<Result> | Result;
}

function command<Input extends z.ZodType, Result>(
  input: Input,
  run: (leader: Leader, input: z.output<Input>, signal: AbortSignal) => Promise<Result> | Result,
): Command<Input, Result> {
  return { input, run };
}

export const commands = {
  createMission: command(
    z.object({ text: messageText, directory, title: z.string().min(1).max(500).optional(), ...choice }),
    (leader, input): MissionHead => leader.create(input),
  ),
  /** A mission without a first message yet. */
  createEmptyMission: command(
    z.object({ directory, title: z.string().min(1).max(500), ...choice }),
    (leader, input): MissionHead => leader.create({ text: "", ...input }),
  ),
  sendMessage: command(
    z.object({ missionId, text: messageText, ...choice }),
    (leader, { missionId: id, ...message }) => {
      leader.runner(id).send(message);
    },
  ),
  resumeMission: command(z.object({ missionId }), (leader, input) => {
    leader.runner(input.missionId).resume();
  }),
  stopMission: command(z.object({ missionId }), (leader, input) => leader.runner(input.missionId).stop()),
  renameMission: command(z.object({ missionId, title: z.string().trim().min(1).max(500) }), (leader, input) => {
    leader.runner(input.missionId).update([{ type: "mission_updated", title: input.title }]);
  }),
  archiveMission: command(z.object({ missionId, archived: z.boolean() }), (leader, input) => {
    const runner = leader.runner(input.missionId);
    if (input.archived && runner.head.runState !== "idle")
      throw new OpenAgentError("mission_busy", "The mission is at work. Stop it first.", {
        missionId: input.missionId,
      });
    runner.update([{ type: "mission_updated", archivedAt: input.archived ? Date.now() : null }]);
  }),
  setMissionChoice: command(
    z.object({ missionId, agent: agent.nullable().optional(), model: model.nullable().optional() }),
    (leader, { missionId: id, ...change }) => {
      leader.runner(id).update([{ type: "mission_updated", ...change }]);
    },
  ),
  deleteMission: command(z.object({ missionId }), (leader, input) => leader.remove(input.missionId)),
  answerPermission: command(
    z.object({
      missionId,
      requestId: z.string().min(1),
      reply: z.enum(["once", "always", "reject"]),
      reason: z.string().max(10_000).optional(),
    }),
    (leader, input) => leader.runner(input.missionId).answerPermission(input.requestId, input.reply, input.reason),
  ),
  answerQuestion: command(
    z.object({ missionId, requestId: z.string().min(1), answers: z.array(z.array(z.string().max(10_000))).optional() }),
    (leader, input) => leader.runner(input.missionId).answerQuestion(input.requestId, input.answers),
  ),
  choices: command(z.object({ directory }), async (leader, input): Promise<Choices> => {
    return leader.choices(await leader.engineHost.ensure(), input.directory);
  }),
  providers: command(z.object({ directory }), async (leader, input): Promise<Provider[]> => {
    return (await leader.engineHost.ensure()).providers(input.directory);
  }),
  setKey: command(
    z.object({
      providerId,
      key: z.string().trim().min(1).max(10_000),
      metadata: z.record(z.string(), z.string()).default({}),
    }),
    async (leader, input) => {
      await (await leader.engineHost.ensure()).setKey(input.providerId, input.key, input.metadata);
      await leader.loginsChanged();
    },
  ),
  removeLogin: command(z.object({ providerId }), async (leader, input) => {
    await (await leader.engineHost.ensure()).removeLogin(input.providerId);
    await leader.loginsChanged();
  }),
  beginLogin: command(
    z.object({ directory, providerId, method: z.int().min(0), inputs: z.record(z.string(), z.string()) }),
    async (leader, input): Promise<LoginAttempt> => {
      const engine = await leader.engineHost.ensure();
      return engine.beginLogin(input.directory, input.providerId, input.method, input.inputs);
    },
  ),
  finishLogin: command(
    z.object({ directory, providerId, method: z.int().min(0), code: z.string().max(10_000).optional() }),
    async (leader, input, signal) => {
      const engine = await leader.engineHost.ensure();
      await engine.finishLogin(input.directory, input.providerId, input.method, input.code, signal);
      await leader.loginsChanged();
    },
  ),
  tryModel: command(z.object({ directory, model }), async (leader, input, signal): Promise<string> => {
    return (await leader.engineHost.ensure()).tryModel(input.directory, input.model, signal);
  }),
  endpoints: command(z.object({}), (leader): Endpoint[] => leader.endpoints()),
  setEndpoint: command(endpointSchema, (leader, input) => leader.setEndpoint(input.id, input)),
  removeEndpoint: command(z.object({ id: z.string() }), (leader, input) => leader.setEndpoint(input.id, undefined)),
  startServer: command(z.object({}), async (leader): Promise<void> => {
    await leader.engineHost.ensure();
  }),
  restartServer: command(z.object({}), (leader) => leader.restart()),
};

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
