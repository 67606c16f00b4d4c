import { fields, number, text, type Fields } from "../../base/fields.ts";
import { desktopQualities } from "../../protocol/desktop.ts";
import {
  defaultDesktopLayout,
  desktopCommandNames,
  longestClipboard,
  type DesktopLayout,
  type DesktopRequests,
} from "../../protocol/desktopPage.ts";

type Checks = { [Type in keyof DesktopRequests]: (message: Fields) => DesktopRequests[Type] | undefined };

/** What a viewer sends at once is small, but for a clipboard. */
const longestData = 2 ** 22;

/** Makes sure of the shape of what a page says of desktops. */
export const desktopChecks: Checks = {
  openDesktop: (message) => {
    const id = desktopId(message["id"]);
    return id === undefined ? undefined : withView(message, { id });
  },
  closeDesktop: (message) => withView(message, {}),
  desktopData: (message) => {
    const bytes = bytesIn(message["bytes"]);
    return bytes && bytes.length <= longestData ? withView(message, { bytes }) : undefined;
  },
  desktopAck: (message) => withView(message, { count: Math.max(0, number(message["count"])) }),
  desktopLook: (message) => {
    const look = (["whole", "thumbnail", "paused"] as const).find((known) => known === message["look"]);
    const gapMs = Math.min(60_000, Math.max(0, number(message["gapMs"])));
    return look && withView(message, { look, gapMs, floats: message["floats"] === true });
  },
  controlDesktop: (message) => withView(message, { wanted: message["wanted"] === true }),
  desktopPaste: (message) => withView(message, {}),
  desktopCopied: (message) => withView(message, { text: text(message["text"]).slice(0, longestClipboard) }),
  desktopLayout: (message) => desktopLayout(message),
  desktopCommand: (message) => {
    const id = desktopId(message["id"]);
    const command = desktopCommandNames.find((known) => known === message["command"]);
    return id === undefined || !command ? undefined : { id, command };
  },
};

/** A layout as it was kept, with the defaults where it is none. */
export function desktopLayout(value: unknown): DesktopLayout {
  const facts = fields(value);
  const share = number(facts["share"], defaultDesktopLayout.share);
  return {
    side: facts["side"] === "below" ? "below" : "beside",
    share: Math.min(0.9, Math.max(0.1, share)),
    quality: desktopQualities.find(({ name }) => name === facts["quality"])?.name ?? defaultDesktopLayout.quality,
  };
}

export function bytesIn(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  return value instanceof ArrayBuffer ? new Uint8Array(value) : undefined;
}

function desktopId(value: unknown): string | undefined {
  const id = text(value);
  return /^[0-9a-f]{8}$/.test(id) ? id : undefined;
}

function withView<T extends object>(message: Fields, rest: T): (T & { view: number }) | undefined {
  const view = number(message["view"], -1);
  return Number.isInteger(view) && view >= 0 ? { ...rest, view } : undefined;
}
