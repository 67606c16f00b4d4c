import type { SSEStreamingApi } from "hono/streaming";

/** What is held for a client that does not read, in characters. */
const maxHeld = 16_000_000;

/**
 * Sends frames in order. What a client is too slow to take is dropped, and `onDropped` is asked for a frame that says
 * how many.
 */
export function frameSender(stream: SSEStreamingApi, onDropped: (count: number) => Frame) {
  let held = 0;
  let dropped = 0;
  const write = async ({ event, data }: Frame): Promise<void> => {
    const text = JSON.stringify(data);
    held += text.length;
    await stream.writeSSE({ event, data: text });
    held -= text.length;
  };
  return async (frame: Frame): Promise<void> => {
    if (held > maxHeld) {
      dropped++;
      return;
    }
    if (dropped > 0) {
      const count = dropped;
      dropped = 0;
      await Promise.all([write(onDropped(count)), write(frame)]);
    } else await write(frame);
  };
}

export interface Frame {
  event: string;
  data: unknown;
}
