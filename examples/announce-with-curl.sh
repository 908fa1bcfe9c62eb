#!/bin/sh
# Announces a server that runs on this machine, renews its lease, and leaves when it is stopped.
#   ./examples/announce-with-curl.sh my-server 8080
set -eu
id=${1:?usage: announce-with-curl.sh ID PORT}
port=${2:?usage: announce-with-curl.sh ID PORT}
balancer=${LINEBACKER:-http://127.0.0.1:9797}
url=$balancer/v1/backends/$id

announce() {
  curl -fsS -X PUT "$url" -H 'Content-Type: application/json' \
    -d "{\"address\": \":$port\", \"capacity\": {\"compute\": 20, \"storage\": 13}}" && echo
}

trap 'exit 0' INT TERM
trap 'curl -fsS -X DELETE "$url" || true' EXIT

until announce; do sleep "${RENEW_S:-2}"; done
while sleep "${RENEW_S:-2}" & wait $!; do
  # A balancer that does not know us has restarted: announce again.
  curl -fsS -o /dev/null -X POST "$url/renew" || announce || true
done
