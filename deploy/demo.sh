#!/usr/bin/env bash
# From nothing to a picture: installs what is missing, builds what that takes as quickly as it can be built (the preset `quick`;
# real use wants `release`), starts a server and a worker on free loopback ports, makes one picture, stops what it started, and
# prints the picture's path last.
#   deploy/demo.sh ["PROMPT"]
set -euo pipefail
cd "$(dirname "$0")/.."
prompt=${1:-a red apple}

deploy/install.sh build run
echo "demo.sh: builds the preset quick, which is soonest there and not optimised; for real use: cmake --preset release"
said=$(cmake --preset quick 2>&1) || { echo "$said"; exit 1; }
cmake --build --preset quick --parallel "$(nproc)" --target mind-server mind-worker mind

bin=$PWD/build/quick/bin
work=$(mktemp -d)
pids=()
stop() {
  [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT

# Waits until a line matching $2 is in file $1, and prints what its group caught.
await() {
  for _ in $(seq 600); do
    found=$(sed -nE "/.*$2.*/{s//\1/p;q}" "$1")
    [ -z "$found" ] || { echo "$found"; return; }
    kill -0 "$3" 2>/dev/null || break
    sleep 0.1
  done
  cat "$1" "${1%.out}.err" >&2
  return 1
}

"$bin/mind-server" --listen 127.0.0.1:0 --metrics 127.0.0.1:0 --data "$work/data" >"$work/server.out" 2>"$work/server.err" &
pids+=($!)
port=$(await "$work/server.out" 'listening on port ([0-9]+)' $!)
"$bin/mind-worker" --server "127.0.0.1:$port" --models deploy/models --metrics 127.0.0.1:0 >"$work/worker.out" 2>"$work/worker.err" &
pids+=($!)
await "$work/worker.out" '(mind-worker .* serving)' $! >/dev/null
export MIND_SERVER=127.0.0.1:$port
for _ in $(seq 100); do
  [ -z "$("$bin/mind" models 2>/dev/null || true)" ] || break
  sleep 0.1
done

mkdir -p build/demo
picture=$PWD/build/demo/$(date +%Y%m%d-%H%M%S).png
"$bin/mind" generate "$prompt" --model emoji-256 --out "$picture"
