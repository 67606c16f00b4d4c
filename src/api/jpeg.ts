import { Worker } from "node:worker_threads";
import { Timer } from "../base/async.ts";
import { describeError, OpenAgentError } from "../base/errors.ts";
import type { Disposable } from "../base/lifetime.ts";
import type { Pixels } from "../orchestrator/index.ts";

export interface JpegRequest extends Pixels {
  id: number;
  /** 1 to 100. */
  quality: number;
}

export type JpegAnswer = { id: number } & ({ picture: Uint8ClampedArray<ArrayBuffer> } | { error: string });

/** A thread that has nothing to do for so long is ended. */
const idleMs = 60_000;

interface Waiting {
  resolve: (picture: Uint8Array) => void;
  reject: (error: Error) => void;
}

/** Makes JPEGs in a thread, which is started for the first of them. */
export class JpegEncoder implements Disposable {
  readonly #program: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #idle = new Timer();
  #worker: Worker | undefined;
  #next = 0;

  /** `program` is the file of the thread's program. */
  constructor(program: string) {
    this.#program = program;
  }

  /** A picture of the pixels as they are now. Of several, each waits for those before it. */
  encode({ width, height, data }: Pixels, quality: number): Promise<Uint8Array> {
    const copy = new Uint8Array(data.subarray(0, 4 * width * height));
    const request: JpegRequest = { id: this.#next++, width, height, data: copy, quality };
    this.#idle.dispose();
    const worker = (this.#worker ??= this.#start());
    return new Promise((resolve, reject) => {
      this.#waiting.set(request.id, { resolve, reject });
      worker.postMessage(request, [copy.buffer]);
    });
  }

  #start(): Worker {
    const worker = new Worker(this.#program);
    worker.on("message", (answer: JpegAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (this.#waiting.size === 0) this.#idle.set(idleMs, () => this.dispose());
      if ("picture" in answer) waiting?.resolve(new Uint8Array(answer.picture.buffer));
      else waiting?.reject(new OpenAgentError("desktop_failed", `The picture could not be made: ${answer.error}.`));
    });
    worker.on("error", (error) => {
      if (this.#worker === worker) this.#end(describeError(error));
    });
    return worker;
  }

  #end(reason: string): void {
    this.#idle.dispose();
    void this.#worker?.terminate();
    this.#worker = undefined;
    const error = new OpenAgentError("desktop_failed", `Pictures are not made any more: ${reason}.`);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  /** Ends the thread; another picture would start one again. */
  dispose(): void {
    this.#end("nobody wants them");
  }
}
