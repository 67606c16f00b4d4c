/** Encodes pictures in a thread of its own: each takes so long that nothing else of a server could wait for it. */
import { parentPort } from "node:worker_threads";
import { describeError } from "../base/errors.ts";
import { encodeJpeg } from "./jpegCodec.ts";
import type { JpegAnswer, JpegRequest } from "./jpeg.ts";

parentPort?.on("message", (request: JpegRequest) => {
  encodeJpeg(request).then(
    (picture) => answer({ id: request.id, picture }, [picture.buffer]),
    (error: unknown) => answer({ id: request.id, error: describeError(error) }),
  );
});

function answer(words: JpegAnswer, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(words, transfer);
}
