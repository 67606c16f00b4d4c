import { readFileSync } from "node:fs";
import { join } from "node:path";
import openCodec from "@cornerstonejs/codec-libjpeg-turbo-8bit/wasmjs";
import { WebSocket } from "ws";
import { eventually } from "../host/eventually.ts";
import { repository } from "./bed.ts";

export interface StreamClient {
  socket: WebSocket;
  /** JPEGs that have come. */
  frames: Buffer[];
  errors: { error: string; message: string }[];
  /** The code with which the server has closed it. */
  closed: () => number | undefined;
  say: (command: object | string) => void;
  /** Waits for one more frame than there were at `count`. */
  untilFrame: (count?: number) => Promise<Buffer>;
  /** Waits until nothing has come for a while; says how many frames there are then. */
  untilIdle: () => Promise<number>;
}

/** Opens a desktop's stream; rejects with the status of a refusal. */
export async function openStream(
  url: string,
  protocols: string[],
  headers: Record<string, string> = {},
): Promise<StreamClient> {
  const socket = new WebSocket(url, protocols, { headers });
  const frames: Buffer[] = [];
  const errors: StreamClient["errors"] = [];
  let closed: number | undefined;
  let last = Date.now();
  socket.on("message", (data: Buffer, isBinary) => {
    last = Date.now();
    if (isBinary) frames.push(data);
    else errors.push(JSON.parse(data.toString()) as StreamClient["errors"][number]);
  });
  socket.on("close", (code) => (closed = code));
  await new Promise<void>((resolve, reject) => {
    socket.once("open", () => resolve());
    socket.once("unexpected-response", (_request, response) => {
      response.resume();
      reject(new Error(`status ${String(response.statusCode)}`));
    });
    socket.on("error", reject);
  });
  const untilFrame = async (count = 0) => {
    await eventually(
      () => frames.length,
      (found) => found > count,
      10_000,
    );
    return frames.at(-1) ?? Buffer.alloc(0);
  };
  return {
    socket,
    frames,
    errors,
    closed: () => closed,
    say: (command) => socket.send(typeof command === "string" ? command : JSON.stringify(command)),
    untilFrame,
    untilIdle: async () => {
      await untilFrame();
      await eventually(
        () => Date.now() - last,
        (quiet) => quiet > 600,
        15_000,
      );
      return frames.length;
    },
  };
}

export interface Picture {
  width: number;
  height: number;
  /** Red, green and blue of a pixel. */
  at: (x: number, y: number) => number[];
}

export async function decodeJpeg(jpeg: Uint8Array): Promise<Picture> {
  const wasm = join("node_modules", "@cornerstonejs", "codec-libjpeg-turbo-8bit", "dist", "libjpegturbowasm.wasm");
  const { JPEGDecoder } = await openCodec({ wasmBinary: readFileSync(join(repository, wasm)) });
  const decoder = new JPEGDecoder();
  decoder.getEncodedBuffer(jpeg.length).set(jpeg);
  decoder.decode();
  const { width, height, componentCount } = decoder.getFrameInfo();
  const pixels = decoder.getDecodedBuffer().slice();
  const at = (x: number, y: number) => {
    const start = componentCount * (y * width + x);
    return [...pixels.subarray(start, start + 3)];
  };
  return { width, height, at };
}
