/**
 * Runs on the host beside a container whose network is private, and is its only way out: a proxy on a socket that the
 * container sees. It leads to other machines, and of this one only to the ports that the user's providers name. Ends
 * with the process that it is for. Imports nothing but Node's own modules.
 */
import { lookup } from "node:dns/promises";
import { chmodSync, rmSync, statSync } from "node:fs";
import { createServer, request } from "node:http";
import { BlockList, connect, createServer as createPipe, isIP, isIPv6, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { pipeline } from "node:stream";

const [socket = "", owner = "", ports = ""] = process.argv.slice(2);
const localPorts = ports.split(",").filter((port) => port !== "");

/** Whether an address is this machine's. Those that it has from its networks change with them. */
function isHere(address: string): boolean {
  const here = new BlockList();
  here.addSubnet("127.0.0.0", 8);
  here.addSubnet("0.0.0.0", 8);
  here.addSubnet("169.254.0.0", 16);
  here.addAddress("::1", "ipv6");
  here.addAddress("::", "ipv6");
  here.addSubnet("fe80::", 10, "ipv6");
  for (const own of Object.values(networkInterfaces()).flatMap((one) => one ?? []))
    here.addAddress(own.address.replace(/%.*$/, ""), own.family === "IPv6" ? "ipv6" : "ipv4");
  return here.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

function join(one: Socket, other: Socket): void {
  const end = () => {
    one.destroy();
    other.destroy();
  };
  one.on("error", end).on("close", end);
  other.on("error", end).on("close", end);
  one.pipe(other).pipe(one);
}

/** The socket's file as we made it. The next one's, for the next process, takes its place. */
let made: number | undefined;

function idOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

function listen(on: Server, path: string): void {
  rmSync(path, { force: true });
  on.listen(path, () => {
    chmodSync(path, 0o600);
    if (path === socket) made = idOf(path);
  });
}

/** The address to connect to; throws where the container may not go. */
async function addressOf(host: string, port: string): Promise<string> {
  const name = host.replace(/^\[|\]$/g, "");
  const address = isIP(name) > 0 ? name : (await lookup(name)).address;
  const mapped = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (isHere(mapped)) throw new Error(`This container may not reach ${host}:${port} on its host.`);
  return address;
}

const server = createServer((asked, answer) => {
  void (async () => {
    const url = new URL(asked.url ?? "");
    const port = url.port === "" ? "80" : url.port;
    const headers = { ...asked.headers };
    delete headers["proxy-connection"];
    const target = { host: await addressOf(url.hostname, port), port: Number(port), path: url.pathname + url.search };
    const out = request({ ...target, method: asked.method, headers, setHost: false }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      pipeline(response, answer, () => undefined);
    });
    out.on("error", (error) => answer.destroy(error));
    pipeline(asked, out, () => undefined);
  })().catch((error: unknown) => {
    answer.writeHead(403, { "content-type": "text/plain" });
    answer.end(`${String(error)}\n`);
  });
});
server.on("connect", (asked, client: Socket, first: Buffer) => {
  // It may be gone before it is answered, and nobody else listens to it any more.
  client.on("error", () => client.destroy());
  const target = asked.url ?? "";
  const colon = target.lastIndexOf(":");
  void (async () => {
    const port = target.slice(colon + 1);
    const out = connect(Number(port), await addressOf(target.slice(0, colon), port));
    out.once("connect", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      if (first.length > 0) out.write(first);
      join(client, out);
    });
    out.on("error", () => client.destroy());
    if (client.destroyed) out.destroy();
    else client.once("close", () => out.destroy());
  })().catch((error: unknown) => {
    client.end(`HTTP/1.1 403 Forbidden\r\ncontent-type: text/plain\r\n\r\n${String(error)}\n`);
  });
});
server.requestTimeout = 0;
listen(server, socket);
for (const port of localPorts)
  listen(
    createPipe((client) => {
      join(client, connect(Number(port), "127.0.0.1"));
    }),
    `${socket}.${port}`,
  );

setInterval(() => {
  try {
    process.kill(Number(owner), 0);
  } catch {
    if (idOf(socket) === made) rmSync(socket, { force: true });
    process.exit(0);
  }
}, 1000);
