import { useEffect, useRef } from "preact/hooks";
import { desktopQualities, type LiveDesktop } from "../src/protocol/desktop.ts";
import type { DesktopCommand } from "../src/protocol/desktopPage.ts";
import type { DesktopScreen } from "./desktopScreen.ts";
import { act, desktopTrouble, hide, layout, live, retry, screen, setLayout, show, shown } from "./desktopState.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { canFloat } from "./pictureInPicture.ts";

/** The desktop beside or below the mission, with the divider between them. */
export function DesktopPane({ canAct }: { canAct: boolean }) {
  const on = screen.value;
  const desktop = live.value.find(({ id }) => id === shown.value);
  if (!desktop || on?.id !== desktop.id) return null;
  return (
    <>
      <Divider />
      <section class="desktop" aria-label="Desktop">
        <Bar on={on} desktop={desktop} canAct={canAct} />
        <Screen on={on} onRetry={retry} />
        <Notes on={on} desktop={desktop} canAct={canAct} />
      </section>
    </>
  );
}

/** Where the user drags the border between the conversation and the desktop; arrow keys move it too. */
function Divider() {
  const { side, share } = layout.value;
  const drag = (event: PointerEvent) => {
    const { currentTarget: divider, pointerId } = event;
    if (!(divider instanceof HTMLElement)) return;
    divider.setPointerCapture(pointerId);
    const move = ({ clientX, clientY }: PointerEvent) => {
      const isBeside = getComputedStyle(divider).cursor === "col-resize";
      const place = isBeside ? clientX / window.innerWidth : clientY / window.innerHeight;
      layout.value = { ...layout.value, share: bounded(1 - place) };
    };
    const end = () => {
      divider.removeEventListener("pointermove", move);
      setLayout({});
    };
    divider.addEventListener("pointermove", move);
    divider.addEventListener("lostpointercapture", end, { once: true });
  };
  const press = ({ key }: KeyboardEvent) => {
    const step = { ArrowLeft: 0.05, ArrowUp: 0.05, ArrowRight: -0.05, ArrowDown: -0.05 }[key];
    if (step !== undefined) setLayout({ share: bounded(share + step) });
  };
  return (
    <div
      class="divider-bar"
      role="separator"
      tabIndex={0}
      aria-label="Size of the desktop"
      aria-orientation={side === "beside" ? "vertical" : "horizontal"}
      aria-valuenow={Math.round(share * 100)}
      aria-valuemin={15}
      aria-valuemax={85}
      onPointerDown={drag}
      onKeyDown={press}
    />
  );
}

function bounded(share: number): number {
  return Math.min(0.85, Math.max(0.15, share));
}

/** One quiet line over the picture. */
function Bar({ on, desktop, canAct }: { on: DesktopScreen; desktop: LiveDesktop; canAct: boolean }) {
  const { side } = layout.value;
  return (
    <div class="desktop-bar" role="toolbar" aria-label="Desktop">
      {live.value.length > 1 ? (
        <select aria-label="Desktop" value={desktop.id} onChange={({ currentTarget }) => show(currentTarget.value)}>
          {live.value.map(({ id, display }) => (
            <option key={id} value={id}>
              Desktop {display}
            </option>
          ))}
        </select>
      ) : (
        <span class="name">Desktop {desktop.display}</span>
      )}
      <ScreenButtons on={on} desktop={desktop} canAct={canAct} />
      <Tool
        icon="empty-window"
        label="Open in New Window"
        onClick={() => post({ type: "desktopCommand", id: desktop.id, command: "openDesktopWindow" })}
      />
      <Tool
        icon={side === "beside" ? "layout-panel" : "layout-sidebar-right"}
        label={side === "beside" ? "Show Below the Conversation" : "Show Beside the Conversation"}
        onClick={() => setLayout({ side: side === "beside" ? "below" : "beside" })}
      />
      <Tool icon="close" label="Hide the Desktop" onClick={hide} />
    </div>
  );
}

