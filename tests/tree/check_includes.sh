#!/bin/sh
# SPDX-License-Identifier: MIT
# Who may include what: the tables of lib/README.md, enforced by grep.
set -eu
cd "$(dirname "$0")/../.."
failed=$(mktemp)
trap 'rm -f "$failed"' EXIT

# allow FOLDER OTHER...: files of lib/FOLDER may include these folders and their own.
allow() {
    folder=$1
    shift
    [ -d "lib/$folder" ] || return 0
    allowed=$(printf '%s|' "$folder" "$@")
    grep -rnE '^ *#include "' "lib/$folder" --include='*.?pp' --include='*.cu' --include='*.cuh' |
        grep -vE "#include \"(${allowed%|})/" |
        { [ "$folder" != ../cmd ] || exec grep -vE '#include "[^/]*"'; cat; } |
        sed "s|\$| (lib/$folder may include: $folder $*)|" >>"$failed" || true
}

# only PATTERN PLACE...: <PATTERN> is included from these places only (prefixes of paths).
only() {
    pattern=$1
    shift
    places=$(printf '^%s|' "$@")
    grep -rnE "^ *#include <$pattern" lib cmd --include='*.?pp' --include='*.cu' --include='*.cuh' |
        grep -vE "${places%|}" | sed "s|\$| (allowed: $*)|" >>"$failed" || true
}

allow base
allow tensor base
allow communicator base
allow backend tensor base
allow ops backend tensor base
allow nn ops backend tensor base
allow io tensor base
allow data tensor base
allow model nn ops backend io data tensor base
allow search ops backend io tensor base
allow draw io data tensor base
allow train io data tensor base
allow trainer communicator train model nn ops backend io data tensor base
allow app trainer communicator train search draw model nn ops backend io data tensor base
allow cli base
allow ../cmd app trainer communicator train search model nn ops backend io data tensor base cli

only '(immintrin|x86intrin|arm_neon)\.h>' lib/backend/cpu/ lib/data/
only 'lbfgs' lib/search/
only 'oneapi/' lib/backend/onednn/
only '(cuda|cublas|nv)' lib/backend/cuda/
only '(hdf5|H5)' lib/io/
only 'mpi\.h' lib/communicator/mpi_plugin
only 'opencv2/' lib/data/opencv_plugin
only '(jpeglib|turbojpeg|png)\.h>' lib/data/
only 'nlohmann/' lib/io/ lib/data/ lib/model/ lib/app/
only 'CLI/' lib/cli/ cmd/
# The plugin silences what OpenCV writes to std::cerr.
only 'iostream>' lib/cli/ lib/data/opencv_plugin/ cmd/

# JSON in a header would make every file that includes it slow to compile.
grep -rnE '^ *#include <nlohmann/json\.hpp>' lib --include='*.hpp' |
    sed 's|$| (not in a header)|' >>"$failed" || true
# backend/ref, cpu, onednn and cuda never include each other; all but ref may fall back to ref.
for one in cpu onednn cuda; do
    for other in cpu onednn cuda; do
        [ $one = $other ] || [ ! -d lib/backend/$one ] ||
            grep -rn "#include \"backend/$other/" lib/backend/$one |
            sed "s|\$| (backends do not include each other)|" >>"$failed" || true
    done
done
[ ! -d lib/backend/ref ] || grep -rnE '#include "backend/(cpu|onednn|cuda)/' lib/backend/ref |
    sed 's|$| (the reference includes no other backend)|' >>"$failed" || true
# Includes are rooted at lib/; files of cmd include each other by name.
{
    grep -rnE '^ *#include "(\.|[^/]*")' lib --include='*.?pp'
    grep -rnE '^ *#include "\.' cmd --include='*.?pp'
} |
    sed 's|$| (includes are rooted at lib/)|' >>"$failed" || true
# What is in the build is asked in one file; headers of the compiler are another matter.
grep -rnE '^ *# *(if|ifdef|ifndef|elif).*CLIP_WITH_' lib --include='*.?pp' |
    grep -v '^lib/backend/registry.cpp:' |
    sed 's|$| (CLIP_WITH_* is asked in backend/registry.cpp only)|' >>"$failed" || true

if [ -s "$failed" ]; then
    cat "$failed"
    exit 1
fi
