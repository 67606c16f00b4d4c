import { post } from "./host.ts";
import { subAgent, toggle, unfolded } from "./state.ts";

/**
 * Arrows move between items, Enter opens, Left and Right fold. Escape goes to the composer, and from there back to the
 * newest item.
 */
export function moveByKeyboard(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
  const target = event.target instanceof HTMLElement ? event.target : undefined;
  const items = [...document.querySelectorAll<HTMLElement>("main .item")];
  if (event.key === "Escape" && subAgent.value) {
    post({ type: "showSession" });
    event.preventDefault();
    return;
  }
  if (event.key === "Escape") {
    const composer = document.querySelector<HTMLElement>(".composer textarea");
    if (target === composer) focus(items.at(-1));
    else composer?.focus();
    event.preventDefault();
    return;
  }
  if (target?.closest("textarea, input, .terminal, .diff, pre")) return;
  const current = target?.closest<HTMLElement>(".item");
  const index = current ? items.indexOf(current) : items.length;
  switch (event.key) {
    case "ArrowUp":
      focus(items[index - 1]);
      break;
    case "ArrowDown":
      focus(items[index + 1]);
      break;
    case "ArrowRight":
      fold(current, true);
      break;
    case "ArrowLeft":
      fold(current, false);
      break;
    default:
      return;
  }
  event.preventDefault();
}

function focus(item: HTMLElement | undefined): void {
  const line = item?.querySelector<HTMLElement>(":scope > .line");
  const target = line instanceof HTMLButtonElement ? line : item;
  target?.focus();
  target?.scrollIntoView({ block: "nearest" });
}

function fold(item: HTMLElement | undefined | null, open: boolean): void {
  const id = item?.dataset["item"];
  if (!item?.classList.contains("fold") || id === undefined || unfolded.value.has(id) === open) return;
  toggle(id, item.dataset["call"] === "1", open);
}
