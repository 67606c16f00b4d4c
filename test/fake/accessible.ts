import { createClient, type Message, type MessageBus } from "dbus-native";

/** What an object of a program answers: a signature of D-Bus and a value; undefined is no answer at all. */
export type Said = readonly [signature: string, value: unknown] | undefined;

export interface AccessibleProgram {
  /** Its name on the bus, as references to its objects have it. */
  owner: string;
  end: () => void;
}

const root = "/org/a11y/atspi/accessible/root";

/** Takes part in the accessibility of a display as a program whose objects say whatever a test wants. */
export async function accessibleProgram(
  session: string,
  say: (path: string, member: string, owner: string) => Said,
): Promise<AccessibleProgram> {
  const bus = await connect(session);
  const address = await bus.invoke<string>({
    ...{ destination: "org.a11y.Bus", path: "/org/a11y/bus", interface: "org.a11y.Bus", member: "GetAddress" },
  });
  await bus.close();
  const program = await connect(address);
  const owner = program.name ?? "";
  const embedded = program.invoke({
    ...{ destination: "org.a11y.atspi.Registry", path: root, interface: "org.a11y.atspi.Socket", member: "Embed" },
    ...{ signature: "(so)", body: [[owner, root]] },
  });
  await embedded;
  program.connection.removeAllListeners("message");
  program.connection.on("message", (message: Message) => {
    if (message.type !== 1 || message.path === undefined) return;
    const isProperty = message.interface === "org.freedesktop.DBus.Properties";
    const member = String(isProperty ? message.body?.[1] : message.member);
    const said = say(message.path, member, owner);
    if (said) program.sendReply(message, isProperty ? "v" : said[0], isProperty ? [said] : [said[1]]);
  });
  return { owner, end: () => program.connection.end() };
}

/** An object that shows in a place, with these below it. */
export function shown(
  member: string,
  role: string,
  name: string,
  children: readonly (readonly [string, string])[],
): Said {
  switch (member) {
    case "GetRoleName":
      return ["s", role];
    case "Name":
      return ["s", name];
    case "GetState":
      return ["au", [(1 << 25) | (1 << 24) | (1 << 8), 0]];
    case "GetExtents":
      return ["(iiii)", [10, 10, 200, 20]];
    case "ChildCount":
      return ["i", children.length];
    case "GetChildren":
      return ["a(so)", children];
    default:
      return ["i", 0];
  }
}

async function connect(address: string): Promise<MessageBus> {
  const bus = createClient({ busAddress: address, fdTransport: false });
  bus.connection.on("error", () => undefined);
  // It has its name when the first call is answered.
  await bus.listNames();
  return bus;
}
