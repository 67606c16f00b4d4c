import { effect } from "@preact/signals";
import { render } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { HostMessage } from "../src/protocol/panel.ts";
import { isRunning } from "../src/protocol/mission.ts";
import { DesktopPane } from "./desktopPane.tsx";
import { layout, shown as shownDesktop } from "./desktopState.ts";
import { Footer } from "./footer.tsx";
import { Header } from "./header.tsx";
import { keptState, post } from "./host.ts";
import { moveByKeyboard } from "./keyboard.ts";
import { Requests } from "./requests.tsx";
import { keepInSight, letGo, takeUpGoal } from "./seek.ts";
import {
  announcement,
  canAct,
  engine,
  goal,
  goToEnd,
  isExcerpt,
  missing,
  now,
  receive,
  seq,
  shown,
  subAgent,
  view,
} from "./state.ts";
import { askEarlier, askLater, newestTurns, TranscriptView } from "./transcript.tsx";

function Page() {
  if (missing.value !== undefined && !view.value) return <p class="missing">{missing.value}</p>;
  if (!view.value) return null;
  return (
    <>
      <div class="work">
        <Header />
        <Scroller key={`${view.value.head.id} ${subAgent.value?.sessionId ?? ""}`} />
        {isExcerpt.value && (
          <p class="excerpt">
            This is an earlier part of the conversation.
            <button type="button" class="link" onClick={goToEnd}>
              Show the Newest
            </button>
          </p>
        )}
        <Footer />
      </div>
      <DesktopPane canAct={canAct.value} />
      <div class="visually-hidden" aria-live="polite">
        {announcement.value}
      </div>
    </>
  );
}

/** How near to the end still counts as being there, in pixels. */
const nearEnd = 40;

/** One mission's transcript. Sticks to the end unless the reader has scrolled up; keeps its place when earlier messages come in above. */
function Scroller() {
  const element = useRef<HTMLElement>(null);
  const atEnd = useRef(true);
  /** Where the page stood when it was last scrolled, by whomever. */
  const top = useRef(0);
  const drawn = useRef({ place: "", firstId: "", height: 0 });
  // What is above the newest turns is drawn once those are painted.
  const [isPainted, setPainted] = useState(goal.peek() !== undefined);
  useEffect(() => setPainted(true), []);
  const whole = shown.value;
  const wanted = goal.value;
  const transcript = whole && (isPainted ? whole : newestTurns(whole));
  const place = `${view.value?.head.id ?? ""}/${subAgent.value?.sessionId ?? ""}`;
  const firstId = transcript?.messages[0]?.id ?? "";
  const toEnd = (scroller: HTMLElement) => {
    scroller.scrollTop = scroller.scrollHeight;
    top.current = scroller.scrollTop;
  };
  useLayoutEffect(() => {
    const scroller = element.current;
    if (!scroller) return;
    const before = drawn.current;
    const isToEnd = takeUpGoal(wanted) === "end";
    if (isToEnd || before.place !== place) atEnd.current = true;
    const grewAbove = before.place === place && before.firstId !== firstId && firstId < before.firstId;
    if (keepInSight(scroller)) atEnd.current = false;
    else if (grewAbove) scroller.scrollTop += scroller.scrollHeight - before.height;
    else if (atEnd.current) toEnd(scroller);
    drawn.current = { place, firstId, height: scroller.scrollHeight };
  });
  useEffect(() => {
    const scroller = element.current;
    const content = scroller?.firstElementChild;
    if (!scroller || !content) return;
    // Unfolding, pictures and fonts change the height without a new view.
    const observer = new ResizeObserver(() => {
      if (!keepInSight(scroller) && atEnd.current) toEnd(scroller);
      drawn.current.height = scroller.scrollHeight;
    });
    observer.observe(content);
    // A composer that grows takes its room from here.
    observer.observe(scroller);
    return () => observer.disconnect();
  }, []);
  const onScroll = () => {
    const scroller = element.current;
    if (!scroller) return;
    const isNear = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < nearEnd;
    // Turns that come into view take their true height, which moves the end away: only who goes up leaves it.
    if (isNear) atEnd.current = !isExcerpt.value;
    else if (scroller.scrollTop < top.current) atEnd.current = false;
    top.current = scroller.scrollTop;
    if (!atEnd.current && scroller.scrollTop < 400 && transcript?.hasEarlier)
      askEarlierOnce(transcript.messages[0]?.id ?? "");
    if (isNear && isExcerpt.value) askLaterOnce(transcript?.messages.at(-1)?.id ?? "");
  };
  return (
    <main
      ref={element}
      onScroll={onScroll}
      onWheel={letGo}
      onPointerDown={letGo}
      onKeyDown={letGo}
      onClick={() => {
        // What the reader unfolds stays under the pointer.
        atEnd.current = false;
        requestAnimationFrame(onScroll);
      }}
      tabIndex={-1}
      aria-label="Transcript"
    >
      <div class="content">
        {transcript && <TranscriptView transcript={transcript} />}
        <Requests />
      </div>
    </main>
  );
}

let asked = "";

function askEarlierOnce(firstId: string): void {
  if (asked === firstId) return;
  asked = firstId;
  askEarlier(shown.value?.messages ?? []);
}

let askedLater = "";

function askLaterOnce(lastId: string): void {
  if (askedLater === lastId) return;
  askedLater = lastId;
  askLater(shown.value?.messages ?? []);
}

window.addEventListener("message", (event: MessageEvent<HostMessage>) => receive(event.data));
document.addEventListener("keydown", moveByKeyboard);
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (!link) return;
  event.preventDefault();
  const href = link.getAttribute("href");
  if (href) post({ type: "openLink", href });
});

// Times go on only while something runs.
let clock: number | undefined;
effect(() => {
  const head = view.value?.head;
  const waiting = head !== undefined && (isRunning(head) || head.pending.length > 0);
  const busy = waiting || engine.value.kind === "starting";
  if (busy && clock === undefined) clock = window.setInterval(() => (now.value = Date.now()), 1000);
  if (!busy && clock !== undefined) {
    window.clearInterval(clock);
    clock = undefined;
  }
});

// The desktop takes its part of the page.
effect(() => {
  const { side, share } = layout.value;
  document.documentElement.style.setProperty("--desktop-share", `${String(share * 100)}%`);
  document.body.dataset["desktop"] = shownDesktop.value === undefined ? "none" : side;
});

const root = document.getElementById("root");
const first = document.getElementById("first")?.textContent ?? "";
if (first !== "") receive(JSON.parse(first) as HostMessage);
if (root) render(<Page />, root);
post({ type: "ready", state: keptState(), seq });
