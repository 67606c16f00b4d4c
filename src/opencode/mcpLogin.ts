import { createServer, type Server, type ServerResponse } from "node:http";
import { OpenAgentError } from "../base/errors.ts";
import { fields } from "../base/fields.ts";
import { toDisposable, type Disposable } from "../base/lifetime.ts";

/** Where OpenCode has the browser sent to after the login at an MCP server whose entry names no other place. */
const usual = "http://127.0.0.1:19876/mcp/oauth/callback";

/** Where the browser is sent to after the login at an MCP server. */
export function redirectOf(entry: Readonly<Record<string, unknown>>): string {
  const { redirectUri, callbackPort } = fields(entry["oauth"]);
  if (typeof redirectUri === "string") return redirectUri;
  return typeof callbackPort === "number" ? usual.replace("19876", String(callbackPort)) : usual;
}

/** Hears the browser that comes back from a login. */
export interface RedirectDesk extends Disposable {
  /** The code that it brings from a page. Rejects with `invalid_input` when the server refused. */
  codeFrom(page: string): Promise<string>;
}

/**
 * Listens where the browser is sent to. OpenCode has a listener of its own for that, which knows only of logins whose
 * browser OpenCode opened itself, and stays away where there is one already (measured with opencode 1.18.33). Undefined
 * where nothing can listen: then the user has to bring the address that the browser ends at.
 */
export async function openRedirectDesk(redirect: string): Promise<RedirectDesk | undefined> {
  if (!URL.canParse(redirect)) return undefined;
  const place = new URL(redirect);
  if (place.protocol !== "http:" || !["127.0.0.1", "localhost"].includes(place.hostname)) return undefined;
  let wanted: { page: string; take: (code: string) => void; refuse: (error: Error) => void } | undefined;
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", place.origin);
    const isOurs = url.pathname === place.pathname && wanted !== undefined && isOf(url, wanted.page);
    if (!wanted || !isOurs) {
      say(response, 404, "There is no login here that this page belongs to.");
      return;
    }
    try {
      wanted.take(codeIn(url.href, wanted.page));
      say(response, 200, "You are logged in. You can close this page and go back to the editor.");
    } catch (error) {
      wanted.refuse(error instanceof Error ? error : new Error(String(error)));
      say(response, 400, "You are not logged in. The editor says why.");
    }
  });
  if (!(await listens(server, Number(place.port === "" ? 80 : place.port)))) return undefined;
  return {
    codeFrom: (page) =>
      new Promise((resolve, reject) => {
        wanted = { page, take: resolve, refuse: reject };
      }),
    ...toDisposable(() => {
      server.close();
    }),
  };
}

function listens(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    server.once("error", () => {
      resolve(false);
    });
    server.listen(port, "127.0.0.1", () => {
      resolve(true);
    });
  });
}

function say(response: ServerResponse, status: number, words: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", connection: "close" }).end(`${words}\n`);
}

/** Whether the browser came to an address from that page. */
function isOf(address: URL, page: string): boolean {
  return address.searchParams.get("state") === new URL(page).searchParams.get("state");
}

/**
 * The code that ends the login of a page, of what the user brings: the address that the browser ended at, or the code.
 * @throws OpenAgentError `invalid_input` when the address is of another login, or of one that was refused
 */
export function codeIn(text: string, page: string): string {
  const brought = text.trim();
  if (!URL.canParse(brought)) return brought;
  const address = new URL(brought);
  if (!isOf(address, page))
    throw new OpenAgentError("invalid_input", "This is the address of another login. Log in anew.");
  const get = (name: string) => address.searchParams.get(name);
  const refusal = get("error_description") ?? get("error");
  if (refusal !== null) throw new OpenAgentError("invalid_input", `The server refused the login: ${refusal}`);
  const code = get("code");
  if (code === null) throw new OpenAgentError("invalid_input", "This address has no code in it. Log in anew.");
  return code;
}
