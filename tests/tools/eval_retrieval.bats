#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# clip-eval retrieval: pairs, vectors, ranks, failures.
load setup

# Three pictures and five captions in a plane, at angles that make the ranks plain:
# pictures at 0, 90 and 180 degrees, captions at 10, 20, 80, 100 and 350.
vectors() {
    awk -v model="${1-m@000000000000}" 'BEGIN {
        n = split("a 0 b 90 c 180", p, " ")
        for (i = 1; i < n; i += 2)
            printf "{\"path\":\"%s.png\",\"model\":\"%s\",\"embedding\":[%.6f,%.6f]}\n", p[i], model, cos(p[i + 1] * atan2(0, -1) / 180), sin(p[i + 1] * atan2(0, -1) / 180)
    }' >pictures.jsonl
    awk -v model="${1-m@000000000000}" 'BEGIN {
        n = split("ten 10 a.png twenty 20 b.png eighty 80 b.png hundred 100 c.png minusten 350 a.png", t, " ")
        for (i = 1; i < n; i += 3)
            printf "{\"text\":\"%s\",\"path\":\"%s\",\"model\":\"%s\",\"embedding\":[%.6f,%.6f]}\n", t[i], t[i + 2], model, cos(t[i + 1] * atan2(0, -1) / 180), sin(t[i + 1] * atan2(0, -1) / 180)
    }' >captions.jsonl
    printf '%s\t%s\n' a.png ten b.png twenty b.png eighty c.png hundred a.png minusten >pairs.tsv
}

@test "eval retrieval: ranks both ways, any right caption counts" {
    vectors
    expect_status 0 clip-eval retrieval pictures.jsonl captions.jsonl
    # a: ten is first. b: eighty is first (hundred is as far; it came later). c: hundred is first.
    # ten -> a. twenty -> b is second. eighty -> b. hundred -> c is second. minusten -> a.
    jq -e '.task == "retrieval" and .pairs == null and .model == "m@000000000000" and .n == 5 and .failed == 0
        and .inputs == ["pictures.jsonl", "captions.jsonl"]
        and .image_to_text.n == 3 and .image_to_text.candidates == 5
        and .image_to_text.recall_at_1.value == 1 and .image_to_text.median_rank == 1
        and .text_to_image.n == 5 and .text_to_image.candidates == 3
        and .text_to_image.recall_at_1.value == 0.6 and .text_to_image.recall_at_5.value == 1
        and .text_to_image.recall_at_10.interval[1] == 1 and .text_to_image.median_rank == 1
        and .confidence == 0.995 and .interval_method == "clopper-pearson"' out
    jq 'del(.pairs, .inputs)' out >first
    expect_status 0 clip-eval retrieval --pairs pairs.tsv pictures.jsonl captions.jsonl
    jq -e '.pairs == "pairs.tsv"' out
    jq 'del(.pairs, .inputs)' out | cmp first -
    # JSON lines of pairs, and files in one stream.
    jq -R -c 'split("\t") | {path: .[0], text: .[1]}' pairs.tsv >pairs.jsonl
    cat captions.jsonl pictures.jsonl | clip-eval retrieval --pairs pairs.jsonl - | jq 'del(.pairs, .inputs)' | cmp first -
    clip-eval retrieval --pairs - pictures.jsonl captions.jsonl <pairs.jsonl | jq 'del(.pairs, .inputs)' | cmp first -
    # Only what a pair names takes part; a caption may be of two pictures.
    { grep -v twenty pairs.tsv && printf 'b.png\tten\n'; } >fewer.tsv
    expect_status 0 clip-eval retrieval --pairs fewer.tsv pictures.jsonl captions.jsonl
    jq -e '.image_to_text.candidates == 4 and .text_to_image.n == 4 and .text_to_image.recall_at_1.value == 0.75' out
    grep -q '1 row is of no pair' err
}

@test "eval retrieval: tables of pairs with a header" {
    vectors
    clip-eval retrieval --pairs pairs.tsv pictures.jsonl captions.jsonl | jq 'del(.pairs)' >first
    same() {
        expect_status 0 clip-eval retrieval --pairs "$1" pictures.jsonl captions.jsonl
        jq 'del(.pairs)' out | cmp first -
        [ ! -s err ]
    }
    { printf 'path\ttext\n' && cat pairs.tsv; } >two.tsv
    { printf '\xef\xbb\xbf\r\nid\tCaption\t Image \r\n' && awk -F'\t' '{ print NR "\t" $2 "\t" $1 "\r" }' pairs.tsv; } >other.tsv
    { echo 'title,filepath' && awk -F'\t' '{ print "\"" $2 "\"," $1 }' pairs.tsv; } >table.csv
    for table in two.tsv other.tsv table.csv; do same $table; done
    clip-eval retrieval --pairs - pictures.jsonl captions.jsonl <two.tsv | jq 'del(.pairs)' | cmp first -
    # A caption may have any letter in it.
    printf 'path,text\na.png,"a ""big"", red\nthing"\nb.png,ten\n' >quoted.csv
    jq -n -c '{text: "a \"big\", red\nthing", embedding: [1, 0.1], model: "m@000000000000"}' >thing.jsonl
    expect_status 0 clip-eval retrieval --pairs quoted.csv pictures.jsonl captions.jsonl thing.jsonl
    jq -e '.n == 2 and .text_to_image.n == 2' out
    # What is wrong with a row costs that row.
    { cat two.tsv && printf 'd.png\n\t x\n'; } >bad.tsv
    expect_status 1 clip-eval retrieval --pairs bad.tsv pictures.jsonl captions.jsonl
    grep -qF 'bad.tsv:7: too few fields (got 1, want at least 2)' err
    grep -qF 'bad.tsv:8: no picture is named' err
    printf 'path,text\na.png,ten\nb.png\nb.png,a red, disc\n' >bad.csv
    expect_status 1 clip-eval retrieval --pairs bad.csv pictures.jsonl captions.jsonl
    grep -qF 'bad.csv: row 2: too few fields' err
    grep -qF 'bad.csv: row 3: too many fields (got 3, the header names 2; captions may have to be quoted)' err
    printf 'a.png,ten\n' >nameless.csv
    expect_status 2 clip-eval retrieval --pairs nameless.csv pictures.jsonl captions.jsonl
    grep -qF 'its first row does not name the columns' err
}

