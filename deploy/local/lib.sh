# shellcheck shell=bash
# What the scripts of this repository share: steps with elapsed time, waits that always end,
# daemons with pid files that a reused pid cannot fool, and the installation of missing tools.
# Source it; it runs nothing. Linux and bash 4.4 or later.

# The directories of one user. DILLINGER_STATE and DILLINGER_CACHE move them (tests do).
# shellcheck disable=SC2034 # read by the scripts that source this file
STATE=${DILLINGER_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/dillinger-runner}
CACHE=${DILLINGER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dillinger-runner}
export DILLINGER_T0=${DILLINGER_T0:-$(date +%s)}

elapsed() {
  local s=$(($(date +%s) - DILLINGER_T0))
  printf '%d:%02d' $((s / 60)) $((s % 60))
}
step() { printf '[%s] %s\n' "$(elapsed)" "$*"; }
note() { printf '       %s\n' "$*"; }
warn() { printf '[%s] warning: %s\n' "$(elapsed)" "$*" >&2; }
die() {
  printf '[%s] error: %s\n' "$(elapsed)" "$1" >&2
  shift
  [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
  exit 1
}
# show_tail FILE: the end of a log, marked as such.
show_tail() {
  [ -s "${1:-}" ] || return 0
  printf '       the end of %s:\n' "$1" >&2
  tail -n 15 "$1" | sed 's/^/       | /' >&2
}

# say_where CODE LINE COMMAND: for `trap 'say_where $? $LINENO "$BASH_COMMAND"' ERR`, so that no script ends without a word.
say_where() { printf '[%s] error: %s line %s failed with %s: %s\n' "$(elapsed)" "$(basename "$0")" "$2" "$1" "$3" >&2; }

require_linux() { [ -r /proc/self/stat ] || die "this needs Linux (there is no /proc here)"; }
have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" -eq 0 ]; }
is_debian() { have apt-get && [ -e /etc/debian_version ]; }
# systemd_runs: true when systemd is the init here, so that a service is the way to start a daemon.
systemd_runs() { [ -d /run/systemd/system ] && have systemctl; }

# ---- tools -------------------------------------------------------------------------------------

# install_packages PACKAGE...: from the distribution, by root on Debian or Ubuntu; anyone else is told the command.
install_packages() {
  local command="apt-get install -y --no-install-recommends $*"
  if ! is_debian; then
    die "missing on this machine: $*" "install them with your package manager, then run this again"
  fi
  if ! is_root; then
    die "missing on this machine: $*" "run this, then start again:" "" "  sudo $command"
  fi
  step "installing with apt: $*"
  mkdir -p "$CACHE/log"
  local log=$CACHE/log/apt.log
  long "apt-get update" "$log" 600 env DEBIAN_FRONTEND=noninteractive apt-get update
  # RUNLEVEL=1: without systemd, no package starts its daemon by itself.
  long "apt-get install" "$log" 1200 env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends "$@"
}

# need TOOL=PACKAGE...: installs the packages of the tools that are not there, in one go.
need() {
  local pair missing=()
  for pair in "$@"; do
    have "${pair%%=*}" || [ -x "/usr/sbin/${pair%%=*}" ] || [ -x "/sbin/${pair%%=*}" ] || missing+=("${pair#*=}")
  done
  [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

# ---- long commands and waits -------------------------------------------------------------------

LONG_PIDS=()
# stop_long: ends the commands that `long` and `background` still run; for traps.
stop_long() {
  local pid
  for pid in "${LONG_PIDS[@]+"${LONG_PIDS[@]}"}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
  LONG_PIDS=()
}
# on_interrupt: what a script does on Ctrl-C; every script that calls `long` or `background` should set it as its trap.
on_interrupt() {
  trap - INT TERM
  stop_long
  printf '\n[%s] interrupted; run it again to go on from here\n' "$(elapsed)" >&2
  exit 130
}

# background LOG COMMAND...: starts it in its own process group; BACKGROUND_PID is its pid.
background() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  # The locks of these scripts are on descriptors 7 and 8; no child keeps one.
  setsid "$@" >"$log" 2>&1 </dev/null 7>&- 8>&- &
  BACKGROUND_PID=$!
  LONG_PIDS+=("$BACKGROUND_PID")
}

# await WHAT PID LOG LIMIT: waits for a command of `background`, with a line every 15 s; its failure or LIMIT seconds end the script.
await() {
  local what=$1 pid=$2 log=$3 limit=$4 began=$SECONDS said=$SECONDS code=0
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if [ $((SECONDS - said)) -ge 15 ]; then
      said=$SECONDS
      note "[$(elapsed)] $what: $((SECONDS - began)) s; $(tail -n 1 "$log" | tr -cd '[:print:]' | cut -c1-100)"
    fi
    if [ $((SECONDS - began)) -ge "$limit" ]; then
      kill -TERM -- "-$pid" 2>/dev/null || true
      show_tail "$log"
      die "$what took longer than $limit s"
    fi
  done
  wait "$pid" || code=$?
  forget_long "$pid"
  if [ "$code" -ne 0 ]; then
    show_tail "$log"
    die "$what failed with exit code $code"
  fi
}
forget_long() {
  local pid kept=()
  for pid in "${LONG_PIDS[@]+"${LONG_PIDS[@]}"}"; do [ "$pid" = "$1" ] || kept+=("$pid"); done
  LONG_PIDS=("${kept[@]+"${kept[@]}"}")
}

# long WHAT LOG LIMIT COMMAND...: background and await.
long() {
  local what=$1 log=$2 limit=$3
  shift 3
  background "$log" "$@"
  await "$what" "$BACKGROUND_PID" "$log" "$limit"
}

# wait_for WHAT LIMIT LOG PIDFILE COMMAND...: asks COMMAND until it succeeds. The limit, or the end of the process in PIDFILE
# ("" for none), ends the script with the reason and the end of LOG ("" for none). The command's own last words are shown too.
wait_for() {
  local what=$1 limit=$2 log=$3 pidfile=$4 began=$SECONDS said=$SECONDS words
  shift 4
  until words=$("$@" 2>&1 </dev/null); do
    if [ -n "$pidfile" ] && ! alive "$pidfile"; then
      # It may have become ready and ended, or never run: ask once more, then give the reason.
      show_tail "$log"
      die "$what: the process has ended"
    fi
    if [ $((SECONDS - began)) -ge "$limit" ]; then
      show_tail "$log"
      die "$what: not within $limit s" "last answer: $(printf '%s' "$words" | tail -n 3)"
    fi
    if [ $((SECONDS - said)) -ge 15 ]; then
      said=$SECONDS
      note "[$(elapsed)] still waiting: $what; $(printf '%s' "$words" | tail -n 1 | tr -cd '[:print:]' | cut -c1-120)"
    fi
    sleep 0.1
  done
}

# ---- processes ---------------------------------------------------------------------------------

# identity PID: boot, pid and start time; no other process ever has the same.
identity() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  stat=${stat##*) }
  # shellcheck disable=SC2086 # split on purpose: field 22 of the whole line is the 20th from here
  set -- "$1" $stat
  [ "$2" != Z ] || return 1
  printf '%s %s %s\n' "$1" "${21}" "$(cat /proc/sys/kernel/random/boot_id)"
}
# alive PIDFILE: true while the very process that wrote it runs.
alive() {
  local pid rest
  [ -r "$1" ] && read -r pid rest <"$1" && [ -n "$pid" ] || return 1
  [ "$(identity "$pid" || true)" = "$pid $rest" ]
}
pid_of() {
  local pid rest
  read -r pid rest <"$1" && printf '%s' "$pid"
}
# start_daemon PIDFILE LOG COMMAND...: in its own session; the child writes the pid file before it becomes COMMAND, so an interruption
# of this script never leaves a daemon that no file names.
start_daemon() {
  local pidfile=$1 log=$2
  shift 2
  mkdir -p "$(dirname "$pidfile")" "$(dirname "$log")"
  # shellcheck disable=SC2016 # expanded by the child
  DILLINGER_LIB=${BASH_SOURCE[0]} setsid bash -c '
    . "$DILLINGER_LIB"
    unset DILLINGER_LIB
    identity $$ >"$0.new" && mv "$0.new" "$0" && exec "$@"' "$pidfile" "$@" >>"$log" 2>&1 </dev/null 7>&- 8>&- 9>&- &
  disown
  local began=$SECONDS
  until alive "$pidfile"; do
    [ $((SECONDS - began)) -lt 10 ] || { show_tail "$log"; die "$1 did not start"; }
    sleep 0.02
  done
}
# stop_daemon PIDFILE LIMIT [NAME]: TERM, after LIMIT seconds KILL; removes the file. Nothing to stop is success.
stop_daemon() {
  local pidfile=$1 limit=$2 name=${3:-$(basename "$1" .pid)} pid began=$SECONDS
  if alive "$pidfile"; then
    pid=$(pid_of "$pidfile")
    kill -TERM "$pid" 2>/dev/null || true
    while alive "$pidfile"; do
      if [ $((SECONDS - began)) -ge "$limit" ]; then
        warn "$name did not end within $limit s of SIGTERM; killing it"
        kill -KILL "$pid" 2>/dev/null || true
        limit=$((limit + 10))
        [ $((SECONDS - began)) -lt 120 ] || die "$name (pid $pid) cannot be killed"
      fi
      sleep 0.05
    done
  fi
  rm -f "$pidfile"
}

# ---- ports -------------------------------------------------------------------------------------

# listening: the TCP ports that something listens on here, and the UDP ports in use, one a line.
listening() {
  local hex
  awk 'FNR > 1 && (FILENAME ~ /udp/ || $4 == "0A") { n = split($2, a, ":"); print a[n] }' \
    /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 2>/dev/null | sort -u |
    while read -r hex; do printf '%d\n' "0x$hex"; done
}
port_taken() { listening | grep -qx "$1"; }
# free_ports COUNT: that many, one a line, from 20000-29999: below the range that outgoing connections take theirs from.
free_ports() {
  local taken found
  taken=$(listening)
  found=$(shuf -i 20000-29999 | grep -vxF -e "${taken:-none}" | awk -v n="$1" "NR <= n")
  [ "$(wc -l <<<"$found")" -eq "$1" ] || die "no $1 free ports between 20000 and 29999"
  printf '%s\n' "$found"
}
# http_ok PORT PATH: a plain GET on loopback answers 200.
http_ok() {
  local line
  exec 9<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&9
  read -r -t 5 line <&9 || line=
  exec 9>&- 9<&-
  [[ $line == *" 200 "* ]] || { printf '%s\n' "${line:-no answer}"; return 1; }
}
