/**
 * What starts a display where it is to run, and stays beside it: a shell script, since a container has nothing more.
 *
 * Its arguments are the display's folder, its size, and the seconds that it is kept with nobody holding it. It holds on as
 * long as somebody has the pipe `hold` in the folder open for writing; `end` in that pipe ends the display at once, and
 * `keep N` keeps it for N seconds from then. It says one line when the display is ready, `ready` and then the number of
 * the display, its process, the size and the names of server and window manager; `missing` where there is no server, and
 * `failed` with what the server has said. The folder's file `display` has what came after `ready`.
 *
 * The number is ours once the X server has its lock file. With `-displayfd` a server takes no lock, and without the
 * abstract socket it would take the socket of another one. When this script is killed, the system ends the server by a
 * signal on which that cleans up behind itself; when the server is killed, this script does.
 *
 * Where D-Bus and AT-SPI are installed, the display has a bus of its own, with nothing on it but what leads to the texts
 * that its programs show. The registry of AT-SPI is started by that bus and ends with the X server.
 *
 * What was started on the display ends with it, also what needs no X server and is nobody's child any more: all of it has
 * the file of the display's cookie in its environment.
 */
const guardScript = String.raw`
folder=$1 size=$2 grace=$3 watch=$4 screen=$5 accessibility=$6
cd "$folder" || exit 1
exec 0</dev/null
x= n= w= v= b= a= c=
die=
setpriv --pdeathsig TERM true 2>/dev/null && die='setpriv --pdeathsig TERM'

# One that has ended, and that nobody has collected yet, does not run.
runs() {
  kill -0 "$1" 2>/dev/null && ! grep -q ') Z ' "/proc/$1/stat" 2>/dev/null
}

# The lock and the socket of a display whose server is gone, if that server was ours.
sweep() {
  [ -n "$1" ] && [ -n "$2" ] && [ -e "/tmp/.X$1-lock" ] || return 0
  read -r holder <"/tmp/.X$1-lock" || return 0
  [ "$holder" = "$2" ] && ! runs "$2" && rm -f "/tmp/.X$1-lock" "/tmp/.X11-unix/X$1"
}

# What was started on this display, but not what looks for it.
programs() {
  (
    unset XAUTHORITY
    grep -lsF "XAUTHORITY=$PWD/authority" /proc/[0-9]*/environ
  ) | while IFS=/ read -r root proc one file; do echo "$one"; done
}

finish() {
  trap '' TERM INT HUP
  for one in $v $w $a $b $x $(programs); do kill "$one" 2>/dev/null; done
  i=0
  while [ $i -lt 100 ] && [ -n "$x" ] && kill -0 "$x" 2>/dev/null; do sleep 0.02; i=$((i + 1)); done
  [ -n "$x" ] && kill -KILL "$x" 2>/dev/null
  [ -n "$x" ] && wait "$x" 2>/dev/null
  silence
  sweep "$n" "$x"
  [ -n "$reader" ] && kill "$reader" 2>/dev/null
  i=0
  while [ $i -lt 15 ]; do
    others=$(programs)
    [ -n "$others" ] || break
    [ $i -ge 10 ] && kill -KILL $others 2>/dev/null
    sleep 0.1; i=$((i + 1))
  done
  rm -f display hold vnc.sock limit i3.config i3.sock
}

silence() {
  for one in $a $b; do kill "$one" 2>/dev/null; done
  i=0
  while [ $i -lt 100 ] && [ -n "$a" ] && runs "$a"; do sleep 0.02; i=$((i + 1)); done
  for one in $a $b; do kill -KILL "$one" 2>/dev/null; wait "$one" 2>/dev/null; done
  # The launcher's own bus outlives one that was killed.
  [ -n "$c" ] && grep -q '^dbus-daemon$' "/proc/$c/comm" 2>/dev/null && kill "$c" 2>/dev/null
  a= b= c=
  rm -rf bus bus.conf at-spi
}
reader=
# Ended by somebody: nothing is left to be told.
depart() {
  finish
  rm -rf authority log taken owner browser
  # A browser that is ending still writes, and makes its folder anew.
  i=0
  while [ $i -lt 40 ] && ! [ -e "$PWD/hold" ]; do
    rm -rf "$PWD/browser"
    rmdir "$PWD" 2>/dev/null
    sleep 0.05; i=$((i + 1))
  done
  exit 0
}
trap depart TERM INT HUP

[ -f display ] && read -r n x rest <display && sweep "$n" "$x"
n= x=
rm -f display hold vnc.sock limit
silence
mkfifo -m 600 hold || exit 1

if command -v Xtigervnc >/dev/null; then server=Xtigervnc
elif command -v Xvfb >/dev/null && command -v x11vnc >/dev/null; then server=Xvfb
else echo missing; finish; exit 1
fi

start() {
  common="-nolisten tcp -nolisten local -auth $PWD/authority -noreset -dpi 96"
  if [ $server = Xtigervnc ]; then
    $die Xtigervnc ":$n" -geometry "$size" -depth 24 -SecurityTypes None -rfbport -1 -rfbunixpath "$PWD/vnc.sock" \
      -rfbunixmode 0600 -AlwaysShared -desktop "Open Agent" -Log '*:stderr:10' $common >log 2>&1 &
  else
    $die Xvfb ":$n" -screen 0 "$size"x24 $common >log 2>&1 &
  fi
  x=$!
  i=0
  while [ $i -lt 500 ] && kill -0 $x 2>/dev/null; do
    if [ $server = Xtigervnc ] && [ -S vnc.sock ]; then return 0; fi
    if [ $server = Xvfb ] && [ -S "/tmp/.X11-unix/X$n" ]; then return 0; fi
    sleep 0.01; i=$((i + 1))
  done
  kill $x 2>/dev/null; wait $x 2>/dev/null; x=
  return 1
}

# The number of a server of this user that has gone without a word is taken over, with its lock, by the next one.
taken() {
  if [ -e "/tmp/.X$n-lock" ]; then
    holder=
    [ -O "/tmp/.X$n-lock" ] && read -r holder <"/tmp/.X$n-lock"
    [ -z "$holder" ] || runs "$holder"
  else
    [ -e "/tmp/.X11-unix/X$n" ]
  fi
}

n=99 tries=0
while :; do
  while taken; do n=$((n + 1)); done
  start && break
  tries=$((tries + 1))
  # Another server was quicker with this number.
  if [ $tries -lt 20 ] && grep -q 'already active' log; then continue; fi
  echo "failed $(tail -n 3 log | tr '\n' ' ')"
  n=; finish; exit 1
done

export DISPLAY=":$n" XAUTHORITY="$PWD/authority" $screen
if [ $server = Xvfb ]; then
  # A display that nobody can see any more ends.
  (
    # It does not run where there is such a name, be it an empty one.
    unset WAYLAND_DISPLAY
    x11vnc -display ":$n" -unixsock "$PWD/vnc.sock" -rfbport 0 -rfbportv6 0 -forever -shared -nopw -xkb -quiet >>log 2>&1
    kill "$x"
  ) & v=$!
  i=0
  while [ $i -lt 500 ] && ! [ -S vnc.sock ] && kill -0 $v 2>/dev/null; do sleep 0.01; i=$((i + 1)); done
  if ! [ -S vnc.sock ]; then
    echo "failed $(tail -n 3 log | tr '\n' ' ')"
    finish; exit 1
  fi
  chmod 600 vnc.sock
fi

# Waits for a socket of that name, which that process makes.
appears() {
  i=0
  while [ $i -lt 200 ] && runs "$2"; do
    for file in $1; do [ -S "$file" ] && return 0; done
    sleep 0.01; i=$((i + 1))
  done
  return 1
}

launcher=
for one in /usr/libexec /usr/lib/at-spi2-core /usr/lib/at-spi2 /usr/lib; do
  [ -z "$launcher" ] && [ -x $one/at-spi-bus-launcher ] && launcher=$one/at-spi-bus-launcher
done
if [ -n "$accessibility" ] && [ -n "$launcher" ] && command -v dbus-daemon >/dev/null; then
  export $accessibility
  echo "<busconfig><type>session</type><auth>EXTERNAL</auth><listen>$DBUS_SESSION_BUS_ADDRESS</listen>
<policy context='default'><allow send_destination='*'/><allow receive_sender='*'/><allow own='*'/></policy></busconfig>" >bus.conf
  $die dbus-daemon --nofork --nopidfile --config-file=bus.conf >/dev/null 2>&1 & b=$!
  if appears bus $b; then
    # It must neither read nor change what the user has set for other desktops.
    ATSPI_DBUS_IMPLEMENTATION=dbus-daemon XDG_RUNTIME_DIR=$PWD GSETTINGS_BACKEND=memory \
      $die $launcher --launch-immediately --a11y=1 >/dev/null 2>&1 & a=$!
  fi
fi
manager=none
for one in openbox i3; do
  command -v $one >/dev/null || continue
  manager=$one settings=
  if [ $one = i3 ]; then
    # The user's own configuration starts programs, and where there is none, i3 asks.
    settings="-c $PWD/i3.config"
    echo "# i3 config file (v4)
font pango:monospace 8
ipc-socket $I3SOCK
bindsym Mod1+F4 kill" >i3.config
  fi
  $die $one $settings >/dev/null 2>&1 & w=$!
  break
done
if [ -n "$a" ] && appears 'at-spi/bus*' $a; then read -r c rest <"/proc/$a/task/$a/children"; else silence; fi
echo "$n $x $size $server $manager $w" >display.new && mv display.new display
echo "ready $(cat display)"
exec >/dev/null

$die sh -c "$watch" watch $$ "$grace" & reader=$!
wait $x
finish
exit 3
`;

