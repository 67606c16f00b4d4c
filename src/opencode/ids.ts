import { randomBytes } from "node:crypto";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/**
 * Ids in OpenCode's ascending form: `msg_` or `prt_`, 12 hexadecimal digits of (milliseconds × 4096 + counter) modulo
 * 2^48, 14 random characters. OpenCode orders messages by id, so a new message must sort behind all earlier ones of
 * its session, also when this machine's clock is behind the server's.
 * Source: the ids of opencode 1.18.33's own messages.
 *
 * @param after an id of the same session that the result must sort behind
 */
export function ascendingId(kind: "msg" | "prt", now: number, after?: string): string {
  const wrap = 1n << 48n;
  let stamp = (BigInt(now) * 4096n) % wrap;
  const least = after === undefined ? undefined : stampOf(after);
  if (least !== undefined && stamp <= least) stamp = least + 1n;
  const random = Array.from(randomBytes(14), (byte) => alphabet[byte % alphabet.length]).join("");
  return `${kind}_${stamp.toString(16).padStart(12, "0")}${random}`;
}

function stampOf(id: string): bigint | undefined {
  const digits = /^[a-z]+_([0-9a-f]{12})/.exec(id)?.[1];
  return digits === undefined ? undefined : BigInt(`0x${digits}`);
}
