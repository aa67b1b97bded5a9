# shellcheck shell=bash
# shellcheck disable=SC2154 # the script that sources this file sets them
# What the tests of the chart on an API server share. Expects deploy/local/lib.sh, `work` (a folder), `kubeconfig` (a file), `program` and `HELM`.

passed=0
failed=0
exec 3>&1
expect() {
  local what=$1
  shift
  if "$@" >"$work/said" 2>&1; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    printf 'FAILED: %s\n' "$what"
    tail -n 8 "$work/said" | sed 's/^/        /'
  fi
}
# refused WORDS COMMAND...: it fails, and says so.
refused() {
  local words=$1
  shift
  if "$@" >"$work/refusal" 2>&1; then echo "it was accepted"; return 1; fi
  grep -qF -- "$words" "$work/refusal" || { cat "$work/refusal"; return 1; }
}
same() { [ "$1" = "$2" ] || { echo "\"$1\" is not \"$2\""; return 1; }; }
kubectl() { "$program" kubectl --kubeconfig "$kubeconfig" --cache-dir "$work/kube-cache" --request-timeout=30s "$@"; }
helm() {
  env HOME="$work" KUBECONFIG="$kubeconfig" HELM_CACHE_HOME="$work/helm/cache" HELM_CONFIG_HOME="$work/helm/config" HELM_DATA_HOME="$work/helm/data" "$HELM" "$@"
}
gone() {
  local there
  there=$(kubectl get "$@" -o name) || return
  [ -z "$there" ] || { echo "$there"; return 1; }
}
# end_of_test NAME: the line that tests/run counts, and the verdict.
end_of_test() {
  echo "$1: $passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}
