import { z } from "zod";
import { OpenAgentError } from "../base/errors.ts";
import { parseSize } from "../desktop/display.ts";
import { command } from "./command.ts";

const desktopId = z.string().regex(/^[0-9a-f]{8}$/, "is no id of a desktop");

/** What can be asked of the leader about the desktops of agents. */
export const desktopCommands = {
  /** Ends a desktop, with all that runs on it. */
  endDesktop: command(z.object({ desktopId }), (leader, input): Promise<void> => leader.desktops.end(input.desktopId)),
  /** Keeps a desktop for so many seconds from now, though nobody uses it. */
  keepDesktop: command(
    z.object({ desktopId, seconds: z.int().min(1).max(31_536_000).default(7200) }),
    async (leader, input) => {
      await leader.desktops.keep(input.desktopId, input.seconds);
    },
  ),
  /** Gives a desktop another size, such as `1280x720`. */
  resizeDesktop: command(z.object({ desktopId, size: z.string().max(40) }), async (leader, input) => {
    const { width, height } = parseSize(input.size);
    const { server } = leader.desktops.find(input.desktopId);
    if (server === "Xvfb")
      throw new OpenAgentError(
        "invalid_input",
        "This desktop's X server (Xvfb) keeps the size that it has. With tigervnc-standalone-server it can be changed.",
      );
    const client = await leader.desktops.connect(input.desktopId);
    try {
      if (!(await client.resize(width, height)))
        throw new OpenAgentError("desktop_failed", `The desktop does not take the size ${input.size}.`);
    } finally {
      client.dispose();
    }
  }),
};
