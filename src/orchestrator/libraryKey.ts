import { z } from "zod";
import { OpenAgentError } from "../base/errors.ts";
import { open, openMarks, parseKey, seal, sealMarks, valueOf, type Key } from "../library/sealed.ts";
import { command } from "./command.ts";
import type { SecretStore } from "./secrets.ts";

/** Its name among the secrets of this machine. */
const keyName = "library.key";

/** The key of the Library's encrypted values, as the secrets of this machine hold it. */
export class LibraryKey {
  readonly #store: SecretStore;

  constructor(store: SecretStore) {
    this.#store = store;
  }

  /** As it was set; undefined where there is none. */
  text(): Promise<string | undefined> {
    return this.#store.get(keyName);
  }

  async load(): Promise<Key | undefined> {
    const text = await this.text();
    return text === undefined ? undefined : parseKey(text);
  }

  /** @throws OpenAgentError `library_locked` when there is none */
  async required(): Promise<Key> {
    const key = await this.load();
    if (key) return key;
    throw new OpenAgentError("library_locked", "There is no key for the encrypted values of the Library.");
  }

  /** Undefined deletes it. Throws `invalid_input`. */
  async set(text: string | undefined): Promise<void> {
    if (text !== undefined) parseKey(text);
    await this.#store.set(keyName, text?.trim());
  }
}

/** Secrets among which the Library's key is one that was given with the environment. */
export function withLibraryKey(store: SecretStore, given: string | undefined): SecretStore {
  if (given === undefined || given.trim() === "") return store;
  parseKey(given);
  return { ...store, get: (name) => (name === keyName ? Promise.resolve(given) : store.get(name)) };
}

const text = z.string().max(8_000_000);

/** What can be asked of the leader about encrypted values. */
export const libraryKeyCommands = {
  /** The key as it was set, for its user. */
  libraryKey: command(z.object({}), (leader) => leader.configurations.key.text()),
  /** Sets or (undefined) forgets the key; what is generated follows. Throws `invalid_input`. */
  setLibraryKey: command(z.object({ key: z.string().max(1000).optional() }), async (leader, { key }) => {
    await leader.configurations.key.set(key);
    await leader.sync();
  }),
  /** Encrypts values as a whole. Throws `library_locked`. */
  sealValue: command(z.object({ value: text }), async (leader, { value }) =>
    seal(value, await leader.configurations.key.required()),
  ),
  /** Encrypts what is marked in a text; the values of `before` stay as they are there. Throws `library_locked`. */
  sealMarks: command(z.object({ text, before: text.default("") }), async (leader, input) =>
    sealMarks(input.text, await leader.configurations.key.required(), input.before),
  ),
  /** Decrypts what is marked in a text, and can be, for its user to edit. */
  openMarks: command(z.object({ text }), async (leader, input) =>
    openMarks(input.text, await leader.configurations.key.load()),
  ),
  /** Decrypts values; null for what cannot be. */
  openValues: command(z.object({ values: z.array(text) }), async (leader, { values }) => {
    const key = await leader.configurations.key.load();
    return values.map((value) => valueOf(value, key) ?? null);
  }),
  /** Throws `library_locked`, or `invalid_input` where the key does not fit. */
  openValue: command(z.object({ sealed: text }), async (leader, { sealed }) => {
    const value = open(sealed, await leader.configurations.key.required());
    if (value !== undefined) return value;
    throw new OpenAgentError(
      "library_locked",
      "This value was encrypted with another key. Set that one, or encrypt your own value in its place.",
    );
  }),
};
