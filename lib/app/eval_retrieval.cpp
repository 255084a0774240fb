// SPDX-License-Identifier: MIT
#include "app/eval_retrieval.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "app/option_checks.hpp"
#include "app/pair_list.hpp"
#include "app/pair_vectors.hpp"
#include "base/concat.hpp"
#include "io/path_escape.hpp"
#include "search/retrieval.hpp"

namespace clip::app {

namespace {

constexpr std::array<std::uint64_t, 3> kPlaces{1, 5, 10};

void check_options(const EvalRetrievalOptions& options) {
    check_settings(options.eval);
    if (options.inputs.empty() && options.pairs.empty())
        fail(ErrorCode::invalid_argument,
             "nothing says what belongs together: give --pairs, or embedding files whose captions "
             "carry the key path");
    // Without operands nothing is read from standard input but pairs.
    const FileOption inputs[] = {{"--pairs", options.pairs}};
    check_standard_input(inputs, options.inputs.empty() ? std::vector<std::string>{"none"}
                                                        : options.inputs);
    const FileOption outputs[] = {
        {"--output", options.eval.output.empty() ? "-" : options.eval.output},
        {"--errors", options.errors}};
    check_distinct_outputs(outputs);
}

/// Rows of vectors whose names have any, and where each name is among them.
std::size_t present(const VectorTable& table) {
    return static_cast<std::size_t>(std::count_if(table.rows.begin(), table.rows.end(),
                                                  [](std::int64_t row) { return row >= 0; }));
}

/// Vectors in the order of their names: of equal cosines, the name that came first is first.
std::vector<float> in_order(const VectorTable& table, std::size_t dim,
                            std::vector<std::uint32_t>& places) {
    std::vector<float> out;
    out.reserve(present(table) * dim);
    places.assign(table.rows.size(), 0);
    for (std::size_t name = 0; name < table.rows.size(); ++name)
        if (const std::int64_t row = table.rows[name]; row >= 0) {
            places[name] = static_cast<std::uint32_t>(out.size() / dim);
            const auto begin = table.values.begin() + row * static_cast<std::int64_t>(dim);
            out.insert(out.end(), begin, begin + static_cast<std::int64_t>(dim));
        }
    return out;
}

/// Removes names that no pair is of, which a file of embeddings may hold.
void keep_paired(VectorTable& table, const PairList& list, bool texts) {
    std::vector<std::uint8_t> paired(table.rows.size());
    for (const ItemPair& pair : list.pairs)
        paired[texts ? pair.caption : pair.picture] = 1;
    for (std::size_t name = 0; name < paired.size(); ++name)
        if (paired[name] == 0)
            table.rows[name] = VectorTable::kFailed;
}

void add_direction(JsonObject& report, const char* key, std::vector<std::uint64_t> ranks,
                   std::size_t candidates, double confidence) {
    std::erase(ranks, 0U);
    std::sort(ranks.begin(), ranks.end());
    JsonObject out;
    out.count("n", ranks.size()).count("candidates", candidates);
    for (const std::uint64_t k : kPlaces) {
        const auto hits = static_cast<std::uint64_t>(
            std::upper_bound(ranks.begin(), ranks.end(), k) - ranks.begin());
        JsonObject recall;
        recall.number("value", static_cast<double>(hits) / static_cast<double>(ranks.size()));
        add_interval(recall, "interval", clopper_pearson(hits, ranks.size(), confidence));
        out.raw(concat("recall_at_", k), recall.str());
    }
    const std::size_t middle = ranks.size() / 2;
    out.number("median_rank", ranks.size() % 2 == 1
                                  ? static_cast<double>(ranks[middle])
                                  : static_cast<double>(ranks[middle - 1] + ranks[middle]) / 2);
    report.raw(key, out.str());
}

} // namespace

EvalSummary eval_retrieval(const EvalRetrievalOptions& options, const Environment& environment,
                           Reporter& reporter) {
    check_options(options);
    Machine machine(options.model);
    LazyModel model(options.model, options.pictures, environment, machine, reporter);
    FailureLog failures(reporter, options.errors);
    PairList list;
    if (!options.pairs.empty())
        list = read_pairs(options.pairs, failures);
    PairVectors vectors;
    if (!options.inputs.empty()) {
        vectors =
            read_pair_vectors(list, options.pairs.empty(), options.inputs, failures, reporter);
        keep_paired(vectors.pictures, list, false);
        keep_paired(vectors.captions, list, true);
    } else if (!list.pairs.empty()) {
        vectors = encode_pairs(list, model, options.batch_size, failures, reporter);
    }
    failures.close();

    const std::size_t dim = std::max<std::size_t>(vectors.dim, 1);
    std::vector<std::uint32_t> picture_places, caption_places;
    const std::vector<float> pictures = in_order(vectors.pictures, dim, picture_places);
    const std::vector<float> captions = in_order(vectors.captions, dim, caption_places);
    std::vector<ItemPair> pairs;
    for (const ItemPair& pair : list.pairs)
        if (vectors.pictures.rows[pair.picture] >= 0 && vectors.captions.rows[pair.caption] >= 0)
            pairs.push_back({picture_places[pair.picture], caption_places[pair.caption]});
    if (pairs.empty())
        fail(ErrorCode::invalid_argument,
             concat("evaluate: no pair of a picture and a caption with their vectors (",
                    failures.count(), " failed)"));
    const auto shape = [&](const std::vector<float>& values) {
        return Shape{static_cast<std::int64_t>(values.size() / dim),
                     static_cast<std::int64_t>(dim)};
    };
    const PairRanks ranks = rank_pairs(machine.host_backend(), {pictures.data(), shape(pictures)},
                                       {captions.data(), shape(captions)}, pairs, &reporter.stop());

    JsonObject report;
    report.text("task", "retrieval");
    if (options.pairs.empty())
        report.null("pairs");
    else
        report.text("pairs", io::path_to_utf8(options.pairs));
    if (options.inputs.empty())
        report.texts("inputs", {});
    else
        add_inputs(report, options.inputs);
    add_model(report, vectors.model);
    report.count("n", pairs.size()).count("failed", failures.count());
    report.number("confidence", options.eval.confidence).text("interval_method", "clopper-pearson");
    add_direction(report, "image_to_text", ranks.pictures, captions.size() / dim,
                  options.eval.confidence);
    add_direction(report, "text_to_image", ranks.captions, pictures.size() / dim,
                  options.eval.confidence);
    write_report(options.eval, report, false, reporter);
    return {.failed = failures.count(), .interrupted = false};
}

} // namespace clip::app
