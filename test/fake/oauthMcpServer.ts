import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** An MCP server on loopback that lets in only who has logged in, and the authorization server that it names. */
export interface OAuthMcpServer {
  url: string;
  /** What was asked of it, as `GET /authorize`. */
  requests: string[];
  /** The clients that registered themselves. */
  clients: () => string[];
  /** Its login page comes only after this. */
  holdLogin(until: Promise<unknown>): void;
  /** Forgets all tokens that it gave. */
  revoke(): void;
  close(): Promise<void>;
}

/** A client that the server knows beforehand. */
export const knownClient = { clientId: "known-client", clientSecret: "known-secret" };

interface State {
  origin: string;
  clients: Map<string, { redirects?: string[]; secret?: string }>;
  codes: Map<string, { clientId: string; redirect: string; challenge: string }>;
  tokens: Set<string>;
  admits: Promise<unknown>;
}

export async function startOAuthMcpServer({ registration = true } = {}): Promise<OAuthMcpServer> {
  const requests: string[] = [];
  const state: State = {
    origin: "",
    clients: new Map([[knownClient.clientId, { secret: knownClient.clientSecret }]]),
    codes: new Map(),
    tokens: new Set(),
    admits: Promise.resolve(),
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", state.origin);
    requests.push(`${request.method ?? ""} ${url.pathname}`);
    answer(state, registration, request, url, response).catch((error: unknown) => {
      send(response, 400, { error: "invalid_request", error_description: String(error) });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  state.origin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  return {
    url: `${state.origin}/mcp`,
    requests,
    clients: () => [...state.clients.keys()].filter((id) => id !== knownClient.clientId),
    holdLogin: (until) => {
      state.admits = until;
    },
    revoke: () => {
      state.tokens.clear();
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  state: State,
  registration: boolean,
  request: IncomingMessage,
  url: URL,
  response: ServerResponse,
): Promise<void> {
  const { origin } = state;
  const call = `${request.method ?? ""} ${url.pathname}`;
  if (call.startsWith("GET /.well-known/oauth-protected-resource"))
    send(response, 200, { resource: `${origin}/mcp`, authorization_servers: [origin] });
  else if (call === "GET /.well-known/oauth-authorization-server")
    send(response, 200, {
      issuer: origin,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      ...(registration && { registration_endpoint: `${origin}/register` }),
      response_types_supported: ["code"],
      grant_types_supported: ["authorization_code", "refresh_token"],
      code_challenge_methods_supported: ["S256"],
      token_endpoint_auth_methods_supported: ["none", "client_secret_post"],
    });
  else if (call === "POST /register" && registration) register(state, await text(request), response);
  else if (call === "GET /authorize") {
    await state.admits;
    authorize(state, url.searchParams, response);
  } else if (call === "POST /token") token(state, new URLSearchParams(await text(request)), response);
  else if (url.pathname === "/mcp") await mcp(state, request, response);
  else send(response, 404, { error: "not_found" });
}

function register(state: State, body: string, response: ServerResponse): void {
  const wish = JSON.parse(body) as { redirect_uris: string[] };
  const id = randomUUID();
  state.clients.set(id, { redirects: wish.redirect_uris });
  send(response, 201, { ...wish, client_id: id });
}

/** The user agrees at once. */
function authorize(state: State, query: URLSearchParams, response: ServerResponse): void {
  const wanted = (name: string) => query.get(name) ?? fail(`${name} is missing`);
  const [clientId, redirect, challenge] = [wanted("client_id"), wanted("redirect_uri"), wanted("code_challenge")];
  const client = state.clients.get(clientId) ?? fail("unknown client");
  if (client.redirects?.includes(redirect) === false) fail("unknown redirect_uri");
  if (query.get("code_challenge_method") !== "S256") fail("no S256");
  const code = randomUUID();
  state.codes.set(code, { clientId, redirect, challenge });
  const target = new URL(redirect);
  target.searchParams.set("code", code);
  target.searchParams.set("state", wanted("state"));
  response.writeHead(302, { location: target.href }).end();
}

function token(state: State, form: URLSearchParams, response: ServerResponse): void {
  const code = form.get("code") ?? "";
  const granted = state.codes.get(code) ?? fail("unknown code");
  state.codes.delete(code);
  const hash = createHash("sha256")
    .update(form.get("code_verifier") ?? "")
    .digest("base64url");
  if (hash !== granted.challenge) fail("the verifier does not fit");
  if (form.get("redirect_uri") !== granted.redirect) fail("another redirect_uri");
  if (form.get("client_id") !== granted.clientId) fail("another client");
  const { secret } = state.clients.get(granted.clientId) ?? fail("unknown client");
  if (secret !== undefined && form.get("client_secret") !== secret) fail("wrong secret");
  const access = randomUUID();
  state.tokens.add(access);
  send(response, 200, { access_token: access, token_type: "Bearer", expires_in: 3600, refresh_token: randomUUID() });
}

async function mcp(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, bearer = ""] = /^Bearer (.+)$/.exec(request.headers.authorization ?? "") ?? [];
  if (!state.tokens.has(bearer)) {
    const metadata = `${state.origin}/.well-known/oauth-protected-resource/mcp`;
    response.setHeader("www-authenticate", `Bearer error="invalid_token", resource_metadata="${metadata}"`);
    send(response, 401, { error: "invalid_token" });
    return;
  }
  if (request.method !== "POST") {
    response.writeHead(405).end();
    return;
  }
  const { id, method, params } = JSON.parse(await text(request)) as Call;
  if (id === undefined) response.writeHead(202).end();
  else send(response, 200, { jsonrpc: "2.0", id, result: resultOf(method, params) });
}

interface Call {
  id?: number;
  method: string;
  params?: { protocolVersion?: string };
}

function resultOf(method: string, params: Call["params"]): object {
  if (method === "initialize")
    return {
      protocolVersion: params?.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: "guarded", version: "1.0.0" },
    };
  if (method === "tools/list")
    return { tools: [{ name: "whisper", description: "Whispers.", inputSchema: { type: "object" } }] };
  return {};
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function fail(words: string): never {
  throw new Error(words);
}
