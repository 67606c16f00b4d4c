import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { sleep } from "../../src/base/async.ts";

const run = promisify(execFile);
const [framesPerSecond, quality] = [10, 70];

/**
 * The original's way to stream a desktop: what its viewer has clicked is done by a process of xdotool, then ImageMagick's
 * `import` takes a picture, one process for each, then it sleeps for a tenth of a second.
 */
export class ImportLoop {
  frames = 0;
  bytes = 0;
  onFrame: (jpeg: Buffer) => void = () => undefined;
  readonly #env: NodeJS.ProcessEnv;
  readonly #waiting: string[][] = [];
  readonly #done: Promise<void>;
  #over = false;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
    this.#done = this.#loop();
  }

  click(x: number, y: number): void {
    this.#waiting.push(["mousemove", String(x), String(y), "click", "1"]);
  }

  /** Resolves when its last process has ended. */
  async stop(): Promise<void> {
    this.#over = true;
    await this.#done;
  }

  async #loop(): Promise<void> {
    while (!this.#over) {
      for (const words of this.#waiting.splice(0)) await run("xdotool", words, { env: this.#env });
      const options = { env: this.#env, encoding: "buffer" as const, maxBuffer: 2 ** 26 };
      const words = ["-window", "root", "-quality", String(quality), "jpeg:-"];
      const { stdout } = await run("import", words, options);
      this.frames++;
      this.bytes += stdout.length;
      this.onFrame(stdout);
      await sleep(1000 / framesPerSecond);
    }
  }
}