/**
 * Waits until nobody has held the display for so long, or somebody says that it is to end; then ends the guard. Opening the
 * pipe waits for somebody who holds it, so that is done beside the timer, and stops it.
 */
const watchScript = String.raw`
main=$1 grace=$2 limit=10 until=0
timer= r=
trap 'kill -KILL $timer $r 2>/dev/null; exit' TERM
# Seconds by a clock that nobody sets.
look() {
  now=0
  IFS=. read -r now rest </proc/uptime
}
# A display whose folder is gone is found by nobody any more.
while [ -p hold ]; do
  (
    while [ "$limit" -gt 0 ] && [ -p hold ]; do
      step=5
      [ "$limit" -lt 5 ] && step=$limit
      sleep $step
      limit=$((limit - step))
    done
  ) & timer=$!
  (
    exec 3<hold
    # A gentler signal is lost on one that has just begun.
    kill -KILL $timer 2>/dev/null
    limit=$grace
    while read -r word seconds <&3; do
      case $word in
        end) exit 1 ;;
        keep) look; limit=$seconds until=$((now + seconds)) ;;
      esac
    done
    # Whoever has held it since, it is kept for as long as was said.
    look
    [ $((until - now)) -gt "$limit" ] && limit=$((until - now))
    echo "$limit $until" >limit
  ) & r=$!
  wait $timer && { kill -KILL $r; break; }
  wait $r || break
  read -r limit until <limit
done
kill -TERM "$main"
`;

