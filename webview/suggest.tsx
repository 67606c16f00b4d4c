import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { tokenAt, type Token } from "../src/protocol/compose.ts";
import type { Suggestion } from "../src/protocol/panel.ts";
import { count } from "./format.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { announcement } from "./state.ts";

interface Offer {
  token: Token;
  items: Suggestion[];
  active: number;
}

/** What is offered for the word at the caret. */
export const offer = signal<Offer | undefined>(undefined);
/** Arguments and description of the commands that were offered, by `/name`. */
export const commandHints = signal<ReadonlyMap<string, string>>(new Map());

let asked = 0;
let askedFor: Token | undefined;
let dismissed: Token | undefined;

/** Asks for suggestions for the word at the caret, or takes them away where there is none. */
export function look(text: string, caret: number): void {
  const token = tokenAt(text, caret);
  if (!token || (dismissed?.start === token.start && dismissed.trigger === token.trigger)) {
    if (!token) dismissed = undefined;
    askedFor = offer.value = undefined;
    return;
  }
  dismissed = undefined;
  if (same(token, askedFor)) return;
  askedFor = token;
  post({ type: "suggest", id: ++asked, trigger: token.trigger, query: token.query });
}

export function receiveSuggestions(id: number, items: Suggestion[]): void {
  for (const { label, hint, detail } of items)
    if (label.startsWith("/"))
      commandHints.value = new Map(commandHints.value).set(label, [hint ?? "", detail].filter(Boolean).join(" · "));
  if (id !== asked || !askedFor) return;
  offer.value = items.length === 0 ? undefined : { token: askedFor, items, active: 0 };
  if (items.length > 0) announcement.value = count(items.length, "suggestion");
}

export function dismiss(): void {
  dismissed = askedFor;
  close();
}

export function close(): void {
  askedFor = offer.value = undefined;
}

export function step(by: number): void {
  const { value } = offer;
  if (value) offer.value = { ...value, active: (value.active + by + value.items.length) % value.items.length };
}

function same(one: Token, other: Token | undefined): boolean {
  return one.trigger === other?.trigger && one.query === other.query && one.start === other.start;
}

export const listId = "suggestions";

export function optionId(index: number): string {
  return `${listId}-${String(index)}`;
}

/** The list above the composer. The caret stays in the composer, which says which one is active. */
export function SuggestionList({ onAccept }: { onAccept: (suggestion: Suggestion) => void }) {
  const list = useRef<HTMLUListElement>(null);
  const { items = [], active = 0 } = offer.value ?? {};
  useEffect(() => {
    list.current?.children[active]?.scrollIntoView({ block: "nearest" });
  }, [active, items]);
  if (items.length === 0) return null;
  return (
    <ul ref={list} id={listId} class="suggestions" role="listbox" aria-label="Suggestions">
      {items.map((item, index) => (
        <li
          key={item.key}
          id={optionId(index)}
          role="option"
          aria-selected={index === active}
          onMouseDown={(event) => {
            // The caret stays where it is.
            event.preventDefault();
            onAccept(item);
          }}
        >
          <Icon name={item.icon} />
          <span class="label">{item.label}</span>
          {item.hint !== undefined && <span class="hint">{item.hint}</span>}
          <span class="detail">{item.detail}</span>
        </li>
      ))}
    </ul>
  );
}
