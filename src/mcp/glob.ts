/**
 * A regular expression for paths, with `/` between their parts, that a glob fits: `*` and `?` within a part, `**` over
 * parts, `[…]` and `{a,b}`. A glob without `/` fits the last part alone. What is not closed stands for itself.
 */
export function globExpression(glob: string): RegExp {
  const trimmed = glob.replace(/^(\.\/)+/, "");
  const expression = translate(trimmed.replace(/^\//, ""));
  return new RegExp(trimmed.includes("/") ? `^${expression}$` : `(^|/)${expression}$`, "s");
}

function translate(glob: string): string {
  let result = "";
  let open = 0;
  for (let at = 0; at < glob.length; at++) {
    const rest = glob.slice(at);
    const set = /^\[([!^]?)(\]?[^\]]*)\]/.exec(rest);
    if (rest.startsWith("**/")) {
      result += "(?:[^/]+/)*";
      at += 2;
    } else if (rest.startsWith("**")) {
      result += ".*";
      at += 1;
    } else if (rest.startsWith("*")) result += "[^/]*";
    else if (rest.startsWith("?")) result += "[^/]";
    else if (set) {
      result += `(?!/)[${set[1] ? "^" : ""}${(set[2] ?? "").replace(/[\\\][^&]/g, "\\$&")}]`;
      at += set[0].length - 1;
    } else if (rest.startsWith("{") && rest.includes("}")) {
      result += "(?:";
      open++;
    } else if (rest.startsWith("}") && open > 0) {
      result += ")";
      open--;
    } else if (rest.startsWith(",") && open > 0) result += "|";
    else {
      const literal = rest.startsWith("\\") && rest.length > 1 ? (glob[++at] ?? "") : (rest[0] ?? "");
      result += literal.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    }
  }
  return result + ")".repeat(open);
}
