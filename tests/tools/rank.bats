#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# clip-rank: queries of every kind, candidates of every kind, what can be wrong with them.
load setup

# A library of the pictures, made once a test.
library() {
    cp -r "$BATS_TEST_DIRNAME/pictures" .
    clip-embed -r -o photos.h5 pictures
    clip-embed -r pictures >photos.jsonl
}

# The vectors of an embedding file as a table of numbers, by h5dump: h5_rows FILE
h5_rows() { h5dump -d /embedding -m %.9g -y -w 0 "$1" | sed -n '/DATA {/,/}/p' | grep '[0-9]' | tr -d ' '; }

@test "rank: scores are the cosines of the vectors that clip-embed writes" {
    library
    expect_status 0 clip-rank -q 'a dog' -k 0 photos.h5
    clip-embed --text 'a dog' >query.jsonl
    jq -n --slurpfile q query.jsonl --slurpfile p photos.jsonl '
        def dot($a; $b): reduce range($a | length) as $i (0; . + $a[$i] * $b[$i]);
        [$p[] | {path, score: (dot(.embedding; $q[0].embedding) /
            ((dot(.embedding; .embedding) * dot($q[0].embedding; $q[0].embedding)) | sqrt))}]
        | sort_by(-.score)' >want.json
    jq -s --slurpfile want want.json -e '
        [range(length) as $i | .[$i].path == $want[0][$i].path and .[$i].rank == $i + 1 and
            ((.[$i].score - $want[0][$i].score) | fabs) < 1e-6] | length == 4 and all' out
}

@test "rank: files, JSON lines, streams and pictures give the same hits" {
    library
    clip-rank -q dog -q cat -k 3 photos.h5 >want
    [ "$(wc -l <want)" -eq 6 ]
    clip-rank -q dog -q cat -k 3 photos.jsonl | cmp - want
    clip-rank -q dog -q cat -k 3 <photos.jsonl | cmp - want
    clip-rank -q dog -q cat -k 3 - <photos.h5 | cmp - want
    cat photos.h5 | clip-rank -q dog -q cat -k 3 | cmp - want
    clip-rank -q dog -q cat -k 3 <(cat photos.h5) | cmp - want
    clip-rank -q dog -q cat -k 3 <(cat photos.jsonl) | cmp - want
    clip-rank --queries <(clip-embed --text dog cat) -k 3 photos.h5 | cmp - want
    clip-rank -q dog -q cat -k 3 -r pictures | cmp - want
    find pictures -type f -print0 | LC_ALL=C sort -z | clip-rank -0 -q dog -q cat -k 3 | cmp - want
    clip-rank -q dog -q cat -k 3 -j 2 -b 1 -r pictures | cmp - want
    clip-embed --text dog cat >queries.jsonl
    clip-rank --queries queries.jsonl -k 3 photos.h5 | cmp - want
    clip-embed --text -o queries.h5 dog cat
    clip-rank --queries queries.h5 -k 3 photos.h5 | cmp - want
    printf 'dog\r\n\r\ncat\n' >queries.txt
    clip-rank --queries queries.txt -k 3 photos.h5 | cmp - want
    clip-rank --queries - -k 3 photos.h5 <queries.jsonl | cmp - want
    # No model is touched where all are vectors.
    env -u CLIP_MODEL clip-rank -m nowhere --queries queries.h5 -k 3 photos.h5 | cmp - want
}

@test "rank: mixed candidates keep their order where scores are equal" {
    library
    expect_status 0 clip-rank -i pictures/disc/red.png -k 3 pictures/disc/red.png photos.h5 \
        pictures/disc/red.png
    [ "$(jq -r .score out | sort -u)" = 1 ]
    jq -s -e 'map(.rank) == [1, 2, 3]' out
    printf 'a red disc\na red disc\nsomething else\na red disc\n' >captions.txt
    expect_status 0 clip-rank -q 'a red disc' --text 'a red disc' 'something else' 'a red disc'
    jq -s -e 'map(.text) == ["a red disc", "a red disc", "something else"]' out
    expect_status 0 clip-rank -q 'a red disc' -f tsv captions.txt
    [ "$(cut -f 2,3 out | head -3 | tr '\n\t' '; ')" = '1 a red disc;2 a red disc;3 a red disc;' ]
}