@test "eval retrieval: pictures and captions are encoded, as embedding files have them" {
    pictures
    ls pictures/* | awk '{ print $0 "\tpicture " NR; if (NR % 3 == 0) print $0 "\tanother " NR }' >pairs.tsv
    expect_status 0 clip-eval retrieval --pairs pairs.tsv -j 1 -b 3
    mv out first
    expect_status 0 clip-eval retrieval --pairs pairs.tsv -j 3 -b 7
    cmp first out
    expect_status 0 clip-embed -r -o p.h5 pictures
    cut -f 2 pairs.tsv | clip-embed --text -o c.h5
    expect_status 0 env CLIP_MODEL=/nonexistent clip-eval retrieval --pairs pairs.tsv p.h5 c.h5
    cmp <(jq 'del(.inputs)' first) <(jq 'del(.inputs)' out)
    # The captions' rows carry their pictures.
    jq -R -c 'split("\t") | {text: .[1], path: .[0]}' pairs.tsv | clip-embed --text -o c.h5
    expect_status 0 clip-eval retrieval p.h5 c.h5
    cmp <(jq 'del(.inputs, .pairs)' first) <(jq 'del(.inputs, .pairs)' out)
}

@test "eval retrieval: what has no vector is named, the rest goes on" {
    vectors
    { cat pairs.tsv && printf 'd.png\tten\na.png\tmissing\n\nno tab\n'; } >more.tsv
    expect_status 1 clip-eval retrieval --pairs more.tsv --errors e.jsonl pictures.jsonl captions.jsonl
    jq -e '.failed == 3 and .n == 5 and .image_to_text.candidates == 5' out
    grep -q '^clip-eval: d.png: no row of the embedding files' err
    grep -q "^clip-eval: 'missing': no row" err
    grep -q '^clip-eval: more.tsv:9: no tab' err
    [ "$(wc -l <e.jsonl)" -eq 3 ]
    # A picture that cannot be read, among those that are encoded.
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    echo broken >b.png
    printf 'a.png\tone\nb.png\ttwo\nnone.png\tthree\n' >p.tsv
    expect_status 1 clip-eval retrieval --pairs p.tsv
    jq -e '.failed == 2 and .image_to_text.n == 1 and .image_to_text.candidates == 3 and .text_to_image.n == 1' out
    printf 'b.png\ttwo\n' >p.tsv
    expect_status 2 clip-eval retrieval --pairs p.tsv -o x.json
    [ ! -e x.json ]
    # Rows that are no vectors.
    {
        cat pictures.jsonl
        echo '{"path":"z.png","model":"m@000000000000","embedding":[0,0]}'
        echo '{"path":"w.png","model":"m@000000000000","embedding":[1,2,3]}'
        echo '{"path":"v.png"}'
        echo '{"text":"pathless","model":"m@000000000000","embedding":[1,2]}'
    } >bad.jsonl
    expect_status 1 clip-eval retrieval bad.jsonl captions.jsonl
    grep -q 'z.png: the embedding is all zeros' err
    grep -q 'w.png: the embedding has 3 values' err
    grep -q 'v.png: no embedding' err
    grep -q 'pathless.*does not name a picture' err
    [ "$(jq .failed out)" -eq 4 ]
    expect_status 1 clip-eval retrieval pictures.jsonl captions.jsonl "$CLIP_GOLDEN/pixels/rgb.png"
    expect_status 1 clip-eval retrieval pictures.jsonl captions.jsonl missing.h5
    expect_status 2 clip-eval retrieval
    : >empty
    expect_status 2 clip-eval retrieval --pairs empty
    expect_status 2 clip-eval retrieval --pairs missing.tsv
    expect_status 2 clip-eval retrieval --pairs - - <pairs.tsv
}

@test "eval retrieval: vectors of two models or layers never meet" {
    vectors
    cp pictures.jsonl mine.jsonl
    vectors n@111111111111
    expect_status 2 clip-eval retrieval mine.jsonl captions.jsonl
    grep -q 'm@000000000000' err && grep -q 'n@111111111111' err
    [ ! -s out ]
    cp "$CLIP_GOLDEN/pixels/rgb.png" a.png
    expect_status 0 clip-embed --layer penultimate -o pen.h5 a.png
    expect_status 2 clip-eval retrieval pen.h5 captions.jsonl
    grep -q 'pen.h5.*penultimate' err
}
