import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { chmodSync, linkSync, rmSync } from "node:fs";
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { OpenAgentError, systemCode } from "../base/errors.ts";
import { readTextIfPresent, writePrivateFile } from "../base/files.ts";

/** Who may speak with the API: the user's own programs on this machine, which can read the token. */

/** 64 MB: a message of 8 MB in its most escaped form, and room to spare. */
const maxBodyBytes = 64_000_000;

/** The token that every process of the user shares; made on first use, in a file that only the user can read. */
export function apiToken(path: string): string {
  const known = knownToken(path);
  if (known !== undefined) return known;
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  writePrivateFile(draft, `${randomBytes(32).toString("base64url")}\n`);
  try {
    // Unlike a rename this leaves alone what another process has put there in the meantime.
    linkSync(draft, path);
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  const made = knownToken(path);
  if (made === undefined)
    throw new OpenAgentError("internal", `The token file ${path} is empty. Delete it and start again.`);
  return made;
}

function knownToken(path: string): string | undefined {
  const text = readTextIfPresent(path)?.trim();
  if (text === undefined || text === "") return undefined;
  chmodSync(path, 0o600);
  return text;
}

/** A page in the user's browser must not reach this server, neither under a name of its own nor from another site. */
export const onlyLoopback: MiddlewareHandler = async (context, next) => {
  const host = context.req.header("host");
  if (host === undefined || !isLoopback(`http://${host}`))
    return refuse(context, 403, "forbidden", "This server answers to 127.0.0.1 and localhost only.");
  const origin = context.req.header("origin");
  if (origin !== undefined && !isLoopback(origin))
    return refuse(context, 403, "forbidden", `Pages of ${origin} may not use this server.`);
  return next();
};

function isLoopback(url: string): boolean {
  return /^https?:\/\/(127\.0\.0\.1|localhost)(:\d+)?$/i.test(url);
}

export function onlyWithToken(token: string, path: string): MiddlewareHandler {
  const wanted = digest(token);
  return async (context, next) => {
    const [scheme = "", given = ""] = (context.req.header("authorization") ?? "").split(" ");
    const token = scheme.toLowerCase() === "bearer" ? given : protocolToken(context);
    if (token !== undefined && timingSafeEqual(digest(token), wanted)) return next();
    context.header("WWW-Authenticate", "Bearer");
    return refuse(context, 401, "unauthorized", `The bearer token is missing or wrong. It stands in ${path}.`);
  };
}

/** The only path that WebSockets are taken on, and their protocol. */
export const [streamPath, streamProtocol] = ["/api/desktop/stream", "openagent"];

/** A page cannot give its WebSocket a header, so it names the token as a protocol, beside ours. */
function protocolToken(context: Context): string | undefined {
  if (context.req.path !== streamPath) return undefined;
  const offered = (context.req.header("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
  if (!offered.includes(streamProtocol)) return undefined;
  return offered.find((name) => name.startsWith("jwt."))?.slice("jwt.".length);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

export const limitBody = bodyLimit({
  maxSize: maxBodyBytes,
  onError: (context) => refuse(context, 413, "invalid_input", "The request is larger than 64 MB."),
});

type Status = 400 | 401 | 403 | 404 | 409 | 413 | 500 | 503;

/** The body of every answer that is an error. */
export function refuse(context: Context, status: Status, code: string, message: string): Response {
  return context.json({ error: message, code }, status);
}