@test "rank: k, thresholds and kinds of scores" {
    library
    expect_status 0 clip-rank -q dog -k 0 photos.h5
    cp out all
    expect_status 0 clip-rank -q dog -k 2 photos.h5
    head -2 all | cmp - out
    least=$(jq -s '.[1].score' all)
    expect_status 0 clip-rank -q dog --threshold=$least photos.h5
    head -2 all | cmp - out
    expect_status 0 clip-rank -q dog --threshold=0.99 photos.h5
    [ ! -s out ]
    scale=$(clip-model info --json 2>/dev/null | jq .logit_scale || true)
    [ -n "$scale" ] && [ "$scale" != null ] || scale=$(clip-model info | awk '$1 == "logit_scale" { print $2 }')
    clip-rank -q dog -k 0 --scores logit photos.h5 >logits
    jq -s --slurpfile all all -e --argjson scale "$scale" '
        [range(4) as $i | ((.[$i].score - $all[$i].score * $scale) | fabs) < 1e-4] | all' logits
    # Over all candidates, shown or not.
    clip-rank -q dog -k 0 --scores softmax photos.h5 >shares
    jq -s -e 'map(.score) | add | (. - 1 | fabs) < 1e-6' shares
    jq -s --slurpfile logits logits -e '
        ($logits | map(.score | exp) | add) as $sum |
        [range(4) as $i | ((.[$i].score - ($logits[$i].score | exp) / $sum) | fabs) < 1e-5] | all' shares
    clip-rank -q dog -k 1 --scores softmax photos.h5 | cmp - <(head -1 shares)
    expect_status 0 clip-rank -q dog --scores softmax --threshold=$(jq -s '.[1].score' shares) photos.h5
    head -2 shares | cmp - out
    expect_status 0 clip-rank -q dog --scores logit --threshold=$(jq -s '.[2].score' logits) photos.h5
    head -3 logits | cmp - out
}

@test "rank: arithmetic adds unit vectors times their weights" {
    library
    clip-rank -q 'a disc' --plus '2:blue' --minus 'bars' --plus-image 0.5:pictures/disc/red.png \
        -k 0 photos.jsonl >got
    jq -s -e 'map(.query) | unique == ["a disc + 2:blue + 0.5:pictures/disc/red.png - bars"]' got
    clip-embed --text 'a disc' blue bars >terms.jsonl
    clip-embed pictures/disc/red.png >>terms.jsonl
    jq -c -s '.[0] as $q | {text: "sum", model: $q.model, embedding: [range($q.embedding | length) as $i |
        .[0].embedding[$i] + 2 * .[1].embedding[$i] - .[2].embedding[$i] + 0.5 * .[3].embedding[$i]]}' \
        terms.jsonl >sum.jsonl
    clip-rank --queries sum.jsonl -k 0 photos.jsonl >want
    jq -s --slurpfile want want -e '[range(4) as $i | .[$i].path == $want[$i].path and
        ((.[$i].score - $want[$i].score) | fabs) < 1e-6] | all' got
    # Terms alone are a query; a colon without a number before it is a part of the text.
    expect_status 0 clip-rank --plus 'news: a disc' --minus bars -k 1 photos.h5
    jq -e '.query == "news: a disc - bars"' out
    expect_status 2 clip-rank -q x --minus x photos.h5
    grep -q "cancel each other" err
    for term in 0:x -1:x 1e999:x 2:; do
        expect_status 2 clip-rank -q a --plus="$term" photos.h5
        grep -qF -- "$term" err
    done
    expect_status 2 clip-rank -q a --plus-image nowhere.png photos.h5
    grep -q 'nowhere.png: ' err
}

