// The viewer of desktops, in a file of its own: it is loaded when there is one to see.
import RFB from "@novnc/novnc";

/** Pixels of a screen that are drawn: as many as a viewer of our own takes. A page that needs more memory is ended. */
const mostPixels = 8192 * 4320;

/** noVNC, which takes a screen of any size from a server. */
export default class Viewer extends RFB {
  override _resize(width: number, height: number): void {
    if (width * height > mostPixels) throw new Error(`a screen of ${String(width)}x${String(height)} is too large`);
    super._resize(width, height);
  }
}
