/** What a shell does with a command beyond running it with its words. Total functions; they read, and run nothing. */

/**
 * The redirections and command substitutions of a command, in order, as the operators that begin them: `>`, `<`, `$(` and
 * a backtick. Left out is what writes nowhere: `2>&1`, and any redirection to `/dev/null`. Where quotes do not close, what
 * stands in them counts as well.
 */
export function shellEffects(command: string): string[] {
  return scan(command, true) ?? scan(command, false) ?? [];
}

/** Whether one has everything that the other has, as often. */
export function includesAll(whole: readonly string[], part: readonly string[]): boolean {
  const count = (list: readonly string[], one: string) => list.filter((other) => other === one).length;
  return part.every((one) => count(part, one) <= count(whole, one));
}

/** Undefined when a quote does not close. */
function scan(command: string, minding: boolean): string[] | undefined {
  const found: string[] = [];
  /** The quote that is open. `$'` knows backslashes. */
  let quote: "" | "'" | '"' | "$'" = "";
  for (let at = 0; at < command.length; at++) {
    const [here = "", next = ""] = [command[at], command[at + 1]];
    if (quote === "'") {
      if (here === "'") quote = "";
    } else if (here === "\\" && minding) at++;
    else if (quote === "$'") {
      if (here === "'") quote = "";
    } else if (here === "`" || (here === "$" && next === "(")) found.push(here === "`" ? "`" : "$(");
    else if (here === '"' && minding) quote = quote === '"' ? "" : '"';
    else if (quote === '"') continue;
    else if (here === "'" && minding) quote = command[at - 1] === "$" ? "$'" : "'";
    else if (here === "#" && minding && /^[\s;&|()]?$/.test(command[at - 1] ?? "")) {
      while (at + 1 < command.length && command[at + 1] !== "\n") at++;
    } else if (here === ">" || here === "<") {
      const harmless = /^(?:[<>]&(?:\d+|-)|[<>&|]*\s*\/dev\/null)(?=$|[\s;&|)])/.exec(command.slice(at))?.[0];
      const operator = harmless ?? /^[<>]+/.exec(command.slice(at))?.[0] ?? here;
      if (harmless === undefined) found.push(here);
      at += operator.length - 1;
    }
  }
  return quote === "" ? found : undefined;
}