@test "rank: carried keys stay, keys of its own do not come twice" {
    library
    jq -c '. + {id: .path, rank: 99, score: "old", query: 1}' photos.jsonl >more.jsonl
    expect_status 0 clip-rank -q dog -k 2 more.jsonl
    jq -s -e 'map(.id == .path and .rank < 3 and .query == "dog") | all' out
    clip-embed -o carried.h5 more.jsonl
    expect_status 0 clip-rank -q dog -k 2 carried.h5
    jq -s -e 'map(.id == .path and .rank < 3 and .query == "dog") | all' out
    [ "$(grep -c '"rank":99' out)" = 0 ]
}

@test "rank: candidates that fail are named, the rest go on, the status is 1" {
    library
    echo nonsense >broken.png
    head -c 3000 photos.h5 >cut.h5
    echo '{"path":"x.png","embedding":[0,0]}' >other.jsonl
    expect_status 1 clip-rank -q dog -k 9 --errors errors.jsonl broken.png photos.h5 cut.h5 \
        missing.h5 other.jsonl pictures/disc/red.png broken.png
    [ "$(wc -l <out)" -eq 5 ]
    for name in 'broken.png: ' 'cut.h5: ' 'missing.h5: ' 'x.png: '; do grep -qF "clip-rank: $name" err; done
    [ "$(wc -l <errors.jsonl)" -eq 5 ]
    jq -s -e 'map(.code) | contains(["not_found", "shape_mismatch"])' errors.jsonl
    clip-rank -q dog -k 9 photos.h5 pictures/disc/red.png | cmp - out
}

@test "rank: rows that cannot be used are named with file and row" {
    library
    python=/usr/bin/python3
    $python -c 'import h5py' 2>/dev/null || skip "python3-h5py is not installed"
    $python - <<'PY'
import h5py
with h5py.File("photos.h5", "r+") as f:
    f["embedding"][1, 3] = float("nan")
    f["embedding"][2] = 0
PY
    for queries in '-q a' '-q a -q b -q c -q d -q e -q f'; do
        expect_status 1 clip-rank $queries -k 0 photos.h5
        [ "$(jq -r .path out | sort -u | wc -l)" -eq 2 ]
        grep -q 'photos.h5: row 1: a value is not finite' err
        grep -q 'photos.h5: row 2: all values are zero' err
    done
    expect_status 1 clip-rank --duplicates --threshold=-1 photos.h5
    jq -e '.size == 2' out
    [ "$(grep -c 'photos.h5: row' err)" -eq 2 ]
}

@test "rank: queries that fail are named; without any the status is 2" {
    library
    expect_status 1 clip-rank -i nowhere.png -q dog -k 1 photos.h5
    [ "$(wc -l <out)" -eq 1 ]
    grep -q 'nowhere.png: ' err
    expect_status 2 clip-rank -i nowhere.png photos.h5
    [ ! -s out ]
    expect_status 2 clip-rank photos.h5
    grep -q 'there is no query' err
}

@test "rank: vectors of different models or layers are never compared" {
    library
    clip-embed -m "$CLIP_GOLDEN/micro-gelu-hf-sharded" -r -o other.h5 pictures
    clip-embed -r --layer penultimate -o layer.h5 pictures
    clip-embed --text -o query.h5 dog
    for candidates in 'photos.h5 other.h5' 'other.h5 photos.h5' 'pictures/disc/red.png other.h5'; do
        expect_status 2 clip-rank --queries query.h5 $candidates
        grep -q 'compare embeddings of two models: ' err
        [ "$(grep -oE '@[0-9a-f]{12}' err | sort -u | wc -l)" -eq 2 ]
        [ ! -s out ]
    done
    expect_status 2 clip-rank -q dog other.h5
    expect_status 2 clip-rank -i pictures/disc/red.png layer.h5
    grep -q penultimate err
    expect_status 2 clip-rank --duplicates photos.h5 other.h5
    # Pictures with pictures, both of that layer: no objection.
    expect_status 0 clip-rank --queries layer.h5 -k 1 layer.h5
    jq -s -e 'map(.query == .path and .score == 1) | all' out
}