/** What can be done with a screen, wherever it is shown. */
export function ScreenButtons({ on, desktop, canAct }: { on: DesktopScreen; desktop: LiveDesktop; canAct: boolean }) {
  const isLive = on.state.value.kind === "live";
  const floats = on.floating.isOpen.value;
  const has = on.hasControl.value;
  const command = (name: DesktopCommand) => () => post({ type: "desktopCommand", id: desktop.id, command: name });
  return (
    <>
      <button
        type="button"
        class="plain-button"
        disabled={!canAct}
        title="Change the size of the desktop"
        onClick={command("resizeDesktop")}
      >
        {on.size.value ?? desktop.size}
      </button>
      <select
        aria-label="Quality and rate"
        title="Quality and rate of the picture"
        value={on.quality.value}
        onChange={({ currentTarget: { value } }) => {
          on.quality.value = value;
          setLayout({ quality: value });
        }}
      >
        {desktopQualities.map(({ name, gapMs }) => (
          <option key={name} value={name}>
            {name}
            {gapMs >= 200 ? ` (${String(Math.round(1000 / gapMs))}/s)` : ""}
          </option>
        ))}
      </select>
      <span class="grow" />
      {canAct && (
        <button
          type="button"
          class={has ? "control taken" : "control secondary"}
          disabled={!isLive}
          aria-pressed={has}
          title={has ? "Give mouse and keyboard back to the agent (hold Escape)" : "Use mouse and keyboard yourself"}
          onClick={() => act(on, "control")}
        >
          {has ? "Give Back" : "Take Control"}
        </button>
      )}
      <Tool
        icon={on.isPaused.value ? "debug-continue" : "debug-pause"}
        label={on.isPaused.value ? "Go On Showing" : "Pause the Picture"}
        isPressed={on.isPaused.value}
        onClick={() => act(on, "pause")}
      />
      <Tool
        icon={on.fits.value ? "screen-full" : "screen-normal"}
        label={on.fits.value ? "Show at 100 %" : "Fit to the Room"}
        onClick={() => act(on, "fit")}
      />
      <Tool icon="device-camera" label="Save Screenshot…" onClick={command("saveDesktopPicture")} />
      {canFloat && (
        <Tool
          icon="multiple-windows"
          label={floats ? "Close Picture-in-Picture" : "Picture-in-Picture"}
          isPressed={floats}
          isDisabled={!isLive}
          onClick={() => act(on, "pictureInPicture")}
        />
      )}
    </>
  );
}

interface ToolProps {
  icon: string;
  label: string;
  isPressed?: boolean;
  isDisabled?: boolean;
  onClick: () => void;
}

/** A small button that shows an icon. */
export function Tool({ icon, label, isPressed, isDisabled, onClick }: ToolProps) {
  return (
    <button
      type="button"
      class="plain-button tool"
      title={label}
      aria-label={label}
      aria-pressed={isPressed}
      disabled={isDisabled === true}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

/** The place where a screen is. */
export function Screen({ on, onRetry }: { on: DesktopScreen; onRetry: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current?.append(on.element), [on]);
  const state = on.state.value;
  return (
    <div class={`desktop-place ${on.hasControl.value ? "in-hand" : ""}`} ref={place}>
      {state.kind === "connecting" && <p class="desktop-note">Connecting to the desktop.</p>}
      {state.kind === "ended" && (
        <p class="desktop-note">
          {state.message}{" "}
          <button type="button" class="link" onClick={onRetry}>
            Try Again
          </button>
        </p>
      )}
      {state.kind === "live" && on.isPaused.value && <p class="desktop-note">The picture stands still.</p>}
    </div>
  );
}

/** What is to be known below the picture. */
export function Notes({ on, desktop, canAct }: { on: DesktopScreen; desktop: LiveDesktop; canAct: boolean }) {
  const { closesAt } = desktop;
  return (
    <>
      {on.hasControl.value && (
        <p class="desktop-hand" role="status">
          <Icon name="keyboard" />{" "}
          {on.isLettingGo.value
            ? "Hold Escape a moment longer to give it back."
            : "You have mouse and keyboard; the agent waits. Hold Escape to give them back."}
        </p>
      )}
      {desktopTrouble.value !== undefined && (
        <p class="trouble" role="alert">
          <Icon name="warning" /> {desktopTrouble.value}
        </p>
      )}
      {closesAt !== undefined && !on.hasControl.value && (
        <p class="status">
          Its mission rests: it closes at{" "}
          {new Date(closesAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}.{" "}
          {canAct && (
            <button
              type="button"
              class="link"
              onClick={() => post({ type: "desktopCommand", id: desktop.id, command: "keepDesktop" })}
            >
              Keep
            </button>
          )}
        </p>
      )}
    </>
  );
}
