#!/bin/sh
# same_trace.sh SIM_WORLD SEED: two processes that run one seed say the same of it, with the same
# trace: no order came from an address, a hash that differs from run to run, or a thread id.
set -eu
run() { "$1" 1 "$2" 2> /dev/null | grep "^seed $2: .*trace"; }
first=$(run "$1" "$2")
second=$(run "$1" "$2")
[ "$first" = "$second" ] && exit 0
printf 'the first:  %s\nthe second: %s\n' "$first" "$second"
exit 1
