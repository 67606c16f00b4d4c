import { isSealed } from "../protocol/sealed.ts";

/** How keys of well-known services begin. */
const prefixes =
  /^(?:Bearer\s+|Basic\s+|token\s+)?(?:sk-[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|npm_\w{30,}|hf_\w{20,}|[sr]k_live_\w{16,}|-----BEGIN [A-Z ]*PRIVATE KEY)/;
const secretNames = /(?:^|[_-])(?:TOKEN|API_?KEY|KEY|SECRET|PASSWORD|PASSWD|PASS|CREDENTIALS?|AUTHORIZATION)$/i;
const passwordNames = /PASS(?:WORD|WD)?$/i;
/** Values that stand for others, or for none. */
const placeholders = /^\s*$|\{(?:env|file):|\$\{?\w|^<|\byour[ _-]|changeme|placeholder|example|^x+$|^\*+$|^\.\.\./i;

/** Whether a value looks like a secret that everybody can read who has the file. */
export function looksSecret(name: string, value: string): boolean {
  if (isSealed(value) || placeholders.test(value)) return false;
  if (prefixes.test(value.trim())) return true;
  if (!secretNames.test(name)) return false;
  const bare = value.trim().replace(/^(?:Bearer|Basic|token)\s+/i, "");
  if (/^[~./]|^[a-z][a-z\d+.-]*:\/\//i.test(bare) || /\s/.test(bare)) return false;
  if (passwordNames.test(name)) return bare.length >= 4;
  return bare.length >= 16 && entropy(bare) >= 3;
}

/** The same keys inside of a text, in forms that are no words of any language. */
const tokens =
  /(?<![\w/+-])(?:sk-(?:(?:proj|svcacct|ant|or|live|test)-[\w-]{16,}|[A-Za-z0-9]{20,})|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeoprs]-\d[\w-]{10,}|AKIA[0-9A-Z]{16})(?![\w/+-])|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\s|\\[nr])+[A-Za-z0-9+/=]{40,}/g;
const spokenOf = /your|here|example|x{4}/i;

/** Where a text holds keys of well-known services, or private keys. */
export function tokensIn(text: string): { start: number; end: number }[] {
  return [...text.matchAll(tokens)]
    .map(({ index, 0: token }) => ({ token, start: index, end: index + token.length }))
    .filter(({ token }) => token.startsWith("-") || (!spokenOf.test(token) && entropy(token) >= 3))
    .map(({ start, end }) => ({ start, end }));
}

/** Bits that each character of a text carries. */
function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const letter of text) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  return [...counts.values()].reduce((sum, count) => sum - (count / text.length) * Math.log2(count / text.length), 0);
}
