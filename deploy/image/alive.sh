#!/usr/bin/env bash
# For engines' health checks: whether the server or the worker in this container answers for its metrics, on the ports at
# which the image has them.
#   mind-alive [PORT…]      (9090 and 9091)
set -u
[ $# -gt 0 ] || set -- 9090 9091
for port; do
  if exec 3<>"/dev/tcp/127.0.0.1/$port"; then
    printf 'GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
    IFS= read -r -t 4 answer <&3 && [[ $answer == "HTTP/1.1 200 "* ]] && exit 0
    exec 3>&-
  fi
done 2>/dev/null
echo "nothing answers for its metrics at: $*" >&2
exit 1