@test "rank: the scale of logits is never that of another model" {
    library
    printf '%s\n' '{"text":"q","model":"other@000000000000","embedding":[1,2]}' >other.jsonl
    expect_status 0 clip-rank --queries other.jsonl other.jsonl
    expect_status 2 clip-rank --queries other.jsonl --scores logit other.jsonl
    grep -q 'compare embeddings of two models' err
    expect_status 2 env -u CLIP_MODEL clip-rank --queries other.jsonl --scores logit other.jsonl
    clip-embed --text -o q.h5 dog
    expect_status 0 env -u CLIP_MODEL clip-rank --queries photos.jsonl --scores logit q.h5
}

@test "rank: Ctrl-C writes nothing, and leaves what was there" {
    library
    echo old >hits.jsonl
    # A list that does not end.
    mkfifo list
    clip-rank -q dog -o hits.jsonl - <list &
    local pid=$!
    exec 7>list
    for _ in $(seq 50); do echo pictures/disc/red.png >&7; done
    sleep 0.5
    kill -TERM $pid
    exec 7>&-
    local status=0
    wait $pid || status=$?
    [ $status -eq 130 ] || [ $status -eq 143 ]
    [ "$(cat hits.jsonl)" = old ]
    [ "$(ls -A | grep -c tmp)" -eq 0 ]
}

@test "rank: duplicates within and between files" {
    library
    cp -r pictures copies
    cp pictures/disc/red.png copies/another.png
    clip-embed -r -o copies.h5 copies
    expect_status 0 clip-rank --duplicates --threshold 0.9999 photos.h5 copies.h5
    [ "$(wc -l <out)" -eq 4 ]
    jq -s -e 'map(.size) == [2, 2, 2, 3]' out
    jq -s -e 'map(.group) == [1, 2, 3, 4] and (map(.items[0].file) | unique) == ["photos.h5"]' out
    jq -s -e '[.[].items[].score | (. - 1 | fabs) < 1e-6] | all' out
    cp out want
    clip-rank --duplicates --threshold 0.9999 -j 1 photos.h5 copies.h5 | cmp - want
    expect_status 0 clip-rank --duplicates --threshold 0.9999 -f tsv copies.h5
    [ "$(cut -f 1 out | tr '\n' ' ')" = '1 1 ' ]
    expect_status 0 clip-rank --duplicates --between --threshold 0.9999 photos.h5
    [ ! -s out ]
    expect_status 0 clip-rank --duplicates --threshold 0.9999 photos.jsonl copies/another.png
    jq -e '.items | map(.path) == ["pictures/disc/red.png", "copies/another.png"] and (.[0] | has("file") | not)' out
}

@test "rank: -o appears whole or not at all" {
    library
    echo old >hits.jsonl
    expect_status 2 clip-rank -q dog -o hits.jsonl -m nowhere photos.h5
    [ "$(cat hits.jsonl)" = old ]
    expect_status 0 clip-rank -q dog -o hits.tsv photos.h5
    [ "$(wc -l <hits.tsv)" -eq 4 ]
    [ "$(awk -F '\t' '{ print NF }' hits.tsv | sort -u)" = 4 ]
    expect_status 2 clip-rank -q dog -o out.h5 photos.h5
    expect_status 2 clip-rank -q dog -o photos.h5 photos.h5
    [ "$(ls -A | grep -c tmp)" -eq 0 ]
    ln -s /dev/full full
    expect_status 2 clip-rank -q dog -o full photos.h5
    clip-rank -q dog -k 0 photos.h5 | head -n 1 | grep -q rank
}

