/** What is shown of a mission's desktops, and what the user wants of it. */
import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { shownDesktop, type DesktopWish, type LiveDesktop } from "../src/protocol/desktop.ts";
import {
  defaultDesktopLayout,
  type DesktopAction,
  type DesktopLayout,
  type DesktopMessage,
} from "../src/protocol/desktopPage.ts";
import { isRunning, type MissionHead } from "../src/protocol/mission.ts";
import { toView } from "./desktopChannel.ts";
import { DesktopScreen } from "./desktopScreen.ts";
import { post } from "./host.ts";

/** The desktops of the mission in view that run. */
export const live = signal<readonly LiveDesktop[]>([]);
export const layout = signal<DesktopLayout>(defaultDesktopLayout);
const opensByItself = signal(true);
export const wish = signal<DesktopWish>({});
/** The mission in view. */
const mission = signal<MissionHead | undefined>(undefined);

/** The screen of the desktop that is shown, or that floats although none is. */
export const screen = signal<DesktopScreen | undefined>(undefined);
/** The one that floats while another is shown. A browser lets no more float. */
const floater = signal<DesktopScreen | undefined>(undefined);

/** The desktop beside the mission; undefined where none is shown. */
export const shown = computed(() => {
  const head = mission.value;
  if (!head) return undefined;
  // Who has it in hand does not lose sight of it when the agent's turn ends.
  const inHand = screen.value?.hasControl.value === true ? screen.value.id : undefined;
  const running = new Set(live.value.map(({ id }) => id));
  const { desktops = [], turnStartedAt } = head;
  return shownDesktop(
    { desktops, isRunning: isRunning(head), turnStartedAt },
    running,
    wish.value,
    opensByItself.value,
    inHand,
  );
});

/** Why the user's latest wish about it was not done. */
export const desktopTrouble = signal<string | undefined>(undefined);

/** Screens that float have to be somewhere in the page. */
const stash = document.createElement("div");
stash.className = "desktop-stash";
stash.ariaHidden = "true";
document.body.append(stash);

effect(() => {
  const id = shown.value;
  const known = untracked(() => [screen.value, floater.value]).filter((one) => one !== undefined);
  const afloat = known.filter(({ floating, state }) => floating.isOpen.value && state.value.kind !== "ended");
  const next = id === undefined ? afloat[0] : (known.find((one) => one.id === id) ?? newScreen(id));
  const other = afloat.find((one) => one !== next);
  for (const one of known) if (one !== next && one !== other) one.dispose();
  if (next && id === undefined) stash.append(next.element);
  if (other) {
    stash.append(other.element);
    // It is only watched from then on.
    if (other.hasControl.peek()) other.control(false);
  }
  batch(() => {
    screen.value = next;
    floater.value = other;
  });
});

function newScreen(id: string): DesktopScreen {
  const made = new DesktopScreen(id);
  made.quality.value = layout.peek().quality;
  return made;
}

/** Shows the desktop in view anew: the view of it has ended, but it has not. */
export function retry(): void {
  const before = screen.peek();
  if (!before) return;
  before.dispose();
  screen.value = newScreen(before.id);
}

// A panel whose desktop is used or floats is not taken for another mission.
effect(() => {
  const isUsed = screen.value?.hasControl.value === true || screen.value?.floating.isOpen.value === true;
  if (isUsed || floater.value !== undefined) post({ type: "keep" });
});

let onWish: (wish: DesktopWish) => void = () => undefined;

/** Calls back when the user wants something else, so that it is kept. */
export function keepWish(keep: (wish: DesktopWish) => void): void {
  onWish = keep;
}

function setWish(next: DesktopWish): void {
  if (wish.peek().opened === next.opened && wish.peek().closedAt === next.closedAt) return;
  wish.value = next;
  untracked(() => onWish(next));
}

/** Another mission is in view, with what was wanted of its desktops before; or the same one has changed. */
export function viewMission(head: MissionHead, before?: DesktopWish): void {
  if (mission.peek()?.id !== head.id) {
    live.value = [];
    wish.value = before ?? {};
    desktopTrouble.value = undefined;
    for (const one of [screen, floater]) {
      one.peek()?.dispose();
      one.value = undefined;
    }
  }
  mission.value = head;
}

export function receiveDesktop(message: DesktopMessage): void {
  switch (message.type) {
    case "desktops":
      layout.value = message.layout;
      opensByItself.value = message.opensByItself;
      live.value = message.live;
      return;
    case "showDesktop":
      show(message.id ?? live.value.at(-1)?.id);
      return;
    case "desktopAction":
      if (screen.value) act(screen.value, message.action);
      return;
    default:
      if ("view" in message) toView(message);
  }
}

/** Shows a desktop for as long as it runs. */
export function show(id: string | undefined): void {
  if (id !== undefined) setWish({ opened: id });
}

/** Hides the desktop until the next one is started. */
export function hide(): void {
  screen.value?.control(false);
  const newest = Math.max(0, ...(mission.value?.desktops ?? []).map(({ startedAt }) => startedAt));
  setWish({ closedAt: newest });
}

/** Does what a button of the screen does, or a command of the editor. */
export function act(on: DesktopScreen, action: DesktopAction): void {
  desktopTrouble.value = undefined;
  switch (action) {
    case "control":
      on.control(!on.hasControl.value);
      return;
    case "pause":
      on.isPaused.value = !on.isPaused.value;
      return;
    case "fit":
      on.fits.value = !on.fits.value;
      return;
    case "pictureInPicture":
      void float(on);
  }
}

async function float(on: DesktopScreen): Promise<void> {
  const { canvas, floating } = on;
  try {
    if (floating.isOpen.value) await floating.close();
    else if (canvas) await floating.open(canvas);
  } catch (error) {
    // By a command of the editor there was no click in this page, which browsers want.
    const isLate = error instanceof DOMException && error.name === "NotAllowedError";
    desktopTrouble.value = isLate
      ? "The browser opens Picture-in-Picture only after a click on its button here."
      : `Picture-in-Picture did not open: ${String(error)}`;
  }
}

export function setLayout(next: Partial<DesktopLayout>): void {
  layout.value = { ...layout.value, ...next };
  post({ type: "desktopLayout", ...layout.value });
}
