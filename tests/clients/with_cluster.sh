#!/usr/bin/env bash
# Runs a command beside a server with a worker, and a server without one, on free ports.
#   tests/clients/with_cluster.sh BIN MODELS COMMAND…
# The command finds them in MIND_HTTP (http://127.0.0.1:PORT), MIND_GRPC (127.0.0.1:PORT) and MIND_IDLE_HTTP. With
# MIND_OVER_TLS=1 all of them speak TLS, by an authority made for the test that the command trusts. A third asks
# for keys: MIND_KEYED_HTTP and MIND_KEYED_GRPC, with MIND_KEY_MAKER, which may make pictures and see them, MIND_KEY_READER, which may
# only see, MIND_KEY_REVOKED, and MIND_KEY_FEW, whose tenant may call once a minute.
set -euo pipefail
bin=$1 models=$2
shift 2
folder=$(mktemp -d)
pids=()
stop() {
  status=$?
  if [ ${#pids[@]} -gt 0 ]; then kill -9 "${pids[@]}" 2>/dev/null || true; wait "${pids[@]}" 2>/dev/null || true; fi
  [ $status -eq 0 ] || tail -n 20 "$folder"/*.err >&2
  rm -rf "$folder"
}
trap stop EXIT

# A line of a program's output, once it is there.
await() {
  until grep -sm1 -- "$2" "$1"; do
    kill -0 "$3" 2>/dev/null || { echo "$1: ended without saying \"$2\"" >&2; exit 1; }
    sleep 0.05
  done
}
scheme=http server_tls=() worker_tls=()
if [ "${MIND_OVER_TLS:-}" = 1 ]; then
  scheme=https
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=test authority" \
    -keyout "$folder/ca.key" -out "$folder/ca.crt" 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=server" -keyout "$folder/server.key" \
    -out "$folder/server.csr" 2>/dev/null
  openssl x509 -req -in "$folder/server.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -days 1 \
    -extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost") -out "$folder/server.crt" 2>/dev/null
  server_tls=(--tls-cert "$folder/server.crt" --tls-key "$folder/server.key") worker_tls=(--tls --ca "$folder/ca.crt")
  export SSL_CERT_FILE=$folder/ca.crt NODE_EXTRA_CA_CERTS=$folder/ca.crt CURL_CA_BUNDLE=$folder/ca.crt
fi
start_server() {
  "$bin/mind-server" --listen 127.0.0.1:0 --http 127.0.0.1:0 --metrics 127.0.0.1:0 --data "$folder/$1" "${server_tls[@]}" "${@:2}" \
    >"$folder/$1.out" 2>"$folder/$1.err" &
  pids+=($!)
  grpc=$(await "$folder/$1.out" "listening on port" $! | sed -E 's/.*listening on port ([0-9]+).*/\1/')
  http=$(await "$folder/$1.out" "http on port" $! | sed -E 's/.*port ([0-9]+).*/\1/')
}
start_server idle
export MIND_IDLE_HTTP=$scheme://127.0.0.1:$http
start_server server
export MIND_HTTP=$scheme://127.0.0.1:$http MIND_GRPC=127.0.0.1:$grpc
new_key() { "$bin/mind" keys create --file "$folder/keys" --tenant "$1" --scopes "$2" 2>/dev/null; }
MIND_KEY_MAKER=$(new_key maker generate,read) MIND_KEY_READER=$(new_key maker read)
MIND_KEY_REVOKED=$(new_key maker generate,read) MIND_KEY_FEW=$(new_key few generate,read)
"$bin/mind" keys revoke "${MIND_KEY_REVOKED:5:10}" --file "$folder/keys" 2>/dev/null
"$bin/mind" keys limit few --requests-per-minute 1 --file "$folder/keys"
worker_key=$(new_key ops worker)
start_server keyed --keys "$folder/keys"
export MIND_KEYED_HTTP=$scheme://127.0.0.1:$http MIND_KEYED_GRPC=127.0.0.1:$grpc MIND_KEY_MAKER MIND_KEY_READER MIND_KEY_REVOKED MIND_KEY_FEW
"$bin/mind-worker" --server "127.0.0.1:$grpc" "${worker_tls[@]}" --key "$worker_key" --metrics 127.0.0.1:0 --models "$models/emoji" \
  >"$folder/keyed-worker.out" 2>"$folder/keyed-worker.err" &
pids+=($!)
"$bin/mind-worker" --server "$MIND_GRPC" "${worker_tls[@]}" --metrics 127.0.0.1:0 --models "$models" \
  >"$folder/worker.out" 2>"$folder/worker.err" &
pids+=($!)
for ready in "$MIND_HTTP" "$MIND_KEYED_HTTP"; do
  until curl -sf "$ready/v2/health/ready" >/dev/null; do
    kill -0 ${pids[-1]} ${pids[-2]} 2>/dev/null || { echo "a worker has ended" >&2; exit 1; }
    sleep 0.05
  done
done
"$@"
