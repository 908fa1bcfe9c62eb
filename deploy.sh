#!/usr/bin/env bash
# Starts the whole demonstration: in containers where there is a Docker engine, otherwise as `npm start` does.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
  cat <<'HELP'
Usage: ./deploy.sh [--docker | --local]

Starts the balancer on :5252, its page on :9494, and three backends on :5453 to :5455.

  --docker   in containers; fails when there is no Docker engine
  --local    without containers, as npm start does
HELP
}

compose() {
  if docker compose version >/dev/null 2>&1; then
    exec docker compose up --build
  elif command -v docker-compose >/dev/null; then
    exec docker-compose up --build
  fi
  echo "deploy.sh: there is a Docker engine but neither 'docker compose' nor docker-compose" >&2
  exit 1
}

case "${1:-}" in
  --docker)
    docker info >/dev/null 2>&1 || { echo "deploy.sh: no Docker engine answers; try --local" >&2; exit 1; }
    compose
    ;;
  --local) exec npm start ;;
  -h | --help) usage ;;
  "")
    if docker info >/dev/null 2>&1; then compose; fi
    echo "deploy.sh: no Docker engine answers; starting without containers"
    exec npm start
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
