# SPDX-License-Identifier: MIT
# What every bats file here begins with. CLIP_COMMANDS is the folder of the commands, CLIP_GOLDEN
# that of the golden files; both are set by CTest.

setup() {
    : "${CLIP_COMMANDS:?the folder of the commands}" "${CLIP_GOLDEN:?the folder tests/golden}"
    PATH=$CLIP_COMMANDS:$PATH
    export PATH LC_ALL=C.UTF-8 CLIP_MODEL=$CLIP_GOLDEN/micro-vit-hf
    unset CLIP_VOCAB HF_HOME HF_HUB_CACHE OMPI_COMM_WORLD_RANK PMI_RANK SLURM_PROCID
    HOME=$BATS_TEST_TMPDIR # no model of the user's comes into a test
    cd "$BATS_TEST_TMPDIR" || return 1
}

# Pictures of several formats and sizes under plain names: p01.png, p02.jpg, ...
pictures() {
    mkdir -p pictures
    local number=0 file
    for file in "$CLIP_GOLDEN"/pixels/*.png "$CLIP_GOLDEN"/pixels/*.jpg; do
        number=$((number + 1))
        cp "$file" "pictures/$(printf 'p%02d' $number).${file##*.}"
    done
    [ $number -gt 10 ]
}

# Runs a command, expects its exit status, and keeps what it wrote in `out` and `err`.
expect_status() {
    local want=$1 got=0
    shift
    "$@" >out 2>err || got=$?
    if [ $got -ne "$want" ]; then
        echo "status $got instead of $want: $*"
        cat err
        return 1
    fi
}
