import type { LimitKind, WorkspaceLimits } from "../../protocol/workspace.ts";

/** How a limit is called and asked for. Amounts are those of `WorkspaceLimits`. */
interface LimitWords {
  label: string;
  presets: readonly number[];
  /** What is asked for where no preset fits. */
  prompt: string;
  /** An amount as one types it. */
  example: string;
  word: (amount: number) => string;
  /** The amount that a text says; undefined where it says none. */
  parse: (text: string) => number | undefined;
  /** Why a text says no amount. */
  wrong: string;
}

export const limitWords: Readonly<Record<LimitKind, LimitWords>> = {
  memoryMb: {
    label: "Memory",
    presets: [1024, 2048, 4096, 8192, 16_384],
    prompt: "Memory that all processes of the workspace may use together. One that wants more is killed.",
    example: "6 GB",
    word: (mb) => (mb % 512 === 0 ? `${String(mb / 1024)} GB` : `${String(mb)} MB`),
    parse: (text) => {
      const [, amount = "", unit = ""] = /^([\d.]+)\s*(gb?|mb?)$/i.exec(text.trim()) ?? [];
      const mb = numberIn(amount) * (unit.toLowerCase().startsWith("g") ? 1024 : 1);
      return mb >= 16 && mb <= 2 ** 30 ? Math.round(mb) : undefined;
    },
    wrong: "Type an amount such as “6 GB” or “1500 MB”, of 16 MB or more.",
  },
  cpus: {
    label: "Processors",
    presets: [1, 2, 4, 8],
    prompt: "Processors’ worth of time that all processes of the workspace may use together; fractions are allowed",
    example: "1.5",
    word: (count) => (count === 1 ? "1 processor" : `${String(count)} processors`),
    parse: (text) => {
      const count = numberIn(text);
      return count >= 0.01 && count <= 4096 ? count : undefined;
    },
    wrong: "Type a number such as “1.5”, of 0.01 or more.",
  },
  processes: {
    label: "Processes",
    presets: [512, 2048, 8192],
    prompt: "How many processes and threads there may be at once in the workspace. OpenCode alone has some dozens.",
    example: "1000",
    word: (count) => `${count.toLocaleString("en")} processes`,
    parse: (text) => {
      const count = numberIn(text);
      return Number.isInteger(count) && count >= 1 && count <= 2 ** 22 ? count : undefined;
    },
    wrong: "Type a whole number of 1 or more, such as “1000”.",
  },
};

/** All limits of a workspace in a line; empty where there are none. */
export function limitsWord(limits: WorkspaceLimits): string {
  const { memoryMb, cpus, processes } = limits;
  return [
    memoryMb === undefined ? "" : `${limitWords.memoryMb.word(memoryMb)} of memory`,
    cpus === undefined ? "" : limitWords.cpus.word(cpus),
    processes === undefined ? "" : limitWords.processes.word(processes),
  ]
    .filter((word) => word !== "")
    .join(" · ");
}

/** NaN for what is no plain decimal number. */
function numberIn(text: string): number {
  return /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : NaN;
}
