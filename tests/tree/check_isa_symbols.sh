#!/bin/sh
# SPDX-License-Identifier: MIT
# Fails where a file compiled for one instruction set emits code that the linker could share with the
# rest: a weak symbol would bring AVX-512 to every CPU.
#
#   check_isa_symbols.sh LIBRARY    (the static library of lib/backend/cpu)
set -eu

library=$1
members=$(ar t "$library" | grep '^kernels_' | grep -v portable)
[ -n "$members" ] || {
    echo "check_isa_symbols: $library: no kernels_* in it" >&2
    exit 1
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && ar x "$library")
status=0
for member in $members; do
    # W, V, u: weak and unique symbols; T, D, B, R: strong ones, of which only the table is wanted.
    shared=$(nm -C "$folder/$member" | grep -E '^[0-9a-f]+ [WVuTDBR] ' | grep -v 'clip::cpu::[a-z0-9]*_kernels()$' || true)
    if [ -n "$shared" ]; then
        printf 'check_isa_symbols: %s emits symbols that others may use:\n%s\n' "$member" "$shared" >&2
        status=1
    fi
done
exit $status
