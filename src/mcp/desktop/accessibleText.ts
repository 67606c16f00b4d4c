/**
 * What programs tell of the texts that they show, by AT-SPI. All of it is a program's word: what is too much, nested too
 * deeply, too slow or goes in circles is left out, and that is said.
 */
import { AccessibleBus, type Reference } from "./accessibleBus.ts";
import { asLines, common, type Area, type Piece } from "./pieces.ts";

/** Of all programs together. */
const [mostMs, mostPrograms, mostText] = [20_000, 64, 100_000];
/** Of each program, so that one of them leaves the others their part. */
const limits = { nodes: 4000, depth: 150, windows: 64, text: 30_000 };
/** Characters of the longest text, and of the longest name. */
const [longestText, longestName] = [10_000, 1000];
/** Nodes that are asked for at once. */
const batch = 32;

/** The numbers that AT-SPI gives to states. */
const stateNumbers = {
  active: 1,
  checked: 4,
  editable: 7,
  enabled: 8,
  focused: 12,
  iconified: 15,
  selected: 23,
  sensitive: 24,
  showing: 25,
} as const;
type State = keyof typeof stateNumbers;

/** What is told with its role, and what has a content besides its name. */
const controls = new Set([
  ...["push button", "toggle button", "button", "link", "check box", "radio button", "combo box", "switch", "slider"],
  ...["menu", "menu item", "check menu item", "radio menu item", "page tab", "image", "icon"],
]);
const fields = new Set(["entry", "text box", "password text", "spin button", "terminal", "combo box", "editbar"]);
/** What shows of the things in it only those that it has room for. */
const frames = new Set(["scroll pane", "viewport", "document web", "document frame", "document text"]);

interface Node {
  reference: Reference;
  role: string;
  name: string;
  states: ReadonlySet<State>;
  area: Area | undefined;
  children: number;
}

interface Window {
  title: string;
  isActive: boolean;
  lines: string[];
}

/**
 * The texts that are on the screen, by window. Undefined where no program tells any.
 * @param address the display's session bus
 */
export async function accessibleText(address: string, screen: Area, signal: AbortSignal): Promise<string | undefined> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(mostMs)]);
  const programs = await readPrograms(address, screen, deadline);
  signal.throwIfAborted();
  const windows = programs.flatMap((program) => program.windows);
  if (windows.every(({ lines }) => lines.length === 0)) return undefined;
  windows.sort((one, other) => Number(other.isActive) - Number(one.isActive));
  const texts = windows.map(({ title, lines }) =>
    [`## ${title}`, ...(lines.length > 0 ? lines : ["(tells no text)"])].join("\n"),
  );
  const text = texts.join("\n\n");
  const missing = new Set(programs.flatMap((program) => [...program.missing]));
  if (deadline.aborted) missing.add("it took too long");
  if (text.length > mostText) missing.add("there is too much of it");
  if (missing.size === 0) return text;
  return `${text.slice(0, mostText)}\n\n(Something is left out: ${[...missing].join("; ")}.)`;
}

async function readPrograms(address: string, screen: Area, signal: AbortSignal): Promise<Program[]> {
  const bus = await AccessibleBus.with(address, signal, (session) =>
    session.invoke(["org.a11y.Bus", "/org/a11y/bus"], "org.a11y.Bus", "GetAddress"),
  );
  if (typeof bus !== "string") return [];
  const root = ["org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root"] as const;
  const found = await AccessibleBus.with(bus, signal, (registry) => registry.call(root, "Accessible", "GetChildren"));
  const programs = references(found).slice(0, mostPrograms);
  // What one program sends can end its connection, so each has one.
  return Promise.all(
    programs.map((reference) =>
      AccessibleBus.with(bus, signal, async (connection) => {
        const program = new Program(connection, screen);
        await program.read(reference);
        return program;
      }),
    ),
  );
}

/** What one program tells. */
class Program {
  readonly windows: Window[] = [];
  /** Why something is left out. */
  readonly missing = new Set<string>();
  readonly #bus: AccessibleBus;
  readonly #screen: Area;
  readonly #seen = new Set<string>();
  #textLeft = limits.text;

