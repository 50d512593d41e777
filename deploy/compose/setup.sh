#!/usr/bin/env bash
# What the services of compose.yaml need before they start: an authority of its own, the servers' certificate, the
# database's password. What is there already stays; a certificate that has less than a month left is made anew.
set -euo pipefail
umask 077
mind=10001 # the user of the image

if [ ! -s /authority/ca.key ]; then
  openssl ecparam -name prime256v1 -genkey -noout -out /authority/ca.key
  openssl req -x509 -new -key /authority/ca.key -days 3650 -subj "/CN=Mind-Diffusion on this machine" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" -out /authority/ca.crt
fi
install -m 444 /authority/ca.crt /trust/ca.crt
chmod 755 /trust

if ! openssl x509 -checkend $((30 * 24 * 3600)) -noout -in /front/tls.crt >/dev/null 2>&1; then
  cat >/authority/front.cnf <<'CNF'
basicConstraints = critical,CA:FALSE
extendedKeyUsage = serverAuth,clientAuth
subjectAltName = DNS:front-a,DNS:front-b,DNS:fronts,DNS:localhost,IP:127.0.0.1,URI:spiffe://mind-diffusion/server
CNF
  openssl ecparam -name prime256v1 -genkey -noout -out /front/tls.key
  openssl req -new -key /front/tls.key -subj "/CN=fronts" |
    openssl x509 -req -CA /authority/ca.crt -CAkey /authority/ca.key -set_serial "0x$(openssl rand -hex 16)" -days 365 \
      -extfile /authority/front.cnf -out /front/tls.crt
fi

if [ ! -s /password/password ]; then
  openssl rand -hex 24 >/password/password
fi
chmod 755 /password
chmod 444 /password/password
printf '*:*:*:mind:%s\n' "$(cat /password/password)" >/front/pgpass
chmod 400 /front/*
chown "$mind" /front /front/*
echo "ready"
