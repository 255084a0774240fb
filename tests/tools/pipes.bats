#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The commands in pipelines: streams, HDF5 both ways, closed pipes, full disks, kills and resumption.
load setup

# Waits until a command succeeds, at most 30 seconds.
wait_until() {
    local turn
    for turn in $(seq 300); do
        if "$@"; then return 0; fi
        sleep 0.1
    done
    echo "never came true: $*"
    return 1
}
has_lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }
is_larger() { [ -e "$1" ] && [ "$(stat -c %s "$1")" -gt "$2" ]; }

@test "pipes: a slow input is answered as it comes" {
    mkfifo input
    clip-embed --text <input >out 2>err 3>&- &
    local pid=$!
    exec 7>input
    echo one >&7
    wait_until has_lines out 1
    printf 'two\nthree\n' >&7
    wait_until has_lines out 3
    exec 7>&-
    wait $pid
    [ "$(cut -d'"' -f4 out | tr '\n' ' ')" = "one two three " ]
}

@test "pipes: HDF5 goes through a pipe and says what JSON lines say" {
    pictures
    clip-embed -r pictures | clip-classify -l dog,cat >from_jsonl
    clip-embed -r -f h5 -o - pictures | clip-classify -l dog,cat >from_h5
    cmp from_jsonl from_h5
    clip-embed -r -f h5 pictures >file.h5
    clip-classify -l dog,cat file.h5 >from_file
    cmp from_jsonl from_file
    clip-classify -l dog,cat <file.h5 >from_input
    cmp from_jsonl from_input
    clip-classify -l dog,cat -r pictures >direct
    cmp from_jsonl direct
}

@test "pipes: HDF5 files are the same bytes whatever the batch size and the threads" {
    pictures
    expect_status 0 clip-embed -j 1 -b 1 -r -o first.h5 pictures
    expect_status 0 clip-embed -j 2 -b 7 -r -o second.h5 pictures
    cmp first.h5 second.h5
    clip-embed -r -f h5 pictures | cat >piped.h5
    cmp first.h5 piped.h5
    expect_status 0 env HDF5_USE_FILE_LOCKING=TRUE clip-embed -r -o locked.h5 pictures
    cmp first.h5 locked.h5
}

@test "pipes: a closed pipe ends a command silently" {
    seq 1 3000 >texts
    local status
    { clip-embed --text <texts 2>err || echo $? >status; } | head -n 1 >out
    [ "$(wc -l <out)" -eq 1 ]
    [ ! -s err ]
    [ "$(cat status)" -eq 141 ]
}

@test "pipes: a full disk is status 2 with a message" {
    seq 1 3000 >texts
    local status=0
    clip-embed --text <texts >/dev/full 2>err || status=$?
    [ $status -eq 2 ]
    grep -q '^clip-embed: .*no space left' err
    status=0
    clip-embed --text -f h5 <texts >/dev/full 2>err || status=$?
    [ $status -eq 2 ]
    status=0
    clip-classify -l a --errors /dev/full missing.png 2>err || status=$?
    [ $status -eq 2 ]
}

@test "pipes: after kill -9, --resume ends with the bytes of an uninterrupted run" {
    seq 1 300 | sed 's/.*/{"text":"a photo of & dogs","id":&}/' >texts
    sed -i '40s/.*/{"broken"/; 290s/.*/{"broken"/' texts
    local format
    for format in h5 jsonl npy; do
        expect_status 1 clip-embed --text -b 20 -o whole.$format <texts
        mv err err.whole
        mkfifo input.$format
        clip-embed --text -b 20 -o killed.$format <input.$format >/dev/null 2>&1 3>&- &
        local pid=$!
        exec 7>input.$format
        head -n 100 texts >&7
        wait_until is_larger killed.$format.part 10000
        kill -9 $pid
        wait $pid || true
        exec 7>&-
        [ ! -e killed.$format ]
        # As if the kill had come in the middle of a write.
        printf 'half a record' >>killed.$format.part
        expect_status 1 clip-embed --text -b 7 --resume -o killed.$format <texts
        cmp whole.$format killed.$format
        grep -q '^clip-embed: -:40: ' err
        grep -q '^clip-embed: -:290: ' err
        grep -q 'rows were there already' err
        [ ! -e killed.$format.part ]
    done
}

@test "pipes: --resume begins at the beginning, and adds to what is finished" {
    seq 1 30 >texts
    expect_status 0 clip-embed --text --resume -o a.h5 <texts
    seq 1 40 >more
    expect_status 0 clip-embed --text --resume -o a.h5 <more
    grep -q '30 of 40 rows were there already' err
    expect_status 0 clip-embed --text -o b.h5 <more
    cmp a.h5 b.h5
    # Of other models and other settings nothing is taken over.
    expect_status 2 clip-embed --text --resume --no-normalize -o a.h5 <more
    expect_status 2 clip-embed -m "$CLIP_GOLDEN/micro-gelu-hf-sharded" --text --resume -o a.h5 <more
    cmp a.h5 b.h5
}

@test "pipes: JSON lines are added to by runs with default settings only" {
    cp "$CLIP_GOLDEN/pixels/tall.png" "$CLIP_GOLDEN/pixels/rgb.png" .
    expect_status 0 clip-embed -o a.jsonl tall.png
    cp a.jsonl before
    for option in '--crop none' '--orientation ignore' '--grey16 scale' '--precision int8' \
        '--activation gelu' '--store fp16' '--no-normalize'; do
        # shellcheck disable=SC2086
        expect_status 2 clip-embed --resume $option -o a.jsonl tall.png rgb.png
        grep -q '^clip-embed: resume a.jsonl: ' err
        [ "$(wc -c <err)" -lt 200 ]
        cmp before a.jsonl
    done
    expect_status 2 clip-embed --resume --crop none -o a.jsonl tall.png
    grep -q 'crop=none (default: crop=center); run without --resume' err
    expect_status 0 clip-embed --resume -o a.jsonl tall.png rgb.png
    grep -q '1 of 2 rows were there already' err
}

@test "pipes: after an output error what is kept is said, and --resume goes on" {
    seq 1 300 >texts
    expect_status 0 clip-embed --text -o whole.h5 <texts
    # 16 KiB of FILE.part hold some batches, not all; the signal would end the command silently.
    (trap '' XFSZ && ulimit -f 16 && expect_status 2 clip-embed --text -b 20 -o a.h5 <texts)
    grep -Eq '^clip-embed: .*: file too large; [1-9][0-9]* rows are kept in a.h5.part; the same command with --resume goes on from there$' err
    expect_status 0 clip-embed --text --resume -o a.h5 <texts
    grep -q 'of 300 rows were there already' err
    cmp whole.h5 a.h5
}

@test "pipes: Ctrl-C before the first row promises nothing" {
    mkfifo input
    env --default-signal=INT clip-embed --text -o idle.h5 <input >/dev/null 2>err 3>&- &
    local pid=$!
    exec 7>input
    wait_until test -s idle.h5.part
    sleep 0.3
    kill -INT $pid
    local status=0
    wait $pid || status=$?
    exec 7>&-
    [ $status -eq 130 ]
    [ "$(grep -c kept err)" -eq 0 ]
    [ ! -e idle.h5.part ]
}

@test "pipes: of two clip-classify -o on one file the second is refused" {
    mkfifo input
    clip-embed --text one two >texts.jsonl
    clip-classify -l dog -o a.jsonl <input >/dev/null 2>err.first 3>&- &
    local pid=$!
    exec 7>input
    wait_until test -e .a.jsonl.tmp
    expect_status 2 clip-classify -l dog -o a.jsonl texts.jsonl
    grep -q 'a.jsonl: another run is writing this file' err
    # Neither does clip-embed take the temporary file away.
    expect_status 2 clip-embed --text -o a.jsonl three
    cat texts.jsonl >&7
    exec 7>&-
    wait $pid
    [ "$(wc -l <a.jsonl)" -eq 2 ]
    [ ! -e .a.jsonl.tmp ]
}

@test "pipes: Ctrl-C keeps what is finished, says so, and is status 130" {
    mkfifo input
    # Background jobs of a shell without job control ignore SIGINT; env gives it back.
    env --default-signal=INT clip-embed --text -b 10 -o a.h5 <input >/dev/null 2>err 3>&- &
    local pid=$!
    exec 7>input
    seq 1 100 >&7
    wait_until is_larger a.h5.part 10000
    kill -INT $pid
    local status=0
    wait $pid || status=$?
    exec 7>&-
    [ $status -eq 130 ]
    grep -q 'a.h5.part.*--resume' err
    [ ! -e a.h5 ]
    seq 1 120 >texts
    expect_status 0 clip-embed --text --resume -o a.h5 <texts
    grep -q 'of 120 rows were there already' err
    expect_status 0 clip-embed --text -o b.h5 <texts
    cmp a.h5 b.h5
}

@test "pipes: of two writers on one file the second is refused" {
    mkfifo input
    clip-embed --text -o a.h5 <input >/dev/null 2>&1 3>&- &
    local pid=$!
    exec 7>input
    seq 1 100 >&7
    wait_until is_larger a.h5.part 1000
    expect_status 2 clip-embed --text -o a.h5 other
    exec 7>&-
    wait $pid
    expect_status 0 clip-classify -l dog a.h5
    [ "$(wc -l <out)" -eq 100 ]
}

@test "pipes: -o replaces a file only when the run is complete" {
    echo precious >a.jsonl
    mkfifo input
    clip-embed --text -o a.jsonl <input >/dev/null 2>&1 3>&- &
    local pid=$!
    exec 7>input
    echo one >&7
    wait_until is_larger a.jsonl.part 0
    [ "$(cat a.jsonl)" = precious ]
    exec 7>&-
    wait $pid
    [ "$(cut -d'"' -f4 a.jsonl)" = one ]
}
