/**
 * Runs inside a container, on the runtime that OpenCode's own executable carries, and starts OpenCode there: what the
 * container's network keeps apart goes through two sockets in a folder that both sides see. One leads in, to OpenCode;
 * the other leads out, to `egress.ts`. Imports nothing but Node's own modules.
 */
import { spawn } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

interface Orders {
  /** Path of the socket that leads in. */
  socket: string;
  /** Path of the socket that leads out, a proxy; absent where the network is the host's. */
  egress?: string;
  /** Ports of the host's loopback that are to be the same ports here, each by a socket with its name added. */
  localPorts: number[];
}

const orders = JSON.parse(process.env["OPEN_AGENT_BRIDGE"] ?? "{}") as Orders;
const environment = { ...process.env };
delete environment["OPEN_AGENT_BRIDGE"];
delete environment["BUN_BE_BUN"];

function join(one: Socket, other: Socket): void {
  const end = () => {
    one.destroy();
    other.destroy();
  };
  one.on("error", end).on("close", end);
  other.on("error", end).on("close", end);
  one.pipe(other).pipe(one);
}

/** Opens a port of the container's loopback whose connections are led out by a socket. */
function leadOut(port: number, socket: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer((client) => {
      join(client, connect(socket));
    });
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      resolve((server.address() as AddressInfo).port);
    });
  });
}

if (orders.egress !== undefined) {
  const { egress } = orders;
  for (const port of orders.localPorts) await leadOut(port, `${egress}.${String(port)}`);
  const proxy = `http://127.0.0.1:${String(await leadOut(0, egress))}`;
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]) environment[name] = proxy;
  for (const name of ["NO_PROXY", "no_proxy"]) environment[name] = "localhost,127.0.0.1,::1";
}

const child = spawn(process.execPath, process.argv.slice(2), {
  env: environment,
  stdio: ["ignore", "pipe", "inherit"],
});
child.once("exit", (code) => {
  process.exit(code ?? 1);
});
process.on("SIGTERM", () => child.kill("SIGTERM"));

let said = "";
child.stdout.on("data", (chunk: Buffer) => {
  process.stdout.write(chunk);
  if (said === "done") return;
  said += chunk.toString("utf8");
  const port = /opencode server listening on http:\/\/[^:]+:(\d+)/.exec(said)?.[1];
  if (port === undefined) return;
  said = "done";
  rmSync(orders.socket, { force: true });
  const server = createServer((client) => {
    join(client, connect(Number(port), "127.0.0.1"));
  });
  server.listen(orders.socket, () => {
    chmodSync(orders.socket, 0o600);
    process.stdout.write("open agent bridge is open\n");
  });
});
