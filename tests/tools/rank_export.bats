#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# clip-rank --export-faiss and --export-pgvector. The engines themselves read what is written in
# tests/parity/search_engines.py.
load setup

library() {
    cp -r "$BATS_TEST_DIRNAME/pictures" .
    clip-embed -r -o photos.h5 pictures
    # Vectors with names that have to be escaped, with carried keys, without a name, not of length 1.
    cat >odd.jsonl <<'END'
{"path":"tab\there\\and\nthere.png","embedding":[3,4],"id":7}
{"text":"a \"text\"","embedding":[0,-2],"note":"tab\there"}
{"embedding":[0.6,0.8]}
{"path":"file:caf%E9.png","embedding":[1e-20,0],"rank":3}
END
}

# integer FILE OFFSET BYTES
integer() { od -A n -t "d$3" -j "$2" -N "$3" "$1" | tr -d ' '; }

@test "rank export: a Faiss index and what its ids are" {
    library
    expect_status 0 clip-rank --export-faiss odd.faiss odd.jsonl
    [ ! -s out ]
    [ "$(head -c 4 odd.faiss)" = IxFI ]
    [ "$(integer odd.faiss 4 4) $(integer odd.faiss 8 8) $(integer odd.faiss 37 8)" = '2 4 8' ]
    [ "$(od -A n -t f4 -v -w8 -j 45 odd.faiss | tr -s ' ')" = " 0.6 0.8
 0 -1
 0.6 0.8
 1 0" ]
    cat >want <<'END'
{"path":"tab\there\\and\nthere.png","id":7}
{"text":"a \"text\"","note":"tab\there"}
{}
{"path":"file:caf%E9.png"}
END
    jq -c . odd.faiss.items.jsonl >got
    jq -c . want | cmp - got
    # Files and streams give the same bytes, whatever the batch.
    expect_status 0 clip-rank --export-faiss a.faiss photos.h5
    expect_status 0 clip-rank --export-faiss b.faiss -b 1 -r pictures
    cmp a.faiss b.faiss
    cmp a.faiss.items.jsonl b.faiss.items.jsonl
    clip-embed -r pictures | clip-rank --export-faiss b.faiss
    cmp a.faiss b.faiss
    [ "$(integer a.faiss 8 8)" = 4 ]
    [ "$(find . -name '.*.tmp' | wc -l)" -eq 0 ]
}

@test "rank export: rows for COPY" {
    library
    expect_status 0 clip-rank --export-pgvector - odd.jsonl
    printf '%s\n' '1	tab\there\\and\nthere.png	\N	{"id":7}	[0.6,0.8]' \
        '2	\N	a "text"	{"note":"tab\\there"}	[0,-1]' '3	\N	\N	\N	[0.6,0.8]' \
        '4	file:caf%E9.png	\N	\N	[1,0]' | cmp - out
    expect_status 0 clip-rank --export-pgvector odd.copy odd.jsonl
    clip-rank --export-pgvector - odd.jsonl | cmp - odd.copy
    # Files and streams; a text beside a path stays a carried key.
    echo '{"path":"pictures/disc/red.png","text":"\\t","query":"gone"}' >both.jsonl
    clip-embed -o both.h5 both.jsonl
    clip-rank --export-pgvector from-file photos.h5 both.h5
    clip-rank --export-pgvector from-list photos.h5 both.jsonl
    cmp from-file from-list
    [ "$(sed -n 5p from-file | cut -f 1-4)" = "5	pictures/disc/red.png	\\N	{\"text\":\"\\\\\\\\t\"}" ]
    echo '{"text":"a dog","path":"x.png"}' | clip-embed --text -o texts.h5
    clip-rank --export-pgvector - texts.h5 | cut -f 1-4 | grep -qx '1	\\N	a dog	{"path":"x.png"}'
    clip-rank --export-pgvector - photos.h5 photos.h5 | head -n 1 >first
    head -n 1 from-file | cmp - first
}

@test "rank export: vectors that cannot be used are named and take no id" {
    library
    {
        echo '{"path":"zero.png","embedding":[0,0]}'
        echo '{"path":"nul.png","embedding":[1,1],"s":"\u0000"}'
        echo '{"path":"wide.png","embedding":[1,1,1]}'
    } >bad.jsonl
    expect_status 1 clip-rank --export-pgvector - --errors errors odd.jsonl bad.jsonl odd.jsonl
    [ "$(cut -f 1 out | tr '\n' ' ')" = '1 2 3 4 5 6 7 8 ' ]
    [ "$(jq -r .path errors | sort | tr '\n' ' ')" = 'nul.png wide.png zero.png ' ]
    expect_status 1 clip-rank --export-faiss a.faiss odd.jsonl bad.jsonl odd.jsonl
    [ "$(integer a.faiss 8 8) $(wc -l <a.faiss.items.jsonl)" = '9 9' ]
    python=/usr/bin/python3
    $python -c 'import h5py' 2>/dev/null || skip "python3-h5py is not installed"
    $python - <<'PY'
import h5py
with h5py.File("photos.h5", "r+") as f:
    f["embedding"][1, 3] = float("nan")
    f["item"][2] = b"\xff"
PY
    expect_status 1 clip-rank --export-faiss a.faiss photos.h5
    grep -q 'photos.h5: row 1: a value is not finite' err
    grep -q 'photos.h5: row 2: ' err
    [ "$(wc -l <err)" -eq 3 ]
    [ "$(integer a.faiss 8 8) $(wc -l <a.faiss.items.jsonl)" = '2 2' ]
}

@test "rank export: nothing half made is left" {
    library
    mkdir empty
    expect_status 2 clip-rank --export-faiss a.faiss -r empty
    grep -q 'there is no candidate' err
    expect_status 2 clip-rank --export-pgvector a.copy </dev/null
    head -n 1 odd.jsonl | sed 's/3,4/1e-35,0/' >zero.jsonl
    expect_status 2 clip-rank --export-pgvector a.copy zero.jsonl
    grep -q 'none of 1 candidates' err
    for stream in - /dev/stdout /dev/null; do
        expect_status 2 clip-rank --export-faiss $stream odd.jsonl
        grep -q 'cannot be written to a stream' err
    done
    expect_status 2 clip-rank --export-pgvector /dev/full odd.jsonl
    grep -q 'no space left on device' err
    expect_status 2 clip-rank --export-faiss a.faiss --errors a.faiss.items.jsonl odd.jsonl
    [ "$(find . -name '*a.faiss*' -o -name '*a.copy*' | wc -l)" -eq 0 ]
    # A file of 4 KiB at most is a disk that is full before the index is whole.
    for number in $(seq 600); do cat odd.jsonl; done >many.jsonl
    echo old >a.faiss.items.jsonl
    (
        ulimit -f 4
        trap '' XFSZ
        expect_status 2 clip-rank --export-faiss a.faiss many.jsonl
    )
    [ "$(cat a.faiss.items.jsonl)" = old ]
    [ "$(find . -name '*a.faiss*' | wc -l)" -eq 1 ]
}

@test "rank export: Ctrl-C leaves nothing, status 130" {
    library
    mkfifo input
    local option
    for option in --export-faiss --export-pgvector; do
        # Background jobs of a shell without job control ignore SIGINT; env gives it back.
        env --default-signal=INT clip-rank $option part -b 2 <input >out 2>err 3>&- &
        local pid=$! turn status=0
        exec 7>input
        cat odd.jsonl >&7
        for turn in $(seq 300); do
            if [ -e .part.tmp ]; then break; fi
            sleep 0.1
        done
        [ -e .part.tmp ]
        sleep 0.3
        kill -INT $pid
        wait $pid || status=$?
        exec 7>&-
        [ $status -eq 130 ]
        [ "$(find . -name '*part*' | wc -l)" -eq 0 ]
    done
}
