#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Lists of inputs: what their lines may hold, and what is no list.
load setup

@test "lists: folders in a list are walked with -r, and refused without" {
    pictures
    mkdir other && cp pictures/p01.png other/one.png
    printf '%s\n' pictures other/one.png >list
    expect_status 0 clip-embed -r --quiet <list
    [ "$(jq -r .path out)" = "$(ls -d pictures/* && echo other/one.png)" ]
    printf '{"path":"pictures"}\n{"path":"other/one.png"}\n' >list.jsonl
    expect_status 0 clip-embed -r --quiet list.jsonl
    [ "$(jq -r .path out)" = "$(ls -d pictures/* && echo other/one.png)" ]
    expect_status 1 clip-embed <list
    [ "$(jq -r .path out)" = other/one.png ]
}

@test "lists: a byte-order mark and blanks before a record are passed over" {
    pictures
    printf '\357\273\277{"path":"pictures/p01.png","id":1}\n \t{"path":"pictures/p01.png","id":2}\n' >list.jsonl
    for form in 'clip-embed list.jsonl' 'clip-embed -'; do
        expect_status 0 $form <list.jsonl
        [ "$(jq -c .id out)" = "$(printf '1\n2')" ]
    done
}

@test "lists: a picture or a data file on standard input is one error" {
    pictures
    expect_status 1 clip-embed <pictures/p01.png
    grep -q 'standard input is a PNG picture, not a list' err
    [ "$(grep -c 'clip-embed: -:' err)" = 1 ]
    clip-embed --quiet -o rows.h5 pictures/p01.png
    clip-embed --quiet -o rows.npy pictures/p01.png
    expect_status 1 clip-embed <rows.h5
    grep -q 'an HDF5 file' err
    expect_status 1 clip-classify -l a,b <rows.npy
    grep -q 'a NumPy file' err
}

@test "model: info and check go on after one that cannot be read" {
    expect_status 1 clip-model info "$CLIP_MODEL" none "$CLIP_GOLDEN/micro-rn-open_clip"
    [ "$(grep -c '^model' out)" = 2 ]
    grep -q '^clip-model: none: ' err
    expect_status 1 clip-model check "$CLIP_MODEL" none
    expect_status 2 clip-model check none
}
