#!/bin/sh
# SPDX-License-Identifier: MIT
# mpi_ranks.sh MPIEXEC PROGRAM: runs mpi_ranks in several processes, and lets one of them fail.
set -eu
mpiexec=$1
program=$2
ranks=3

# As root, with more processes than cores, and in containers: what Open MPI wants to be told.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_plm_rsh_agent=
# What MPI never frees is not our leak.
export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS-}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

complain() {
    echo "mpi_ranks.sh: $*" >&2
    exit 1
}

for run in 1 2; do
    timeout 120 "$mpiexec" -n $ranks "$program" >"$folder/$run" 2>"$folder/messages" || {
        cat "$folder/$run" "$folder/messages"
        complain "run $run of $ranks ranks failed"
    }
    [ "$(grep -o "Status: SUCCESS" "$folder/$run" | wc -l)" -eq $ranks ] || complain "not all ranks ran"
    grep '^digest of' "$folder/$run" >"$folder/digest.$run" || complain "no digest"
done
cat "$folder/1"
cmp "$folder/digest.1" "$folder/digest.2" || complain "a second run gave other bits"

# The others wait for rank 1, and must not do so for ever.
for mode in fail unwind; do
    status=0
    timeout 60 "$mpiexec" -n $ranks "$program" $mode >"$folder/out" 2>&1 || status=$?
    [ $status != 124 ] || complain "$mode: the other ranks hang"
    [ $status != 0 ] || complain "$mode: no failure"
    grep -q 'rank 1 fails' "$folder/out" || complain "$mode: failed in another way"
done

# Launched by something that is not this MPI.
timeout 60 "$program" alone >"$folder/out" 2>&1 || {
    cat "$folder/out"
    complain "alone: no error"
}
grep 'sees 1' "$folder/out" || complain "alone: another error"
