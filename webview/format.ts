/** As `duration`, but nothing for what took no time. */
export function noticeable(ms: number): string {
  return ms < 100 ? "" : duration(ms);
}

/** "0.2 s", "9.4 s", "4 m 12 s", "2 h 5 m" */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${String(minutes)} m ${String(Math.floor(seconds % 60))} s`;
  return `${String(Math.floor(minutes / 60))} h ${String(minutes % 60)} m`;
}

export function clock(time: number): string {
  return new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

export function money(dollars: number): string {
  return dollars < 0.01 ? "<$0.01" : `$${dollars.toFixed(2)}`;
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${String(number)} ${number === 1 ? one : many}`;
}
