/** The messages of a viewer, as RFB 3.8 has them: cut apart, and no more understood than the broker needs. */
export type Message =
  /** What passes as it is. */
  | { kind: "plain"; bytes: Buffer }
  /** What acts on the display. */
  | {
      kind: "input";
      bytes: Buffer;
      key?: { key: number; down: boolean };
      pointer?: { x: number; y: number; buttons: number };
    }
  /** A request for the next picture. */
  | { kind: "request"; incremental: boolean; x: number; y: number; width: number; height: number }
  /** What does not pass. */
  | { kind: "dropped"; bytes: Buffer };

/** Bytes of a clipboard's text, and of the longest message with it. */
const longestText = 2 ** 20;
/** What would let the server send without being asked. */
const continuousUpdates = -313;

/** Cuts what a viewer sends into messages. Throws on what no viewer of this protocol sends. */
export class MessageParser {
  #phase: "version" | "security" | "init" | "normal" = "version";
  #rest: Buffer = Buffer.alloc(0);

  /** The messages that are whole with these bytes. */
  *add(bytes: Uint8Array): Generator<Message> {
    this.#rest = this.#rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#rest, bytes]);
    for (;;) {
      const length = this.#length();
      if (length === undefined || this.#rest.length < length) return;
      const message = this.#rest.subarray(0, length);
      this.#rest = this.#rest.subarray(length);
      yield this.#read(message);
    }
  }

  /** The length of the message that the rest begins with; undefined while that is not known. */
  #length(): number | undefined {
    const rest = this.#rest;
    const at = (bytes: number) => rest.length >= bytes;
    if (this.#phase !== "normal") return this.#phase === "version" ? 12 : 1;
    if (!at(1)) return undefined;
    switch (rest.readUInt8(0)) {
      case 0:
        return 20;
      case 2:
        return at(4) ? 4 + 4 * rest.readUInt16BE(2) : undefined;
      case 3:
      case 150:
        return 10;
      case 4:
        return 8;
      case 5:
        return 6;
      case 6:
        return at(8) ? 8 + textLength(rest.readInt32BE(4)) : undefined;
      case 248:
        return at(9) ? 9 + fenceLength(rest.readUInt8(8)) : undefined;
      case 250:
        return 4;
      case 251:
        return at(7) ? 8 + 16 * rest.readUInt8(6) : undefined;
      case 255:
        if (at(2) && rest.readUInt8(1) !== 0) throw new Error("an unknown key message came");
        return 12;
      default:
        throw new Error(`a message of the unknown type ${String(rest.readUInt8(0))} came`);
    }
  }

  #read(bytes: Buffer): Message {
    switch (this.#phase) {
      case "version":
        if (bytes.toString("latin1") !== "RFB 003.008\n") throw new Error("it does not speak RFB 3.8");
        this.#phase = "security";
        return { kind: "plain", bytes };
      case "security":
        if (bytes[0] !== 1) throw new Error("it wants another login than none");
        this.#phase = "init";
        return { kind: "plain", bytes };
      case "init":
        this.#phase = "normal";
        // Nobody shuts the others out.
        return { kind: "plain", bytes: Buffer.from([1]) };
      case "normal":
        return readMessage(bytes);
    }
  }
}

function readMessage(bytes: Buffer): Message {
  switch (bytes.readUInt8(0)) {
    case 0:
    case 248:
      return { kind: "plain", bytes };
    case 2:
      return { kind: "plain", bytes: withoutContinuous(bytes) };
    case 3: {
      const [x, y, width, height] = [2, 4, 6, 8].map((at) => bytes.readUInt16BE(at)) as [
        number,
        number,
        number,
        number,
      ];
      return { kind: "request", incremental: bytes.readUInt8(1) !== 0, x, y, width, height };
    }
    case 4:
      return { kind: "input", bytes, key: { key: bytes.readUInt32BE(4), down: bytes.readUInt8(1) !== 0 } };
    case 5: {
      const pointer = { buttons: bytes.readUInt8(1), x: bytes.readUInt16BE(2), y: bytes.readUInt16BE(4) };
      return { kind: "input", bytes, pointer };
    }
    case 255:
      return { kind: "input", bytes, key: { key: bytes.readUInt32BE(4), down: bytes.readUInt16BE(2) !== 0 } };
    case 6:
      return { kind: tellsAbilities(bytes) ? "plain" : "input", bytes };
    case 251:
      return { kind: "input", bytes };
    default:
      return { kind: "dropped", bytes };
  }
}

function withoutContinuous(bytes: Buffer): Buffer {
  const encodings = Array.from({ length: bytes.readUInt16BE(2) }, (_, index) => bytes.readInt32BE(4 + 4 * index));
  const kept = encodings.filter((encoding) => encoding !== continuousUpdates);
  const out = Buffer.alloc(4 + 4 * kept.length);
  out.writeUInt8(2, 0);
  out.writeUInt16BE(kept.length, 2);
  for (const [index, encoding] of kept.entries()) out.writeInt32BE(encoding, 4 + 4 * index);
  return out;
}

/** Whether a message of the extended clipboard says no more than what the viewer understands of it. */
function tellsAbilities(bytes: Buffer): boolean {
  const flags = bytes.readInt32BE(4) < 0 && bytes.length >= 12 ? bytes.readUInt32BE(8) : 0;
  return (flags & (1 << 24)) !== 0;
}

/** A negative length is that of the extended clipboard. */
function textLength(length: number): number {
  if (Math.abs(length) > longestText) throw new Error("a clipboard's text was too long");
  return Math.abs(length);
}

function fenceLength(length: number): number {
  if (length > 64) throw new Error("a fence was too long");
  return length;
}
