import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy on loopback whose connections can be made to fail. */
export interface Proxy {
  url: string;
  /** Ends all connections, as a network that breaks does. */
  cut(): void;
  /** Lets no byte through from the server, without closing anything. */
  freeze(): void;
  thaw(): void;
  /** Refuses connections until called with false. */
  refuse(refuse: boolean): void;
  /** Swallows the answer to the next request whose first line matches, and ends that connection. */
  swallowAnswer(request: RegExp): void;
  /** Ends the connection of the next request whose first line matches, before the server gets it. */
  dropRequest(request: RegExp): void;
  /** Does something to the bytes of the event streams: in tiny pieces, some of them twice, or with garbage in between. */
  mangle(how: "split" | "twice" | "garbage" | undefined): void;
  connections: () => number;
  close(): void;
}

export async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<{ client: Socket; server: Socket }>();
  let [frozen, refusing] = [false, false];
  let swallow: RegExp | undefined;
  let drop: RegExp | undefined;
  let mangling: "split" | "twice" | "garbage" | undefined;
  const proxy = createServer((client) => {
    if (refusing) {
      client.destroy();
      return;
    }
    const server = connect(Number(port), hostname);
    const pair = { client, server };
    pairs.add(pair);
    let swallowing = false;
    let isStream = false;
    client.on("data", (chunk) => {
      const head = chunk.toString("latin1");
      if (drop?.test(head)) {
        drop = undefined;
        end();
        return;
      }
      if (head.startsWith("GET /global/event")) isStream = true;
      if (swallow?.test(head)) {
        swallow = undefined;
        swallowing = true;
      }
      server.write(chunk);
    });
    server.on("data", (chunk) => {
      if (swallowing) end();
      else if (!frozen) for (const piece of isStream ? mangled(chunk, mangling) : [chunk]) client.write(piece);
    });
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on("close", end).on("error", end);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const address = proxy.address();
  const cut = () => {
    for (const { client, server } of pairs) {
      client.destroy();
      server.destroy();
    }
  };
  return {
    url: `http://127.0.0.1:${String(typeof address === "object" && address ? address.port : 0)}`,
    cut,
    freeze: () => (frozen = true),
    thaw: () => (frozen = false),
    refuse: (refuse) => (refusing = refuse),
    swallowAnswer: (request) => (swallow = request),
    dropRequest: (request) => (drop = request),
    mangle: (how) => (mangling = how),
    connections: () => pairs.size,
    close: () => {
      proxy.close();
      cut();
    },
  };
}

function mangled(chunk: Buffer, how: "split" | "twice" | "garbage" | undefined): Buffer[] {
  if (how === "split")
    return Array.from({ length: Math.ceil(chunk.length / 7) }, (_, at) => chunk.subarray(at * 7, at * 7 + 7));
  if (how === "twice") return [chunk, chunk];
  if (how === "garbage") return [chunk, httpChunk("data: {not json\n\n")];
  return [chunk];
}

/** A piece of a body with transfer encoding "chunked". */
function httpChunk(text: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
}
