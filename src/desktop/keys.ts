/** Numbers of keys as X and RFB have them: keysyms. */

/** Keys without a character, by their X names in lower case, and by what else they are called. */
const named: Readonly<Record<string, number>> = {
  backspace: 0xff08,
  tab: 0xff09,
  linefeed: 0xff0a,
  clear: 0xff0b,
  return: 0xff0d,
  enter: 0xff0d,
  pause: 0xff13,
  scroll_lock: 0xff14,
  sys_req: 0xff15,
  escape: 0xff1b,
  esc: 0xff1b,
  multi_key: 0xff20,
  compose: 0xff20,
  home: 0xff50,
  left: 0xff51,
  up: 0xff52,
  right: 0xff53,
  down: 0xff54,
  arrowleft: 0xff51,
  arrowup: 0xff52,
  arrowright: 0xff53,
  arrowdown: 0xff54,
  prior: 0xff55,
  page_up: 0xff55,
  pageup: 0xff55,
  next: 0xff56,
  page_down: 0xff56,
  pagedown: 0xff56,
  end: 0xff57,
  begin: 0xff58,
  select: 0xff60,
  print: 0xff61,
  printscreen: 0xff61,
  execute: 0xff62,
  insert: 0xff63,
  ins: 0xff63,
  undo: 0xff65,
  redo: 0xff66,
  menu: 0xff67,
  find: 0xff68,
  cancel: 0xff69,
  help: 0xff6a,
  break: 0xff6b,
  mode_switch: 0xff7e,
  num_lock: 0xff7f,
  numlock: 0xff7f,
  kp_space: 0xff80,
  kp_tab: 0xff89,
  kp_enter: 0xff8d,
  kp_home: 0xff95,
  kp_left: 0xff96,
  kp_up: 0xff97,
  kp_right: 0xff98,
  kp_down: 0xff99,
  kp_prior: 0xff9a,
  kp_page_up: 0xff9a,
  kp_next: 0xff9b,
  kp_page_down: 0xff9b,
  kp_end: 0xff9c,
  kp_begin: 0xff9d,
  kp_insert: 0xff9e,
  kp_delete: 0xff9f,
  kp_multiply: 0xffaa,
  kp_add: 0xffab,
  kp_separator: 0xffac,
  kp_subtract: 0xffad,
  kp_decimal: 0xffae,
  kp_divide: 0xffaf,
  kp_equal: 0xffbd,
  shift_l: 0xffe1,
  shift_r: 0xffe2,
  shift: 0xffe1,
  control_l: 0xffe3,
  control_r: 0xffe4,
  control: 0xffe3,
  ctrl: 0xffe3,
  ctrl_l: 0xffe3,
  ctrl_r: 0xffe4,
  caps_lock: 0xffe5,
  capslock: 0xffe5,
  meta_l: 0xffe7,
  meta_r: 0xffe8,
  meta: 0xffe7,
  alt_l: 0xffe9,
  alt_r: 0xffea,
  alt: 0xffe9,
  option: 0xffe9,
  super_l: 0xffeb,
  super_r: 0xffec,
  super: 0xffeb,
  cmd: 0xffeb,
  command: 0xffeb,
  win: 0xffeb,
  windows: 0xffeb,
  hyper_l: 0xffed,
  hyper_r: 0xffee,
  iso_level3_shift: 0xfe03,
  altgr: 0xfe03,
  iso_left_tab: 0xfe20,
  delete: 0xffff,
  del: 0xffff,
  xf86audiolowervolume: 0x1008ff11,
  xf86audiomute: 0x1008ff12,
  xf86audioraisevolume: 0x1008ff13,
  xf86back: 0x1008ff26,
  xf86forward: 0x1008ff27,
  xf86refresh: 0x1008ff29,
};

/** X names of characters. */
const characters: Readonly<Record<string, string>> = {
  space: " ",
  exclam: "!",
  quotedbl: '"',
  numbersign: "#",
  dollar: "$",
  percent: "%",
  ampersand: "&",
  apostrophe: "'",
  quoteright: "'",
  parenleft: "(",
  parenright: ")",
  asterisk: "*",
  plus: "+",
  comma: ",",
  minus: "-",
  hyphen: "-",
  period: ".",
  dot: ".",
  slash: "/",
  colon: ":",
  semicolon: ";",
  less: "<",
  equal: "=",
  equals: "=",
  greater: ">",
  question: "?",
  at: "@",
  bracketleft: "[",
  backslash: "\\",
  bracketright: "]",
  asciicircum: "^",
  underscore: "_",
  grave: "`",
  quoteleft: "`",
  braceleft: "{",
  bar: "|",
  braceright: "}",
  asciitilde: "~",
  eurosign: "€",
};

/** The key that types a character; those of a terminal's lines are the keys of their names. */
export function keyOfCharacter(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  if (point === 0x0a || point === 0x0d) return 0xff0d;
  if (point === 0x09) return 0xff09;
  if (point === 0x08) return 0xff08;
  if (point === 0x1b) return 0xff1b;
  if (point === 0x7f) return 0xffff;
  const isLatin1 = (point >= 0x20 && point <= 0x7e) || (point >= 0xa0 && point <= 0xff);
  return isLatin1 ? point : 0x01000000 + point;
}

/** The keys that type a text, one after another. A line's end is one key, however it is written. */
export function keysOfText(text: string): number[] {
  return Array.from(text.replaceAll("\r\n", "\n"), keyOfCharacter);
}

/**
 * The keys that are pressed together, such as those of `ctrl+shift+t`, in order; undefined when a part is no key. A name
 * may be that of X (`Return`, `KP_Add`, `U20AC`), a character, or a number of a key such as `0xff0d`.
 */
export function keysOfChord(chord: string): number[] | undefined {
  // The plus itself can be a part: `ctrl++`.
  const parts = chord.trim() === "+" ? ["plus"] : chord.trim().replace(/\+\+$/, "+plus").split("+");
  const keys = parts.map((part) => keyOfName(part.trim()));
  return keys.every((key) => key !== undefined) ? keys : undefined;
}

function keyOfName(name: string): number | undefined {
  if (Array.from(name).length === 1) return keyOfCharacter(name);
  const lower = name.toLowerCase();
  if (Object.hasOwn(named, lower)) return named[lower];
  if (Object.hasOwn(characters, lower)) return keyOfCharacter(characters[lower] ?? "");
  const [, f, keypad, unicode, number] =
    /^(?:f(\d{1,2})|kp_(\d)|u\+?([\da-f]{4,6})|0x([\da-f]{2,8}))$/.exec(lower) ?? [];
  if (f !== undefined) return Number(f) >= 1 && Number(f) <= 35 ? 0xffbd + Number(f) : undefined;
  if (keypad !== undefined) return 0xffb0 + Number(keypad);
  if (number !== undefined) return Number.parseInt(number, 16);
  const point = Number.parseInt(unicode ?? "ffffff", 16);
  return point <= 0x10ffff ? keyOfCharacter(String.fromCodePoint(point)) : undefined;
}