/** What runs a display in a folder that is there and holds its cookie. The same where a container sees that folder. */
export function guardCommand(folder: string, size: string, graceSeconds: number): string[] {
  const variables = [screenVariables(folder), accessibilityVariables(folder)].map(Object.entries<string>);
  const words = variables.map((pairs) => pairs.map((pair) => pair.join("=")).join(" "));
  return apart(["/bin/sh", "-c", guardScript, "desktop", folder, size, String(graceSeconds), watchScript, ...words]);
}

/**
 * Starts a command that is nobody's child: OpenCode ends an MCP server with all that descends from it, also when it only
 * reads its configuration anew, and what is on a display outlives that. Says its process with `tell`.
 */
export function apart(argv: readonly string[], tell = false): string[] {
  return ["/bin/sh", "-c", tell ? 'setsid "$@" >/dev/null 2>&1 & echo $!' : '"$@" &', "apart", ...argv];
}

/** Bytes of a socket's path that the system takes, without the last, which is NUL. */
export const longestSocketPath = 107;

/**
 * What programs need in their environment so that none is shown on the user's own screen or becomes a part of what the user
 * runs there. Empty names lead nowhere, where missing ones would be taken for the usual ones.
 */
export function screenVariables(folder: string): Record<string, string> {
  return {
    WAYLAND_DISPLAY: "",
    WAYLAND_SOCKET: "",
    XDG_SESSION_TYPE: "x11",
    GDK_BACKEND: "x11",
    QT_QPA_PLATFORM: "xcb",
    MOZ_ENABLE_WAYLAND: "0",
    DBUS_SESSION_BUS_ADDRESS: "disabled:",
    AT_SPI_BUS_ADDRESS: "",
    SESSION_MANAGER: "",
    I3SOCK: `${folder}/i3.sock`,
    SWAYSOCK: "",
  };
}

/**
 * What programs need in their environment to tell the bus of a display what they show; nothing where the folder's path is
 * too long for one. Their bus, which is the display's, comes in the place of that of `screenVariables`.
 */
export function accessibilityVariables(folder: string): Record<string, string> {
  if (Buffer.byteLength(`${folder}/at-spi/bus_65535`) > longestSocketPath) return {};
  return {
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${escapeAddress(`${folder}/bus`)}`,
    ACCESSIBILITY_ENABLED: "1",
    GTK_A11Y: "atspi",
    QT_ACCESSIBILITY: "1",
    NO_AT_BRIDGE: "0",
  };
}

function escapeAddress(path: string): string {
  const escape = (byte: number) => `%${byte.toString(16).padStart(2, "0")}`;
  return path.replaceAll(/[^-\w/.]/gu, (character) => [...Buffer.from(character)].map(escape).join(""));
}
