/** What a page that shows desktops and its host say to each other. Each view of a desktop has a number, which the page gives. */
import type { LiveDesktop } from "./desktop.ts";

/** How much of the user's attention a view has, as far as its page knows. `thumbnail`: it is one of a list. */
export type Look = "whole" | "thumbnail" | "paused";

/** Where a mission's desktop is shown, how much room it has, from 0 to 1, and how it is drawn. */
export interface DesktopLayout {
  side: "beside" | "below";
  share: number;
  /** Of `desktopQualities`, by name. */
  quality: string;
}

export const defaultDesktopLayout: DesktopLayout = { side: "beside", share: 0.5, quality: "Good" };

/** A desktop in the list of all. */
export interface ListedDesktop extends LiveDesktop {
  /** The title of its mission; "" where it has none. */
  title: string;
  /** Its mission is at work. */
  busy: boolean;
}

/** What can be done with the desktop in view by a command of the editor. */
export const desktopActions = ["control", "pause", "pictureInPicture", "fit"] as const;
export type DesktopAction = (typeof desktopActions)[number];

export type DesktopMessage =
  /** The desktops of the mission in view that run. */
  | { type: "desktops"; live: LiveDesktop[]; opensByItself: boolean; layout: DesktopLayout }
  /** All that run, or the one of this page. */
  | { type: "desktopList"; desktops: ListedDesktop[]; only?: string; canAct: boolean; layout: DesktopLayout }
  /** The user wants to see this one; undefined: the newest of the mission. */
  | { type: "showDesktop"; id: string | undefined }
  | { type: "desktopData"; view: number; bytes: Uint8Array }
  | { type: "desktopControl"; view: number; hasControl: boolean }
  | { type: "desktopEnded"; view: number; message: string }
  | { type: "desktopAction"; action: DesktopAction }
  /** The text of the user's clipboard, asked for by a view that has control. */
  | { type: "desktopClipboard"; view: number; text: string };

/** What a page may ask of its host about desktops. */
export interface DesktopRequests {
  openDesktop: { view: number; id: string };
  closeDesktop: { view: number };
  /** For the X server. */
  desktopData: { view: number; bytes: Uint8Array };
  /** So many bytes have been drawn. */
  desktopAck: { view: number; count: number };
  /** `floats`: it is seen although the page is not. */
  desktopLook: { view: number; look: Look; gapMs: number; floats: boolean };
  controlDesktop: { view: number; wanted: boolean };
  desktopPaste: { view: number };
  /** A program in the desktop has put this into its clipboard, while the user has control. */
  desktopCopied: { view: number; text: string };
  desktopLayout: DesktopLayout;
  desktopCommand: { id: string; command: DesktopCommand };
}

/** The commands that a page has a button for; each is `openAgent.<name>`. */
export const desktopCommandNames = [
  "closeDesktop",
  "keepDesktop",
  "resizeDesktop",
  "openDesktopWindow",
  "saveDesktopPicture",
  "showDesktop",
] as const;
export type DesktopCommand = (typeof desktopCommandNames)[number];

/** Characters of a clipboard that go from one side to the other. */
export const longestClipboard = 1_000_000;