@test "rank: the makefile of the manual page" {
    library
    mkdir photos
    for number in $(seq 50); do
        # Trailing bytes make each a file of its own; the name is what the rule needs.
        { cat pictures/disc/blue.jpg && echo "$number"; } >"photos/$number.jpg"
    done
    printf 'a disc\nbars\n' >captions.txt
    cp "$BATS_TEST_DIRNAME/../../examples/rank.mk" Makefile
    expect_status 0 make -s -j2
    [ "$(find photos -name '*.ranked' | wc -l)" -eq 50 ]
    [ "$(jq -r .query photos/7.ranked | sort -u)" = photos/7.jpg ]
    [ "$(cat photos/*.ranked | wc -l)" -eq 100 ]
    expect_status 0 make
    grep -q 'Nothing to be done' out
    touch photos/7.jpg
    expect_status 0 make
    [ "$(grep -c clip-rank out)" -eq 1 ]
    # A rule that fails leaves the old file, or none.
    echo broken >photos/8.jpg
    expect_status 2 make -k
    [ "$(find photos -name '*tmp*' | wc -l)" -eq 0 ]
    echo broken >photos/new.jpg
    ! make -k -s
    [ ! -e photos/new.ranked ]
}

@test "rank: contact sheets" {
    library
    expect_status 0 clip-rank -q 'a disc' -i pictures/disc/red.png --sheet sheet.html -r pictures
    grep -q 'a disc' sheet.html
    grep -q 'pictures/disc/blue.jpg' sheet.html
    expect_status 0 clip-rank -q 'a disc' --sheet sheet.png -r pictures
    clip-model pixels -o pixels.npy sheet.png
    expect_status 2 clip-rank -q 'a disc' --sheet sheet.txt -r pictures
    grep -q 'sheet.txt' err
}

@test "rank: outputs never replace what is read" {
    library
    cp photos.h5 keep.h5
    cp photos.jsonl keep.jsonl
    cp pictures/disc/red.png keep.png
    refused() {
        expect_status 2 "$@"
        grep -q 'would replace an input' err
    }
    refused clip-rank --export-faiss keep.h5 keep.h5
    refused clip-rank --export-pgvector keep.h5 ./keep.h5
    refused clip-rank -q x --errors keep.h5 keep.h5
    refused clip-rank -q x -o keep.jsonl keep.jsonl
    refused clip-rank -q x -o /dev/null --sheet keep.png keep.png
    refused clip-rank -i keep.png -o /dev/null --sheet keep.png photos.h5
    refused clip-classify -l a,b -o keep.jsonl keep.jsonl
    cmp keep.h5 photos.h5
    cmp keep.jsonl photos.jsonl
    cmp keep.png pictures/disc/red.png
}

@test "rank: where every candidate fails, the old output stays" {
    library
    echo old >hits.jsonl
    expect_status 2 clip-rank -q x -o hits.jsonl nofile.png
    grep -q 'nofile.png: ' err
    grep -q 'no candidate can be used' err
    [ "$(cat hits.jsonl)" = old ]
    expect_status 2 clip-rank --duplicates -o hits.jsonl missing.h5
    [ "$(cat hits.jsonl)" = old ]
    expect_status 1 clip-rank -q x -o hits.jsonl nofile.png photos.h5
    [ "$(wc -l <hits.jsonl)" -eq 4 ]
    grep -q '1 of 6 inputs failed' err
}

@test "rank: what is wrong with one row of a file costs that row" {
    library
    python=/usr/bin/python3
    $python -c 'import h5py' 2>/dev/null || skip "python3-h5py is not installed"
    $python - <<'PY'
import shutil, h5py, numpy as np
def damaged(name, change):
    shutil.copy("photos.h5", name)
    with h5py.File(name, "r+") as f:
        change(f)
def extra(f):
    f.create_dataset("extra", data=["{}", "{bad", "{}", "{}"], dtype=h5py.string_dtype("utf-8"))
def kind(f):
    f["kind"][1] = 7
def latin(f):
    f["item"][1] = b"caf\xe9"
def version(f):
    f.attrs["version"] = np.int32(2)
def nan(f):
    f["embedding"][1, 0] = np.nan
for change in extra, kind, latin, version, nan:
    damaged(change.__name__ + ".h5", change)
PY
    for name in extra kind latin nan; do
        expect_status 1 clip-rank -q dog -k 0 photos.h5 $name.h5
        [ "$(wc -l <out)" -eq 7 ]
        jq -s -e 'map(.rank) == [range(1; 8)]' out
        grep -q "clip-rank: $name.h5: row 1" err
        grep -q '1 of 9 inputs failed' err
    done
    expect_status 1 clip-rank -q dog -k 0 photos.h5 version.h5
    [ "$(wc -l <out)" -eq 4 ]
    # As queries, too.
    expect_status 1 clip-rank --queries nan.h5 -k 1 --errors errors.jsonl photos.h5
    [ "$(wc -l <out)" -eq 3 ]
    jq -e '.role == "query" and .position == 2' errors.jsonl
}

