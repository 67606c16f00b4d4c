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
 */
const guardScript = String.raw`
folder=$1 size=$2 grace=$3 watch=$4 accessibility=$5
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

finish() {
  trap '' TERM INT HUP
  for one in $v $w $a $b $x; do kill "$one" 2>/dev/null; done
  i=0
  while [ $i -lt 100 ] && [ -n "$x" ] && kill -0 "$x" 2>/dev/null; do sleep 0.02; i=$((i + 1)); done
  [ -n "$x" ] && kill -KILL "$x" 2>/dev/null
  [ -n "$x" ] && wait "$x" 2>/dev/null
  silence
  sweep "$n" "$x"
  [ -n "$reader" ] && kill "$reader" 2>/dev/null
  rm -f display hold vnc.sock limit
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

export DISPLAY=":$n" XAUTHORITY="$PWD/authority"
if [ $server = Xvfb ]; then
  # A display that nobody can see any more ends.
  (
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

unset AT_SPI_BUS_ADDRESS
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
  if command -v $one >/dev/null; then manager=$one; $die $one >/dev/null 2>&1 & w=$!; break; fi
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
main=$1 grace=$2 limit=10
timer= r=
trap 'kill -KILL $timer $r 2>/dev/null; exit' TERM
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
        keep) limit=$seconds ;;
      esac
    done
    echo "$limit" >limit
  ) & r=$!
  wait $timer && { kill -KILL $r; break; }
  wait $r || break
  read -r limit <limit
done
kill -TERM "$main"
`;

/** What runs a display in a folder that is there and holds its cookie. The same where a container sees that folder. */
export function guardCommand(folder: string, size: string, graceSeconds: number): string[] {
  const accessibility = Object.entries(accessibilityVariables(folder)).map((pair) => pair.join("="));
  const words = [folder, size, String(graceSeconds), watchScript, accessibility.join(" ")];
  return apart(["/bin/sh", "-c", guardScript, "desktop", ...words]);
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
 * What programs need in their environment to tell the bus of a display what they show; nothing where the folder's path is
 * too long for one. Only the bus in `DBUS_SESSION_BUS_ADDRESS` belongs to the display.
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
