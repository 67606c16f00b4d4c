import { upgradeWebSocket, type WebSocketLike } from "@hono/node-server";
import type { Handler } from "hono";
import type { WSContext } from "hono/ws";
import { WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { PassingHand, PictureStream, type Core, type FoundDesktop, type Place } from "../orchestrator/index.ts";
import { streamProtocol } from "./access.ts";
import { desktopNamed } from "./checks.ts";
import { framesPerSecond, perform, placeOf, quality, streamCommand, type InputCommand } from "./desktopInput.ts";
import type { JpegEncoder } from "./jpeg.ts";

/** Bytes of a client's message, and those on their way to a client with which it is told no more errors. */
const [longestMessage, mostUnderWay] = [64 * 1024, 8 * 2 ** 20];

const query = z.object({
  display: z.string({ error: "Say which display to show: ?display=:99." }),
  fps: z.coerce.number().pipe(framesPerSecond).default(10),
  quality: z.coerce.number().pipe(quality).default(70),
});

type Wishes = z.output<typeof query>;

/** Takes the WebSockets that the server's routes let in. */
export function streamSockets(): WebSocketServer {
  return new WebSocketServer({
    noServer: true,
    maxPayload: longestMessage,
    // The other one that a client offers is its token.
    handleProtocols: (offered) => (offered.has(streamProtocol) ? streamProtocol : false),
  });
}

/** Shows a desktop, as whole JPEGs over a WebSocket, and lets its client use mouse and keyboard. */
export function desktopStream(core: Core, encoder: JpegEncoder): Handler {
  return (context) => {
    const wishes = query.safeParse(context.req.query());
    if (!wishes.success) throw new OpenAgentError("invalid_input", z.prettifyError(wishes.error));
    const desktop = desktopNamed(core, wishes.data.display);
    if (context.req.header("upgrade")?.toLowerCase() !== "websocket")
      throw new OpenAgentError("invalid_input", "The stream of a desktop is a WebSocket. Connect with ws://.");
    let connection: Connection | undefined;
    return upgradeWebSocket(context, {
      onOpen: (_event, socket) => (connection = new Connection(core, encoder, desktop, wishes.data, socket)),
      onMessage: ({ data }) => connection?.receive(data),
      onClose: () => connection?.dispose(),
    });
  };
}

/** One client of the stream. */
class Connection {
  readonly #socket: WebSocket;
  readonly #pictures: PictureStream;
  readonly #hand: PassingHand;
  #place: Place | undefined;

  constructor(
    core: Core,
    encoder: JpegEncoder,
    desktop: FoundDesktop,
    wishes: Wishes,
    { raw }: WSContext<WebSocketLike>,
  ) {
    if (!(raw instanceof WebSocket)) throw new OpenAgentError("internal", "The socket of a desktop's stream is none.");
    this.#socket = raw;
    const { id } = desktop;
    const connect = () => core.desktops.connect(id);
    this.#hand = new PassingHand(desktop, connect);
    this.#pictures = new PictureStream({
      connect,
      exists: () => core.desktops.list().some((desktop) => desktop.id === id),
      encode: (pixels, quality) => encoder.encode(pixels, quality),
      deliver: (picture) => this.#deliver(picture),
      failed: (message) => this.#complain("capture_failed", message),
      ended: () => raw.close(1000, "The desktop has ended."),
      framesPerSecond: wishes.fps,
      quality: wishes.quality,
    });
  }

  /** Resolves when all of it has gone to the client's machine: so there is never more than one picture under way. */
  #deliver(picture: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(picture, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  /** Takes what the client sends, whatever it is. */
  receive(data: unknown): void {
    const command = streamCommand.safeParse(parsed(data));
    if (!command.success) {
      this.#complain("input_failed", `This is no command of a stream: ${z.prettifyError(command.error)}`);
      return;
    }
    const { data: known } = command;
    switch (known.t) {
      case "pause":
      case "resume":
        this.#pictures.isPaused = known.t === "pause";
        return;
      case "fps":
        this.#pictures.framesPerSecond = known.fps;
        return;
      case "quality":
        this.#pictures.quality = known.quality;
        return;
      default:
        this.#input(known);
    }
  }

  #input(command: InputCommand): void {
    const place = (this.#place = placeOf(command) ?? this.#place);
    this.#hand
      .use((grip) => perform(command, place, grip))
      .catch((error: unknown) => this.#complain("input_failed", describeError(error)));
  }

  #complain(error: string, message: string): void {
    const { readyState, bufferedAmount } = this.#socket;
    // Who sends what is wrong and does not read the answers must not fill our memory with them.
    if (readyState === WebSocket.OPEN && bufferedAmount < mostUnderWay)
      this.#socket.send(JSON.stringify({ error, message }));
  }

  dispose(): void {
    this.#pictures.dispose();
    this.#hand.dispose();
  }
}

/** What a message says, if it is JSON. */
function parsed(data: unknown): unknown {
  try {
    return typeof data === "string" ? JSON.parse(data) : undefined;
  } catch {
    // It is no command, and is answered as one that is wrong.
    return undefined;
  }
}
