import { createOpencodeClient, type OpencodeClient } from "@opencode-ai/sdk/v2/client";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { fields, list, text } from "../base/fields.ts";
import { authorization, fetchFrom, type Connection } from "./connection.ts";

/** A request that is answered by work on the server's side may take this long; a mission is never waited for. */
const requestLimitMs = 60_000;

/** The generated client of OpenCode's REST API. Give every call to `answer`, which turns its failures into ours. */
export function openClient(connection: Connection): OpencodeClient {
  const send = fetchFrom(connection);
  return createOpencodeClient({
    baseUrl: connection.url,
    headers: { authorization: authorization(connection) },
    fetch: async (input: string | URL | Request) => {
      const request = new Request(input);
      const { method, headers, signal: own } = request;
      const signal = headers.has(unlimited) ? own : AbortSignal.any([own, AbortSignal.timeout(requestLimitMs)]);
      headers.delete(unlimited);
      const body = request.body ? await request.text() : undefined;
      return send(request.url, { method, headers: [...headers], signal, ...(body !== undefined && { body }) });
    },
  });
}

/** Marks a request that may last as long as its caller's signal allows. Never sent. */
const unlimited = "x-open-agent-unlimited";

export function unlimitedUntil(signal: AbortSignal) {
  return { signal, headers: { [unlimited]: "1" } };
}

interface Result<Data> {
  data?: Data;
  error?: unknown;
  response?: Response;
}

/**
 * The data of an answered request.
 * @throws OpenAgentError `opencode_unreachable`, `opencode_unauthorized`, `opencode_not_a_server`,
 *   `opencode_config_invalid`, `request_gone` (404) or `opencode_request_failed`
 */
export async function answer<Data>(what: string, request: Promise<Result<Data>>): Promise<NonNullable<Data>> {
  return (await whole(what, request)).data;
}

/** As `answer`, with the response for its headers. */
export async function whole<Data>(
  what: string,
  request: Promise<Result<Data>>,
): Promise<{ data: NonNullable<Data>; response: Response }> {
  let result: Result<Data>;
  try {
    result = await request;
  } catch (error) {
    if (error instanceof SyntaxError || describeError(error).includes("text/html")) throw notAServer(what, error);
    throw unreachableServer(what, error);
  }
  const { data, error, response } = result;
  if (!response) throw unreachableServer(what, error);
  if (response.headers.get("content-type")?.startsWith("text/html")) throw notAServer(what, error);
  // 204 comes without data.
  if (response.ok) return { data: (data ?? {}) as NonNullable<Data>, response };
  throw refused(what, response.status, error);
}

function unreachableServer(what: string, cause: unknown): OpenAgentError {
  return new OpenAgentError(
    "opencode_unreachable",
    `OpenCode could not be reached to ${what}: ${describeError(cause)}`,
    {},
    cause,
  );
}

function notAServer(what: string, cause: unknown): OpenAgentError {
  return new OpenAgentError(
    "opencode_not_a_server",
    `The server asked to ${what} is no OpenCode 1.x server.`,
    {},
    cause,
  );
}

/** OpenCode's answers to bad requests: `{name, data: {message, path, issues}}`. */
function refused(what: string, status: number, body: unknown): OpenAgentError {
  const data = fields(fields(body)["data"]);
  const name = text(fields(body)["name"]);
  const issues = list(data["issues"]).map((issue) => text(fields(issue)["message"]));
  const words = [text(data["message"]), ...issues].filter((part) => part !== "").join("; ");
  const message = `OpenCode did not ${what} (${String(status)}${name === "" ? "" : ` ${name}`})${words === "" ? "." : `: ${words}`}`;
  if (status === 401) return new OpenAgentError("opencode_unauthorized", "OpenCode refused the password.", {});
  if (name.startsWith("Config")) {
    const path = text(data["path"], "its configuration");
    return new OpenAgentError("opencode_config_invalid", `OpenCode cannot use ${path}: ${problemIn(words)}`, { path });
  }
  if (status === 409) return new OpenAgentError("mission_busy", "The mission is at work. Stop it first.");
  return new OpenAgentError(status === 404 ? "request_gone" : "opencode_request_failed", message, {
    status: String(status),
  });
}

/** Of a report on JSON that does not parse, the lines that say where. */
function problemIn(words: string): string {
  const places = words.split("\n").filter((line) => /^\S.* at line \d+/.test(line));
  return places.length > 0 ? places.join("; ") : words;
}
