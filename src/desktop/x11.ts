import { connect, type Socket } from "node:net";
import { sleep } from "../base/async.ts";
import { ByteReader } from "./bytes.ts";
import { readPlainFile } from "./plainFile.ts";

/** A connection to an X server by its own protocol, for the few things that RFB does not tell. */
export interface XConnection {
  socket: Socket;
  reader: ByteReader;
  /** The codes of the keyboard's first and last key. */
  keys: [first: number, last: number];
  /** The screen's own window. */
  root: number;
  /** The first name that is free for what this client makes. */
  firstId: number;
}

/** Connects to a display with its cookie. Rejects when it is not there or refuses. */
export async function connectX({ name, authority }: { name: string; authority: string }): Promise<XConnection> {
  const cookie = readPlainFile(authority)?.subarray(-16);
  if (!cookie) throw new Error("the display has no cookie");
  const socket = connect(`/tmp/.X11-unix/X${name.slice(1)}`);
  const reader = new ByteReader(socket);
  try {
    const protocol = Buffer.from("MIT-MAGIC-COOKIE-1\0\0", "latin1");
    const head = Buffer.from([0x6c, 0, 11, 0, 0, 0, protocol.length - 2, 0, 16, 0, 0, 0]);
    socket.write(Buffer.concat([head, protocol, cookie]));
    const answer = await reader.take(8);
    const said = await reader.take(4 * answer.readUInt16LE(6));
    if (answer.readUInt8(0) !== 1) throw new Error("the display refused its own cookie");
    const screen = 32 + 4 * Math.ceil(said.readUInt16LE(16) / 4) + 8 * said.readUInt8(21);
    const [root, firstId] = [said.readUInt32LE(screen), said.readUInt32LE(4)];
    return { socket, reader, keys: [said.readUInt8(26), said.readUInt8(27)], root, firstId };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** The next reply; events in between are passed over. */
export async function readReply(reader: ByteReader): Promise<{ head: Buffer; body: Buffer }> {
  for (;;) {
    const head = await reader.take(32);
    if (head.readUInt8(0) === 0) throw new Error(`the display refused it: error ${String(head.readUInt8(1))}`);
    if (head.readUInt8(0) === 1) return { head, body: await reader.take(4 * head.readUInt32LE(4)) };
  }
}

const lookMs = 20;

/**
 * Waits until a window manager has said that it is there: windows that come before would never have a frame nor the
 * keyboard. False when none has in time.
 */
export async function windowManagerStarts(display: { name: string; authority: string }, ms: number): Promise<boolean> {
  const { socket, reader, root } = await connectX(display);
  try {
    const name = Buffer.from("_NET_SUPPORTING_WM_CHECK");
    const asked = Buffer.alloc(8);
    asked.writeUInt8(16, 0);
    asked.writeUInt16LE(2 + name.length / 4, 2);
    asked.writeUInt16LE(name.length, 4);
    socket.write(Buffer.concat([asked, name]));
    const property = (await readReply(reader)).head.readUInt32LE(8);
    for (const end = Date.now() + ms; Date.now() < end;) {
      const question = Buffer.alloc(24);
      question.writeUInt8(20, 0);
      question.writeUInt16LE(6, 2);
      question.writeUInt32LE(root, 4);
      question.writeUInt32LE(property, 8);
      question.writeUInt32LE(1, 20);
      socket.write(question);
      const type = (await readReply(reader)).head.readUInt32LE(8);
      if (type !== 0) return true;
      await sleep(lookMs);
    }
    return false;
  } finally {
    socket.destroy();
  }
}