@test "rank: queries are texts, from lists and pipes of any name" {
    library
    clip-rank -q 'a dog' -q 'a cat' -k 1 photos.h5 >want
    printf 'a dog\na cat\n' >list
    clip-rank --queries list -k 1 photos.h5 | cmp - want
    cp list LIST.TXT
    clip-rank --queries LIST.TXT -k 1 photos.h5 | cmp - want
    clip-rank --queries - -k 1 photos.h5 <list | cmp - want
    clip-rank --queries <(cat list) -k 1 photos.h5 | cmp - want
    clip-rank -i pictures/disc/red.png -k 1 photos.h5 >want
    clip-rank --queries pictures/disc/red.png -k 1 photos.h5 | cmp - want
}

@test "rank: candidates without a name say where they came from" {
    library
    jq -c 'del(.path)' photos.jsonl >nameless.jsonl
    expect_status 0 clip-rank -q dog -k 1 nameless.jsonl
    jq -e '.input | test("^nameless.jsonl:[0-9]$")' out
    expect_status 0 clip-rank -q dog -k 1 -f tsv nameless.jsonl
    [[ $(cut -f 3 out) == nameless.jsonl:* ]]
}

@test "rank: a limit on the size of files is an error like any other" {
    library
    for number in $(seq 400); do echo "c $number"; done >captions.txt
    status=0
    bash -c 'ulimit -f 8; clip-rank -q x -k 0 -o hits.jsonl captions.txt' 2>err || status=$?
    [ $status -eq 2 ]
    grep -qi 'too large' err
    [ "$(ls -A | grep -c tmp)" -eq 0 ]
}

@test "rank: files of another precision than the first are warned of, once" {
    library
    clip-embed -r --precision bf16 -o bf16.h5 pictures
    clip-embed --text --precision bf16 -o queries.h5 dog cat
    want="other settings than photos.h5 (precision=bf16, there precision=f32)"
    expect_status 0 clip-rank --queries queries.h5 -k 1 photos.h5
    grep -qF "queries.h5: warning: made with $want" err
    [ "$(wc -l <err)" -eq 1 ]
    expect_status 0 clip-rank --quiet -q dog -k 1 photos.h5 bf16.h5 # never silenced
    grep -qF "bf16.h5: warning: made with $want" err
    expect_status 0 clip-rank --duplicates photos.h5 bf16.h5
    [ "$(grep -cF "$want" err)" -eq 1 ]
    # What is made now, and where nothing differs.
    expect_status 0 clip-rank -q dog -k 1 photos.h5
    [ ! -s err ]
    expect_status 0 clip-rank --queries queries.h5 -k 1 bf16.h5
    [ ! -s err ]
    # Likewise of other commands that compare files.
    ls pictures/*/* | sed 's/$/\tdog/' >pairs.tsv
    expect_status 0 clip-eval retrieval --pairs pairs.tsv photos.h5 queries.h5
    grep -qF "queries.h5: warning: made with $want" err
    expect_status 0 clip-classify --classifier queries.h5 photos.h5
    grep -qF "photos.h5: warning: made with other settings than the classifier (precision=f32, there precision=bf16)" err
}
