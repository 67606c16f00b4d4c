import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createPort, type AddressInfo } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import type { GitBed } from "./gitBed.ts";

const sshd = "/usr/sbin/sshd";

/** Why there can be no remote over ssh here; undefined where there can. */
export function noSsh(): string | undefined {
  return existsSync(sshd) ? undefined : `there is no ${sshd} (Debian's openssh-server)`;
}

export interface Server {
  /** The address of a repository that lies on the bed's disk. */
  url: (path: string) => string;
  close: () => Promise<void>;
}

export interface SshServer extends Server {
  /** What the user's ~/.ssh/config has to say. */
  config: string;
  /** Line for known_hosts. */
  hostKey: string;
}

/** An sshd of our own on loopback, which knows one key: that of the bed's user. */
export async function startSsh(bed: GitBed): Promise<SshServer> {
  const folder = join(bed.root, "sshd");
  mkdirSync(folder, { mode: 0o700 });
  for (const name of ["host", "user"])
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)]);
  copyFileSync(join(folder, "user.pub"), join(folder, "authorized"));
  const port = await freePort();
  const lines = [
    `Port ${String(port)}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${join(folder, "host")}`,
    `AuthorizedKeysFile ${join(folder, "authorized")}`,
    `PidFile ${join(folder, "pid")}`,
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "UsePAM no",
    // The folders above the keys are those of temporary files.
    "StrictModes no",
    "PermitRootLogin prohibit-password",
  ];
  writeFileSync(join(folder, "sshd_config"), `${lines.join("\n")}\n`);
  // Where it puts its children's privileges away.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true });
  const child = spawn(sshd, ["-D", "-e", "-f", join(folder, "sshd_config")], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  if (!(await waitUntil(() => said.includes("Server listening"), 5000))) throw new Error(`sshd did not start: ${said}`);
  const hostKey = readFileSync(join(folder, "host.pub"), "utf8");
  return {
    url: (path) => `ssh://${userInfo().username}@127.0.0.1:${String(port)}${path}`,
    config: `Host 127.0.0.1\n  IdentityFile ${join(folder, "user")}\n  IdentitiesOnly yes\n`,
    hostKey: `[127.0.0.1]:${String(port)} ${hostKey.split(" ").slice(0, 2).join(" ")}\n`,
    close: async () => {
      child.kill();
      await ended;
    },
  };
}

export interface HttpServer extends Server {
  user: string;
  password: string;
  /** Breaks the connection when a push has sent its head, and goes on to. */
  breakPushes: boolean;
  /** Every request's method and path, with the password where one was sent. */
  requests: string[];
}

/** Git's own HTTP protocol behind a password, on loopback. */
export async function startHttp(bed: GitBed): Promise<HttpServer> {
  const [user, password] = ["ada", "pass/word-of-ada"];
  const right = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  const backend = join(execFileSync("git", ["--exec-path"], { encoding: "utf8" }).trim(), "git-http-backend");
  const state: HttpServer = {
    user,
    password,
    breakPushes: false,
    requests: [],
    url: () => "",
    close: () => Promise.resolve(),
  };
  const server = createServer((request, response) => {
    const [path = "", query = ""] = (request.url ?? "").split("?");
    const isLoggedIn = request.headers.authorization === right;
    state.requests.push(`${request.method ?? ""} ${path}${isLoggedIn ? " as ada" : ""}`);
    if (!isLoggedIn) {
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="git"' }).end("no");
      return;
    }
    if (state.breakPushes && request.method === "POST" && path.endsWith("git-receive-pack")) {
      request.once("data", () => request.socket.destroy());
      return;
    }
    const cgi = spawn(backend, {
      env: {
        ...bed.environment,
        GIT_PROJECT_ROOT: bed.root,
        GIT_HTTP_EXPORT_ALL: "1",
        REMOTE_USER: user,
        PATH_INFO: path,
        QUERY_STRING: query,
        REQUEST_METHOD: request.method ?? "GET",
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
        GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      },
      stdio: ["pipe", "pipe", "ignore"],
    });
    request.pipe(cgi.stdin);
    const parts: Buffer[] = [];
    cgi.stdout.on("data", (part: Buffer) => parts.push(part));
    cgi.once("close", () => {
      const all = Buffer.concat(parts);
      const end = all.indexOf("\r\n\r\n");
      const heads = all.subarray(0, end).toString().split("\r\n");
      const status = heads.find((line) => line.startsWith("Status: "))?.slice(8, 11) ?? "200";
      for (const line of heads.filter((one) => !one.startsWith("Status: "))) {
        const [name = "", value = ""] = line.split(": ");
        response.setHeader(name, value);
      }
      response.writeHead(Number(status)).end(all.subarray(end + 4));
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  state.url = (path) => `http://127.0.0.1:${String(port)}${path.slice(bed.root.length)}`;
  state.close = () =>
    new Promise((closed) => {
      server.closeAllConnections();
      server.close(() => closed());
    });
  return state;
}

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createPort();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}
