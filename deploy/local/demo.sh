# shellcheck shell=bash
# What `deploy/demo` and `deploy/down` share: the choice of cluster and engine, and the controller. Source it after lib.sh.
# In the state folder: control-plane/ engine/ log/, controller.pid, and one small file a fact that `down` needs later.

mkdir -p "$STATE"
plane=$STATE/control-plane

remember() { printf '%s\n' "$2" >"$STATE/$1.new" && mv "$STATE/$1.new" "$STATE/$1"; }
# remembered NAME: the fact, or nothing.
remembered() { cat "$STATE/$1" 2>/dev/null || true; }

lock_state() {
  exec 7>"$STATE/.lock"
  flock -n 7 || { step "another make demo or make down is running; waiting for it"; flock -w 1800 7 || die "the other run does not end"; }
}

kc() {
  local kubectl=kubectl
  [ "$(remembered cluster)" = current ] || kubectl=$plane/bin/kubectl
  "$kubectl" --kubeconfig "$(kubeconfig)" --cache-dir "$STATE/kube-cache" --request-timeout=20s "$@"
}
# kubeconfig: of our control plane, or what the current context was when make demo first ran: another one later must not receive our calls.
kubeconfig() { if [ "$(remembered cluster)" = current ]; then echo "$STATE/current.kubeconfig"; else echo "$plane/kubeconfig"; fi; }
namespace() { if [ "$(remembered cluster)" = current ]; then echo dillinger-demo; else echo default; fi; }

# ---- engine ------------------------------------------------------------------------------------

engine_dir=$STATE/engine
# A Unix socket's path is at most 107 bytes long, and what an engine keeps while it runs belongs on /run.
engine_run=/run/dillinger-$(printf '%s' "$STATE" | sha256sum | cut -c1-8)

engine_answers() { timeout 10 docker --host "$1" version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# use_engine: sets and exports DOCKER_HOST to an engine that answers, starting or installing one where that is allowed.
use_engine() {
  local host
  host=$(remembered docker-host)
  if [ -n "$host" ] && [ "$(remembered engine-ours)" != dockerd ] && have docker && engine_answers "$host"; then
    export DOCKER_HOST=$host
    return
  fi
  if [ "$(remembered engine-ours)" = dockerd ]; then
    run_dockerd
    return
  fi
  if ! have docker; then
    if [ -n "${DOCKER_HOST:-}" ] || [ -S /var/run/docker.sock ]; then need docker=docker-cli; else
      need dockerd=docker.io
      # The package's service starts with its installation.
      if systemd_runs; then remember engine-ours systemd; fi
    fi
    # Where the client is a package of its own, docker.io brings no `docker`.
    have docker || install_packages docker-cli
  fi
  host=${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || true)}
  host=${host:-unix:///var/run/docker.sock}
  if engine_answers "$host"; then
    export DOCKER_HOST=$host
    remember docker-host "$host"
    return
  fi
  [ -z "${DOCKER_HOST:-}" ] || die "the Docker Engine at DOCKER_HOST=$DOCKER_HOST does not answer" "$(timeout 10 docker version 2>&1 | tail -n 1)"
  if ! is_root; then
    if [ -S /var/run/docker.sock ] && [ ! -w /var/run/docker.sock ]; then
      die "this user may not use the Docker Engine here" "run this, log in again, then start again:" "" "  sudo usermod -aG docker $(id -un)"
    fi
    die "no Docker Engine answers at $host" "start it, for instance with the line below, or set DOCKER_HOST; then start again" "" "  sudo systemctl start docker"
  fi
  need dockerd=docker.io
  if systemd_runs; then
    step "starting the Docker Engine (systemctl start docker)"
    remember engine-ours systemd
    remember docker-host "$host"
    systemctl start docker || die "systemctl start docker failed" "look at: journalctl -u docker"
    wait_for "the Docker Engine answers" 90 "" "" engine_answers "$host"
    export DOCKER_HOST=$host
  else
    remember_machine
    remember engine-ours dockerd
    run_dockerd
  fi
}

# run_dockerd: an engine of our own, with all that it keeps in our folders. Containers of a run before this one come back by the controller.
run_dockerd() {
  need dockerd=docker.io iptables=iptables ip=iproute2
  export DOCKER_HOST=unix://$engine_run/docker.sock
  remember docker-host "$DOCKER_HOST"
  if ! alive "$engine_dir/dockerd.pid"; then
    step "starting a Docker Engine of our own in $engine_dir"
    mkdir -p "$engine_run" "$engine_dir"
    rm -f "$engine_run/docker.pid"
    start_daemon "$engine_dir/dockerd.pid" "$STATE/log/dockerd.log" dockerd --host "$DOCKER_HOST" --data-root "$engine_dir/data" \
      --exec-root "$engine_run" --pidfile "$engine_run/docker.pid" --log-level warn --exec-opt native.cgroupdriver=cgroupfs \
      --cgroup-parent "/$(basename "$engine_run")"
  fi
  wait_for "the Docker Engine answers" 90 "$STATE/log/dockerd.log" "$engine_dir/dockerd.pid" engine_answers "$DOCKER_HOST"
}

daemon_folders=(/etc/docker /run/docker /run/containerd /opt/containerd)
# What an engine changes on the machine, as it was before ours.
remember_machine() {
  remember ip-forward "$(cat /proc/sys/net/ipv4/ip_forward)"
  local tool
  for tool in iptables ip6tables; do
    if have "$tool" || [ -x "/usr/sbin/$tool" ]; then
      remember "forward-$tool" "$("$tool" -S FORWARD 2>/dev/null | sed -n 's/^-P FORWARD //p')"
      if "$tool-save" 2>/dev/null | grep -q '^:DOCKER'; then remember "chains-$tool" kept; fi
    fi
  done
  if ip link show docker0 >/dev/null 2>&1; then remember docker0 kept; fi
  # The daemon makes these wherever its own folders are.
  : >"$STATE/folders-before"
  local folder
  for folder in "${daemon_folders[@]}"; do [ ! -e "$folder" ] || printf '%s\n' "$folder" >>"$STATE/folders-before"; done
}
restore_machine() {
  local tool policy rules
  for tool in iptables ip6tables; do
    policy=$(remembered "forward-$tool")
    { [ -n "$policy" ] && [ "$(remembered "chains-$tool")" != kept ]; } || continue
    rules=$("$tool-save" 2>/dev/null) || continue
    if grep -qi docker <<<"$rules"; then
      grep -vi docker <<<"$rules" | "$tool-restore" || warn "could not take the engine's rules out of $tool"
    fi
    "$tool" -P FORWARD "$policy" || true
  done
  if [ "$(remembered docker0)" != kept ]; then ip link delete docker0 2>/dev/null || true; fi
  [ "$(remembered ip-forward)" != 0 ] || echo 0 >/proc/sys/net/ipv4/ip_forward
  local folder
  for folder in "${daemon_folders[@]}"; do
    if [ -e "$folder" ] && [ -f "$STATE/folders-before" ] && ! grep -qxF "$folder" "$STATE/folders-before"; then rm -rf --one-file-system "$folder"; fi
  done
}

stop_our_engine() {
  case $(remembered engine-ours) in
    systemd)
      step "stopping the Docker Engine, which make demo had started"
      systemctl stop docker.socket docker 2>/dev/null || systemctl stop docker || warn "systemctl stop docker failed"
      ;;
    dockerd)
      step "stopping our own Docker Engine"
      stop_daemon "$engine_dir/dockerd.pid" 60 dockerd
      end_leftovers
      restore_machine
      { grep -F " $engine_dir/" /proc/self/mounts || true; grep -F " $engine_run/" /proc/self/mounts || true; } | cut -d' ' -f2 | sort -r |
        while read -r mount; do umount "$mount" 2>/dev/null || umount -l "$mount" || true; done
      find /sys/fs/cgroup -maxdepth 2 -type d -name "$(basename "$engine_run")" 2>/dev/null |
        while read -r cgroup; do find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true; done
      rm -rf --one-file-system "$engine_run" "$engine_dir"
      ;;
  esac
}
# If dockerd was killed, its containerd and containers run on: they are the processes whose command line names our run folder.
end_leftovers() {
  local pid
  for pid in $(pgrep -f -- "$engine_run/" || true); do
    [ "$pid" = $$ ] || kill -KILL "$pid" 2>/dev/null || true
  done
}

