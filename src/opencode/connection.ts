import { Agent, fetch as fetchThrough, type Dispatcher } from "undici";

/** Where an OpenCode server is and how it lets us in. */
export interface Connection {
  url: string;
  username: string;
  password: string;
  /** Path of the local socket that leads to the server, where it is in a network of its own. */
  socket?: string;
}

/** The Basic header that OpenCode expects on every path. */
export function authorization(connection: Connection): string {
  return `Basic ${Buffer.from(`${connection.username}:${connection.password}`).toString("base64")}`;
}

/** `fetch` of a URL of this server, by its socket where it has one. No limit of its own but on connecting. */
export function fetchFrom(connection: Connection): (url: string | URL, init?: RequestInit) => Promise<Response> {
  if (connection.socket === undefined) return fetch;
  const dispatcher = throughSocket(connection.socket);
  return async (url, init) => {
    const { status, headers, body } = await fetchThrough(url, { ...(init as object), dispatcher });
    const hasBody = status !== 204 && status !== 304;
    return new Response(hasBody ? (body as ReadableStream<Uint8Array> | null) : null, {
      status,
      headers: [...headers],
    });
  };
}

const agents = new Map<string, Dispatcher>();

function throughSocket(socketPath: string): Dispatcher {
  const known = agents.get(socketPath);
  if (known) return known;
  const agent = new Agent({ connect: { socketPath }, headersTimeout: 0, bodyTimeout: 0 });
  agents.set(socketPath, agent);
  return agent;
}
