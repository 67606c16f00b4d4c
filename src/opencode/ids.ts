import { randomBytes } from "node:crypto";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const wrap = 1n << 48n;
const millisecond = 4096n;

/**
 * An id for the next message of a session, in OpenCode's form: `msg_`, 12 hexadecimal digits of (milliseconds × 4096 + counter)
 * modulo 2^48, 14 random characters. OpenCode orders messages by id, so it must sort behind all earlier ones and before
 * those that the server will make. Our clock and the server's may differ, so it is counted on from the session's newest
 * message, or from the session itself, whose id holds the complement of its time.
 * Source: the ids of opencode 1.18.33's own sessions and messages.
 *
 * @param after the id of the session's newest message
 * @param now epoch milliseconds, for a session whose id is of another form
 */
export function nextMessageId(sessionId: string, after: string | undefined, now: number): string {
  const begun = stampOf(sessionId);
  const base = after === undefined ? (begun === undefined ? undefined : wrap - 1n - begun) : stampOf(after);
  const stamp = (base === undefined ? BigInt(now) * millisecond : base + millisecond) % wrap;
  const random = Array.from(randomBytes(14), (byte) => alphabet[byte % alphabet.length]).join("");
  return `msg_${stamp.toString(16).padStart(12, "0")}${random}`;
}

function stampOf(id: string): bigint | undefined {
  const digits = /^[a-z]+_([0-9a-f]{12})/.exec(id)?.[1];
  return digits === undefined ? undefined : BigInt(`0x${digits}`);
}