# ---- controller --------------------------------------------------------------------------------

# start_controller PROGRAM: unless this very program runs already with these flags.
start_controller() {
  local program=$1 admin rest range mark bind advertise
  admin=$(remembered admin-port)
  rest=$(remembered rest-port)
  rest=${rest:-3002}
  range=$(remembered port-range)
  if ! alive "$STATE/controller.pid"; then
    admin=${admin:-3003}
    if port_taken "$admin"; then
      note "port $admin is in use; health and metrics of the controller move to another one"
      admin=$(free_ports 1)
    fi
    if port_taken "$rest"; then
      note "port $rest is in use; the REST service moves to another one"
      rest=$(free_ports 1)
    fi
    range=${DILLINGER_PORT_RANGE:-${range:-7000-8000}}
    if [ "$(listening | awk '$1 >= 7000 && $1 <= 8000' | wc -l)" -gt 500 ] && [ "$range" = 7000-8000 ]; then
      note "ports 7000-8000 are mostly in use; games get theirs from 17000-18000"
      range=17000-18000
    fi
    remember admin-port "$admin"
    remember port-range "$range"
  fi
  remember rest-port "$rest"
  # Said once, it holds until make down.
  [ -z "${DILLINGER_BIND_ADDRESS:-}" ] || remember bind-address "$DILLINGER_BIND_ADDRESS"
  [ -z "${DILLINGER_ADVERTISE_ADDRESS:-}" ] || remember advertise-address "$DILLINGER_ADVERTISE_ADDRESS"
  bind=$(remembered bind-address)
  advertise=$(remembered advertise-address)
  local flags=(--port-range "$range" --bind-address "${bind:-127.0.0.1}" --admin-address "127.0.0.1:$admin" --docker-host "$DOCKER_HOST" --lease-namespace "$(namespace)" --gateway-address "127.0.0.1:$rest" --namespace "$(namespace)")
  [ "$(remembered cluster)" != current ] || flags+=(--watch-namespaces "$(namespace)")
  [ -z "$advertise" ] || flags+=(--advertise-address "$advertise")
  mark="$(sha256sum <"$program") ${flags[*]}"
  if alive "$STATE/controller.pid" && [ "$(remembered controller-mark)" != "$mark" ]; then
    step "the controller has changed; restarting it (games run on)"
    stop_daemon "$STATE/controller.pid" 30 controller
  fi
  if ! alive "$STATE/controller.pid"; then
    step "starting the controller"
    remember controller-mark "$mark"
    KUBECONFIG=$(kubeconfig) start_daemon "$STATE/controller.pid" "$STATE/log/controller.log" "$program" run "${flags[@]}"
    remember program "$program"
  fi
  wait_for "the controller is ready" 60 "$STATE/log/controller.log" "$STATE/controller.pid" http_ok "$admin" /readyz
  wait_for "the REST service answers" 60 "$STATE/log/controller.log" "$STATE/controller.pid" http_ok "$rest" /health
}
