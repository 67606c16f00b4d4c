// The viewer of desktops, in a file of its own: it is loaded when there is one to see.
export { default } from "@novnc/novnc";