  constructor(bus: AccessibleBus, screen: Area) {
    [this.#bus, this.#screen] = [bus, screen];
  }

  async read(program: Reference): Promise<void> {
    const name = oneLine(await this.#bus.property(program, "Accessible", "Name"), 100).trim();
    const tops = references(await this.#bus.call(program, "Accessible", "GetChildren"));
    for (const top of tops.slice(0, limits.windows)) {
      const window = await this.#window(top, name);
      if (window) this.windows.push(window);
    }
    if (this.#bus.failed) this.missing.add(`${name || "a program"} does not answer`);
  }

  async #window(reference: Reference, application: string): Promise<Window | undefined> {
    const [node] = await this.#nodes([reference]);
    if (!node?.states.has("showing") || node.states.has("iconified")) return undefined;
    const area = common(node.area, this.#screen);
    if (!area) return undefined;
    const lines: string[] = [];
    for await (const children of this.#children(node))
      lines.push(...asLines(await this.#pieces(children, { parent: node, area, depth: 1, said: node.name })));
    if (node.name === "" && lines.length === 0) return undefined;
    const isActive = node.states.has("active");
    const title = [node.name.trim(), application].filter((name) => name !== "").join(" — ") || "a window";
    return { title: `${title}${isActive ? " (active)" : ""}`, isActive, lines };
  }

  /** What nodes and those below them show, in the order in which their program has them. */
  async #pieces(nodes: readonly Node[], around: Around): Promise<Piece[]> {
    const pieces: Piece[] = [];
    // The menu of a closed combo box does not show, but what is chosen in it does.
    for (const node of nodes.filter(({ states }) => states.has("showing") || around.parent.role === "combo box"))
      pieces.push(...(await this.#piecesOf(node, around)));
    return pieces;
  }

  async #piecesOf(node: Node, { parent, area, depth, said }: Around): Promise<Piece[]> {
    const seen = common(node.area, area);
    const isFrame = frames.has(node.role);
    // Others may have no room for themselves, and show what is in them.
    if (isFrame && !seen) return [];
    if (depth > limits.depth) {
      this.missing.add("it is nested too deeply");
      return [];
    }
    const isField = fields.has(node.role) || (node.role === "text" && node.states.has("editable"));
    const own: Piece[] = [];
    if (seen && node.states.has("showing") && (isField || controls.has(node.role))) {
      const content = isField ? await this.#content(node, seen) : "";
      const text = this.#afford(describe(node, content));
      if (text !== "") own.push({ text, area: seen });
      said = `${said}\n${node.name}\n${content}`;
    }
    const below: Piece[] = [];
    const inside = { parent: node, area: isFrame && seen ? seen : area, depth: depth + 1, said };
    for await (const children of this.#children(node)) below.push(...(await this.#pieces(children, inside)));
    if (own.length > 0 || below.length > 0 || !seen) return [...own, ...below];
    const text = node.name === "" ? await this.#content(node, seen) : node.name;
    if (said.includes(text.trim())) return [];
    return [{ text: this.#afford(text), area: seen, line: parent.reference.join(" ") }];
  }

  /** The nodes right below one, some at a time. */
  async *#children({ reference, children }: Node): AsyncGenerator<Node[]> {
    if (children <= 0) return;
    // A list of more might be longer than a message may be.
    if (children <= 1000) {
      const all = references(await this.#bus.call(reference, "Accessible", "GetChildren"));
      for (let at = 0; at < all.length; at += batch) yield this.#nodes(all.slice(at, at + batch));
      return;
    }
    for (let at = 0; at < children && !this.#isFull(); at += batch) {
      const indexes = Array.from({ length: Math.min(batch, children - at) }, (_, index) => at + index);
      const some = indexes.map((index) => this.#bus.call(reference, "Accessible", "GetChildAtIndex", "i", [index]));
      yield this.#nodes(references(await Promise.all(some)));
    }
  }

  #isFull(): boolean {
    if (this.#seen.size >= limits.nodes) this.missing.add("there is too much of it");
    return this.#bus.failed || this.#seen.size >= limits.nodes || this.#textLeft <= 0;
  }

  /** What is known of nodes that have not been there before. */
  async #nodes(found: readonly Reference[]): Promise<Node[]> {
    const fresh: Reference[] = [];
    for (const reference of found) {
      const key = reference.join(" ");
      if (this.#seen.has(key) || this.#isFull()) continue;
      this.#seen.add(key);
      fresh.push(reference);
    }
    return Promise.all(fresh.map((reference) => readNode(this.#bus, reference)));
  }

  /** The text of a node, as far as it is seen; nothing of a password. */
  async #content({ reference, role }: Node, seen: Area): Promise<string> {
    if (role === "password text") return "";
    const count = await this.#bus.property(reference, "Text", "CharacterCount");
    if (typeof count !== "number" || count <= 0) return "";
    let [from, to] = [0, Math.min(count, longestText)];
    if (count > longestName) {
      const corners = [
        [seen.x + 1, seen.y + 1],
        [seen.x + seen.width - 2, seen.y + seen.height - 2],
      ] as const;
      const offsets = corners.map(([x, y]) => this.#bus.call(reference, "Text", "GetOffsetAtPoint", "iiu", [x, y, 0]));
      const [first, last] = await Promise.all(offsets);
      if (typeof first === "number" && typeof last === "number" && first >= 0 && last > first)
        [from, to] = [first, Math.min(last + 1, first + longestText)];
    }
    const text = await this.#bus.call(reference, "Text", "GetText", "ii", [from, to]);
    // In the place of each thing in a text there is such a character.
    return typeof text === "string" ? text.slice(0, longestText).replaceAll("\uFFFC", "") : "";
  }

  /** As much of a text as there is still room for. */
  #afford(text: string): string {
    if (text.length > this.#textLeft) this.missing.add("there is too much of it");
    const part = text.slice(0, this.#textLeft);
    this.#textLeft -= part.length;
    return part;
  }
}

/** Where a node is: below what, within what area, how deep, and which texts have been told of what it belongs to. */
interface Around {
  parent: Node;
  area: Area;
  depth: number;
  said: string;
}

async function readNode(bus: AccessibleBus, reference: Reference): Promise<Node> {
  const [role, name, states, extents, children] = await Promise.all([
    bus.call(reference, "Accessible", "GetRoleName"),
    bus.property(reference, "Accessible", "Name"),
    bus.call(reference, "Accessible", "GetState"),
    bus.call(reference, "Component", "GetExtents", "u", [0]),
    bus.property(reference, "Accessible", "ChildCount"),
  ]);
  const [bits = 0] = Array.isArray(states) ? (states as unknown[]) : [];
  const isSet = (number: number) => typeof bits === "number" && ((bits >>> number) & 1) === 1;
  const set = Object.entries(stateNumbers).filter(([, number]) => isSet(number));
  const [x, y, width, height] = Array.isArray(extents) ? (extents as unknown[]).map(Number) : [];
  return {
    reference,
    role: oneLine(role, 50),
    name: oneLine(name, longestName),
    states: new Set(set.map(([state]) => state as State)),
    area: height === undefined ? undefined : { x: x ?? 0, y: y ?? 0, width: width ?? 0, height },
    children: typeof children === "number" ? children : 0,
  };
}

/** Such as `[check box] Agree (checked)`, or `[entry] Name: Ada`. */
function describe({ role, states, ...node }: Node, content: string): string {
  const name = node.name.trim();
  const shown = content.trim() === "" || content.trim() === name ? [] : [content.trimEnd()];
  const told = (["checked", "selected", "focused"] as const).filter((state) => states.has(state));
  const off = states.has("enabled") || states.has("sensitive") ? [] : ["disabled"];
  // A picture without a name tells nothing.
  if ((role === "image" || role === "icon") && name === "") return "";
  const label = [...(name === "" ? [] : [name]), ...shown].join(": ");
  const more = [...told, ...off].join(", ");
  return [`[${role}]`, ...(label === "" ? [] : [label]), ...(more === "" ? [] : [`(${more})`])].join(" ");
}

function references(value: unknown): Reference[] {
  const found = Array.isArray(value) ? (value as unknown[]) : [];
  return found.flatMap((one) => {
    const [owner, path] = Array.isArray(one) ? (one as unknown[]) : [];
    return typeof owner === "string" && typeof path === "string" && path !== nothing ? [[owner, path]] : [];
  });
}

const nothing = "/org/a11y/atspi/null";

function oneLine(value: unknown, longest: number): string {
  return typeof value === "string" ? value.slice(0, longest).replaceAll(/[\s\p{Cc}]+/gu, " ") : "";
}
