// SPDX-License-Identifier: MIT
#include "app/rank_options.hpp"

#include <charconv>
#include <cmath>

#include "app/option_checks.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"
#include "draw/contact_sheet.hpp"
#include "io/faiss_index_writer.hpp"

namespace clip::app {

RankScores parse_rank_scores(const std::string& text) {
    if (text == "cosine")
        return RankScores::cosine;
    if (text == "softmax")
        return RankScores::softmax;
    if (text == "logit")
        return RankScores::logit;
    fail(ErrorCode::invalid_argument,
         concat("read --scores: got '", text, "', want cosine, softmax or logit"));
}

WeightedTerm parse_weighted_term(std::string_view text) {
    WeightedTerm out{1, std::string(text)};
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0)
        return out;
    const char* end = text.data() + colon;
    const auto [stop, error] = std::from_chars(text.data(), end, out.weight);
    if (error == std::errc::invalid_argument || stop != end)
        return {1, std::string(text)}; // "news: a dog"
    if (error != std::errc{} || !std::isfinite(out.weight) || out.weight <= 0)
        fail(ErrorCode::invalid_argument,
             concat("read query '", text,
                    "': the weight must be a number above 0 (--minus subtracts)"));
    out.item = text.substr(colon + 1);
    if (out.item.empty())
        fail(ErrorCode::invalid_argument,
             concat("read query '", text, "': there is nothing after the weight"));
    return out;
}

void check_rank_options(const RankOptions& options) {
    parse_rank_scores(options.scores);
    const bool arithmetic = !options.plus.empty() || !options.minus.empty() ||
                            !options.plus_images.empty() || !options.minus_images.empty();
    const bool queries = !options.queries.empty() || !options.query_images.empty() ||
                         !options.query_files.empty() || arithmetic;
    const int modes = (queries ? 1 : 0) + (options.duplicates ? 1 : 0) +
                      (options.export_faiss.empty() ? 0 : 1) +
                      (options.export_pgvector.empty() ? 0 : 1);
    if (modes == 0)
        fail(ErrorCode::invalid_argument,
             "there is no query (want -q TEXT, -i FILE or --queries FILE; or --duplicates, "
             "--export-faiss or --export-pgvector)");
    if (modes > 1)
        fail(ErrorCode::invalid_argument, "queries, --duplicates, --export-faiss and "
                                          "--export-pgvector are different jobs: give one");
    if (options.between && !options.duplicates)
        fail(ErrorCode::invalid_argument, "--between needs --duplicates");
    if (options.duplicates && options.scores != "cosine")
        fail(ErrorCode::invalid_argument, "--duplicates compares cosines: --scores says another");
    if (!options.sheet.empty())
        check_sheet_path(options.sheet);
    if (!options.sheet.empty() &&
        (!options.export_faiss.empty() || !options.export_pgvector.empty()))
        fail(ErrorCode::invalid_argument, "--sheet needs hits to show: an export has none");
    std::vector<FileOption> inputs;
    for (const std::string& file : options.query_files)
        inputs.push_back({"--queries", file});
    check_standard_input(inputs, options.inputs);
    // An export takes the place of records.
    const bool exports = !options.export_faiss.empty() || !options.export_pgvector.empty();
    const FileOption outputs[] = {
        {"--output", exports                  ? ""
                     : options.output.empty() ? "-"
                                              : options.output},
        {"--sheet", options.sheet},
        {"--errors", options.errors},
        {"--export-faiss", options.export_faiss},
        {"--export-faiss",
         options.export_faiss.empty() ? "" : io::faiss_items_path(options.export_faiss)},
        {"--export-pgvector", options.export_pgvector}};
    check_distinct_outputs(outputs);
    std::vector<std::string> read = options.texts ? std::vector<std::string>{} : options.inputs;
    for (const auto* list :
         {&options.query_images, &options.query_files, &options.plus_images, &options.minus_images})
        read.insert(read.end(), list->begin(), list->end());
    check_outputs_are_not_inputs(outputs, read);
    if (exports && !options.output.empty())
        fail(ErrorCode::invalid_argument,
             "an export goes to the file that its option names: --output has nothing to write");
}

} // namespace clip::app
