import { createCipheriv } from "node:crypto";

/** Bytes of what a server says before anything is shown. */
export const handshakeLimits = { name: 4096, reason: 4096 } as const;

/** The answer to a server that asks for a password: the challenge, encrypted with that. */
export function answerChallenge(challenge: Buffer, password: string): Buffer {
  const key = Buffer.alloc(8);
  Buffer.from(password, "latin1").copy(key, 0, 0, 8);
  // The bits of each byte are the other way round.
  const turned = key.map((byte) => Number.parseInt(byte.toString(2).padStart(8, "0").split("").reverse().join(""), 2));
  // Three times the same key is the single DES that is wanted and that no library has any more.
  const cipher = createCipheriv("des-ede3-ecb", Buffer.concat([turned, turned, turned]), null).setAutoPadding(false);
  return Buffer.concat([cipher.update(challenge), cipher.final()]);
}
