#!/bin/bash
# Makes a golden data folder: one that the program of its day wrote, which every later program must
# open and serve (integration/golden_test.cc says what is in it).
#
#     integration/golden/make.sh PROGRAM integration/golden/format-N.tar.gz
#
# It is made once for each format, by the last program that writes it, and never again. The key and
# the tokens in it are nobody's.
set -euo pipefail
program=$(realpath "$1") archive=$(realpath -m "$2")
home=$(mktemp -d)
trap 'kill %1 2>/dev/null || true; wait; rm -rf "$home"' EXIT
data=$home/data
export WAYPOST_DATA=$data

"$program" init --name golden --listen 127.0.0.1:0 --peer-listen 127.0.0.1:0 >/dev/null
"$program" serve --store.min_free=0 2>/dev/null &
until [ -e "$data/endpoints.json" ]; do sleep 0.1; done

"$program" group create family --role server >/dev/null
"$program" group create letters --role server --public >/dev/null
hundred=$(seq 1 100)
for _ in $(seq 1000); do echo "$hundred"; done > "$home/numbers"   # a file under blobs/
echo hello > "$home/note"          # in the index
: > "$home/empty"
"$program" put "$home/numbers" --group family --key many/numbers >/dev/null
"$program" put "$home/note" --group family --key note >/dev/null
"$program" put "$home/note" --group letters --key a/note >/dev/null
"$program" put "$home/empty" --group family --key empty >/dev/null
"$program" put "$home/note" --group family --key gone >/dev/null
"$program" ref del family gone >/dev/null
"$program" ref set family missing "$(printf '%064d' 7)" >/dev/null    # nobody has it
"$program" group invite family --uses 3 --expires 168h >/dev/null
"$program" config set fetcher.concurrency 3 >/dev/null
"$program" token create robot --rights read --group family |
  grep -o 'wpt_[0-9a-f]*' | tr -d '\n' > "$home/robot.token"

kill %1
wait %1
rm -f "$data/LOCK" "$data/index/lock.mdb" "$data"/*.port
tar -C "$home" --sort=name --owner=0 --group=0 -czf "$archive" data robot.token
