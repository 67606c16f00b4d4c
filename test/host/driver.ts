import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

/** What tests in the extension host can ask of the browser window around them. Webviews are named by a CSS selector. */
export interface Driver {
  /** Writes a line to the output of the test run. */
  print: (line: string) => Promise<void>;
  /** Saves a picture of the window; gives its path. */
  screenshot: (name: string) => Promise<string>;
  /** Runs a command by its label in the command palette. */
  runCommand: (label: string) => Promise<void>;
  /** Presses a key such as `Enter` or `Control+Z`. */
  press: (key: string) => Promise<void>;
  click: (selector: string) => Promise<void>;
  rightClick: (selector: string) => Promise<void>;
  hover: (selector: string) => Promise<void>;
  /** Sets the size of the window's content, in CSS pixels. */
  resize: (width: number, height: number) => Promise<void>;
  /** What pages in the window have complained about against their content security policy so far. */
  policyViolations: () => Promise<string[]>;
  /** The values of an attribute of all elements; "" where it is absent. */
  attributes: (selector: string, name: string) => Promise<string[]>;
  /** The texts of all elements, as shown. */
  texts: (selector: string) => Promise<string[]>;
  /** Types into the open quick pick or input box, and accepts. */
  answerQuickInput: (text: string) => Promise<void>;
  /** Types a path into the open file dialog with this title, and accepts. */
  choosePath: (title: string, path: string) => Promise<void>;
  /** Types into it, and leaves it open. */
  fillQuickInput: (text: string) => Promise<void>;
  pickQuickItem: (label: string) => Promise<void>;
  clickInWebview: (webview: string, selector: string) => Promise<void>;
  fillInWebview: (webview: string, selector: string, text: string) => Promise<void>;
  textsInWebview: (webview: string, selector: string) => Promise<string[]>;
  /** The value of a JavaScript expression, awaited; it must be JSON. */
  evaluateInWebview: (webview: string, expression: string) => Promise<unknown>;
}

/** One line to the driver. */
export interface DriverRequest {
  id: number;
  operation: string;
  args: unknown[];
}

/** One line from the driver. */
export interface DriverReply {
  id: number;
  value?: unknown;
  error?: string;
}

/** Names of environment variables of the extension host under test. */
export const variables = {
  /** Path of the driver's socket. */
  driver: "OPEN_AGENT_TEST_DRIVER",
  /** Path of the report to write. */
  report: "OPEN_AGENT_TEST_REPORT",
  /** Only tests whose title fits this regular expression. */
  grep: "OPEN_AGENT_TEST_GREP",
} as const;

const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
let socket: Promise<Socket> | undefined;
let lastId = 0;

/** The driver of this test run. */
export const driver = new Proxy({} as Driver, {
  get:
    (_target, operation) =>
    (...args: unknown[]) =>
      call(String(operation), args),
});

async function call(operation: string, args: unknown[]): Promise<unknown> {
  const connection = await (socket ??= open());
  const request: DriverRequest = { id: ++lastId, operation, args };
  return new Promise((resolve, reject) => {
    waiting.set(request.id, { resolve, reject });
    connection.write(`${JSON.stringify(request)}\n`);
  });
}

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const connection = connect(process.env[variables.driver] ?? "");
    connection.once("connect", () => {
      resolve(connection);
    });
    connection.once("error", reject);
    connection.once("close", () => {
      for (const { reject: fail } of waiting.values()) fail(new Error("The driver is gone."));
      waiting.clear();
    });
    // The end of the tests must not wait for the driver.
    connection.unref();
    createInterface({ input: connection }).on("line", (line) => {
      const { id, value, error } = JSON.parse(line) as DriverReply;
      const asked = waiting.get(id);
      waiting.delete(id);
      if (error === undefined) asked?.resolve(value);
      else asked?.reject(new Error(error));
    });
  });
}
