import type { Step } from "./script.ts";

const megabyte = 2 ** 20;

export function bash(command: string, description = "a command"): Pick<Step, "tool" | "args"> {
  return { tool: "bash", args: { command, description } };
}

/** A todo list whose first `done` entries are completed and whose next one is in progress. */
function todos(entries: string[], done: number): Pick<Step, "tool" | "args"> {
  const status = (index: number) => (index < done ? "completed" : index === done ? "in_progress" : "pending");
  const list = entries.map((content, index) => ({ content, status: status(index), priority: "medium" }));
  return { tool: "todowrite", args: { todos: list } };
}

function refuse(status: number, error: Record<string, string>, times = Infinity): Pick<Step, "fail"> {
  return { fail: { status, body: { error }, times } };
}

const missionTodos = ["write notes.txt", "edit notes.txt", "run it"];

/** The scripts that a prompt can name as `[[name]]`. */
export const scenarios: Record<string, Step[] | undefined> = {
  hello: [{ reasoning: "The user greets me. I greet back.", text: "Hello from the scripted model. Nothing to do." }],
  bash: [
    { text: "I run a command.", ...bash("echo out-line; echo err-line >&2; pwd", "Print lines") },
    { text: "The command ran." },
  ],
  mission: [
    { reasoning: "I need a plan first.", text: "Plan: write, edit, run.", ...todos(missionTodos, 0) },
    {
      text: "Writing the file.",
      tool: "write",
      args: { filePath: "$CWD/notes.txt", content: "alpha\nbeta\ngamma\n" },
    },
    { text: "Editing the file.", tool: "read", args: { filePath: "$CWD/notes.txt" } },
    { tool: "edit", args: { filePath: "$CWD/notes.txt", oldString: "beta", newString: "BETA" } },
    {
      text: "Running two tools in parallel.",
      tools: [
        {
          tool: "bash",
          args: { command: "for i in 1 2 3; do echo tick $i; sleep 0.3; done; cat notes.txt", description: "Tick" },
        },
        { tool: "glob", args: { pattern: "*.txt" } },
      ],
    },
    todos(missionTodos, 3),
    { text: "Mission complete: notes.txt holds alpha, BETA, gamma." },
  ],
  question: [
    {
      text: "I need to ask.",
      tool: "question",
      args: {
        questions: [
          {
            question: "Which colour?",
            header: "Colour",
            options: [
              { label: "Red", description: "warm" },
              { label: "Blue", description: "cold" },
            ],
            multiple: false,
          },
        ],
      },
    },
    { text: "Thanks for the answer." },
  ],
  subtask: [
    {
      text: "Delegating.",
      tool: "task",
      args: { description: "Child work", prompt: "The child says [[bash]]", subagent_type: "general" },
    },
    { text: "The child has finished." },
  ],
  longbash: [
    { text: "A long command.", ...bash("for i in $(seq 1 200); do echo line $i; sleep 0.1; done", "Slow loop") },
    { text: "The long command is over." },
  ],
  chatty: [
    { text: "A chatty command.", ...bash("for i in $(seq 1 1000); do echo line $i; sleep 0.001; done", "Chatty loop") },
    { text: "The chatty command is over." },
  ],
  bigoutput: [
    { text: "A big output.", ...bash(`yes 0123456789abcde | head -c ${String(50 * megabyte)}`, "Print 50 MB") },
    { text: "The big output is over." },
  ],
  slow: [{ text: "word ".repeat(400), chunk: 5, delay: 50 }],
  flood: [{ flood: { n: 20_000, size: 4 } }],
  hang: [{ hang: true }],
  err400: [refuse(400, { message: "scripted bad request" })],
  err401: [
    refuse(401, {
      message: "Incorrect API key provided (scripted)",
      type: "invalid_request_error",
      code: "invalid_api_key",
    }),
  ],
  err429: [
    {
      fail: {
        status: 429,
        headers: { "retry-after": "2" },
        body: { error: { message: "Rate limit reached (scripted)", type: "rate_limit" } },
      },
      text: "Recovered after 429.",
    },
  ],
  err500: [
    { ...refuse(500, { message: "scripted 500", type: "server_error" }, 2), text: "Recovered after two errors 500." },
  ],
  err500forever: [refuse(500, { message: "scripted 500 forever", type: "server_error" })],
  overflow: [
    refuse(400, {
      message: "This model's maximum context length is 8192 tokens (scripted)",
      code: "context_length_exceeded",
    }),
  ],
  drop: [{ text: "This stream will break in the mid", drop: true }],
  garbage: [{ text: "Fine so far ", garbage: true }],
  errchunk: [{ text: "A part ", errorChunk: { message: "scripted mid-stream error", type: "server_error" } }],
  badtool: [{ tool: "nonexistent_tool", args: { a: 1 } }, { text: "That tool does not exist." }],
  badargs: [{ tool: "bash", args: { nope: true } }, { text: "The arguments were wrong." }],
};

const pace = { delay: 20 };
const demoTodos = ["Write hello.js", "Run it", "Report"];
const program = `const hour = new Date().getHours();
const greeting = hour < 12 ? "Good morning" : hour < 18 ? "Good afternoon" : "Good evening";
console.log(\`\${greeting} from the scripted demo!\`);
`;
const report = `## Done

I wrote \`hello.js\`, a script that prints a greeting for the time of day, and ran it with \`node hello.js\`.

> **This is a scripted demo without an AI.** Every word was written beforehand and your prompt was not understood. The
> tool calls are real: OpenCode wrote the file and ran the command in your folder.

To do real work, choose a model of a provider that you are signed in to.
`;

/** What a prompt gets that names no script: a small coding job. */
export const demo: Step[] = [
  {
    ...pace,
    reasoning: "This is a scripted demo. I plan the work, write a small program and run it.",
    text: "This is a **scripted demo without an AI**. I shall write a small program and run it.",
    ...todos(demoTodos, 0),
  },
  { ...pace, text: "First the file.", tool: "write", args: { filePath: "$CWD/hello.js", content: program } },
  { ...pace, ...todos(demoTodos, 1) },
  { ...pace, text: "Now I run it.", ...bash("node hello.js", "Run the program") },
  { ...pace, ...todos(demoTodos, 3) },
  { ...pace, text: report },
];

/** What a later message gets that names no script. */
export const followUp: Step[] = [
  {
    ...pace,
    text: "I am a scripted demo without an AI, so all I can do is list your files.",
    tool: "glob",
    args: { pattern: "*" },
  },
  { ...pace, text: "There they are. For a real answer, choose a model of a provider that you are signed in to." },
];
