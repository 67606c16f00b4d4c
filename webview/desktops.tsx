/** The page of desktops: a list of all that run, or one alone in a window of its own. */
import { signal, useSignal, type Signal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { DesktopCommand, DesktopMessage, ListedDesktop } from "../src/protocol/desktopPage.ts";
import { toView } from "./desktopChannel.ts";
import { Notes, Screen, ScreenButtons, Tool } from "./desktopPane.tsx";
import { DesktopScreen } from "./desktopScreen.ts";
import { act, layout } from "./desktopState.ts";
import { keepWindow, post } from "./host.ts";

/** Milliseconds after which a small picture that has ended is tried again. */
const retryMs = 5000;

const desktops = signal<readonly ListedDesktop[] | undefined>(undefined);
const only = signal<string | undefined>(undefined);
const canAct = signal(false);
const one = signal<DesktopScreen | undefined>(undefined);

function Page() {
  if (desktops.value === undefined) return null;
  return only.value === undefined ? <List all={desktops.value} /> : <One id={only.value} all={desktops.value} />;
}

function List({ all }: { all: readonly ListedDesktop[] }) {
  if (all.length === 0)
    return <p class="empty">No desktop runs. An agent that has the tools starts one when it needs it.</p>;
  return (
    <ul class="desktop-list">
      {all.map((desktop) => (
        <Row key={desktop.id} desktop={desktop} />
      ))}
    </ul>
  );
}

function Row({ desktop }: { desktop: ListedDesktop }) {
  const { id, title, display, size, busy, closesAt } = desktop;
  const small = useSignal<DesktopScreen | undefined>(undefined);
  const name = title === "" ? "No mission" : title;
  const command = (which: DesktopCommand) => () => post({ type: "desktopCommand", id, command: which });
  return (
    <li>
      <Thumbnail id={id} screen={small} label={`Show the desktop of ${name}`} onClick={command("showDesktop")} />
      <div class="row">
        <span class="title" title={name}>
          {name}
        </span>
        {canAct.value && closesAt !== undefined && (
          <Tool icon="pinned" label={`Keep the Desktop of ${name}…`} onClick={command("keepDesktop")} />
        )}
        <Tool
          icon="empty-window"
          label={`Open the Desktop of ${name} in a New Window`}
          onClick={command("openDesktopWindow")}
        />
        {canAct.value && <Tool icon="close" label={`Close the Desktop of ${name}`} onClick={command("closeDesktop")} />}
      </div>
      <div class="facts">
        {display} · {small.value?.size.value ?? size}
        {busy ? " · at work" : closesAt === undefined ? "" : ` · closes at ${timeOf(closesAt)}`}
      </div>
    </li>
  );
}

function timeOf(time: number): string {
  return new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

interface ThumbnailProps {
  id: string;
  label: string;
  /** Becomes the screen that it shows. */
  screen: Signal<DesktopScreen | undefined>;
  onClick: () => void;
}

/** A small picture that changes once a second at most. A view that ends is opened anew as long as its desktop is listed. */
function Thumbnail({ id, label, screen, onClick }: ThumbnailProps) {
  const place = useRef<HTMLButtonElement>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const small = new DesktopScreen(id, "thumbnail");
    screen.value = small;
    place.current?.append(small.element);
    let timer: number | undefined;
    const stop = small.state.subscribe(({ kind }) => {
      if (kind === "ended") timer = window.setTimeout(() => setRound((before) => before + 1), retryMs);
    });
    return () => {
      stop();
      window.clearTimeout(timer);
      small.dispose();
    };
  }, [id, round]);
  return <button type="button" class="thumbnail" ref={place} aria-label={label} title={label} onClick={onClick} />;
}

/** One desktop with all that can be done with it. */
function One({ id, all }: { id: string; all: readonly ListedDesktop[] }) {
  const [round, setRound] = useState(0);
  const screen = useMemo(() => new DesktopScreen(id), [id, round]);
  useEffect(() => {
    one.value = screen;
    return () => screen.dispose();
  }, [screen]);
  const desktop = all.find((other) => other.id === id);
  if (!desktop) return <p class="empty">This desktop does not run any more. You can close this window.</p>;
  return (
    <section class="desktop window" aria-label="Desktop">
      <div class="desktop-bar" role="toolbar" aria-label="Desktop">
        <span class="name">{desktop.title === "" ? `Desktop ${desktop.display}` : desktop.title}</span>
        <ScreenButtons on={screen} desktop={desktop} canAct={canAct.value} />
      </div>
      <Screen on={screen} onRetry={() => setRound(round + 1)} />
      <Notes on={screen} desktop={desktop} canAct={canAct.value} />
    </section>
  );
}

function receive(message: DesktopMessage): void {
  switch (message.type) {
    case "desktopList":
      layout.value = message.layout;
      canAct.value = message.canAct;
      only.value = message.only;
      desktops.value = message.desktops;
      document.body.className = message.only === undefined ? "list" : "";
      if (message.only !== undefined) keepWindow({ desktopId: message.only });
      return;
    case "desktopAction":
      if (one.value) act(one.value, message.action);
      return;
    default:
      if ("view" in message) toView(message);
  }
}

window.addEventListener("message", (event: MessageEvent<DesktopMessage>) => receive(event.data));
const root = document.getElementById("root");
if (root) render(<Page />, root);
post({ type: "ready", state: undefined, seq: 0 });
