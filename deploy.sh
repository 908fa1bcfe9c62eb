#!/usr/bin/env bash
# Starts the whole demonstration: in containers where there is a Docker engine, otherwise as `npm start` does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'HELP'
Usage: ./deploy.sh [--docker | --local]

Starts the balancer on :5252, its page on :9494, and three backends on :5453 to :5455.
In containers when a Docker engine responds, otherwise without. Ctrl-C ends it.

  --docker    in containers, or fail
  --local     without containers, as npm start does
  -h, --help  show this
HELP
}

fail() {
  echo "deploy.sh: $1" >&2
  exit "${2:-1}"
}

has_engine() {
  docker info >/dev/null 2>&1
}

# Prints nothing; sets `compose` to the command there is.
find_compose() {
  if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
  elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
  else
    return 1
  fi
}

# What announces itself to the balancer shows this token. Made once, and kept where compose looks for it.
ensure_token() {
  if [ -n "${LINEBACKER_TOKEN:-}" ] || grep -qs '^LINEBACKER_TOKEN=.' .env; then
    return
  fi
  local token
  token=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
  (
    umask 077
    printf 'LINEBACKER_TOKEN=%s\n' "$token" >>.env
  )
  echo "deploy.sh: made a token for the registration of backends, in .env"
}

in_containers() {
  ensure_token
  exec "${compose[@]}" up --build
}

if [ $# -gt 1 ]; then
  usage >&2
  exit 2
fi
case "${1:-}" in
  -h | --help) usage ;;
  --local) exec npm start ;;
  --docker)
    has_engine || fail "no Docker engine responds (docker info says why); --local needs none"
    find_compose || fail "a Docker engine responds, but there is no docker compose; --local needs none"
    in_containers
    ;;
  "")
    if ! has_engine; then
      echo "deploy.sh: no Docker engine responds; starting without containers"
    elif ! find_compose; then
      echo "deploy.sh: there is no docker compose; starting without containers"
    else
      in_containers
    fi
    exec npm start
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
