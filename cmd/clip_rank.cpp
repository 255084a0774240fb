// SPDX-License-Identifier: MIT
// clip-rank: queries and candidates in, the best candidates out.
#include "app/rank.hpp"
#include "cli/declare.hpp"
#include "session.hpp"

#include <CLI/CLI.hpp>

namespace {

using namespace clip;

constexpr const char* kExamples = R"(Examples:
  clip-rank -q 'a dog on a beach' photos.h5
  clip-rank -i photo.jpg captions.txt > photo.ranked
  clip-rank -q 'a beach' --minus people --sheet hits.html photos.h5
  clip-rank --queries captions.h5 -k 5 -f tsv photos.h5
  clip-rank --duplicates --threshold 0.97 photos.h5 more.h5
)";

constexpr const char* kQueryGroup = "Queries";
constexpr const char* kJobGroup = "Other jobs";

void define_queries(CLI::App& app, app::RankOptions& options) {
    cli::add_list(app, "-q,--query", options.queries, "TEXT", "what is searched for, as a text")
        ->group(kQueryGroup);
    cli::add_list(app, "-i,--image", options.query_images, "FILE",
                  "what is searched for, as a picture")
        ->group(kQueryGroup);
    cli::add_list(app, "--queries", options.query_files, "FILE",
                  "a file of queries: .h5, .jsonl or .txt",
                  "Rows of an embedding file, records, or texts, one a line. All are answered in "
                  "one pass over the candidates.")
        ->group(kQueryGroup);
    cli::add_list(app, "--plus", options.plus, "TERM", "add this text to each query",
                  "TERM is a text, or a weight, a colon and a text, such as '2:a dog'; without one "
                  "the weight is 1. The unit vectors of a query and of its terms are added, each "
                  "times its weight. Records show the whole sum as the query's name.")
        ->group(kQueryGroup);
    cli::add_list(app, "--minus", options.minus, "TERM", "subtract this text from each query")
        ->group(kQueryGroup);
    cli::add_list(app, "--plus-image", options.plus_images, "TERM",
                  "add this picture to each query",
                  "TERM is then a file, with or without a weight.")
        ->group(kQueryGroup);
    cli::add_list(app, "--minus-image", options.minus_images, "TERM",
                  "subtract this picture from each query")
        ->group(kQueryGroup);
}

void define_jobs(CLI::App& app, app::RankOptions& options) {
    cli::add_switch(app, "--duplicates", options.duplicates,
                    "find groups of candidates that are alike",
                    "Every candidate is compared with every other one, exactly. Two are linked "
                    "where their cosine is at least the threshold (0.95 where none is given), and "
                    "a group is what links connect.")
        ->group(kJobGroup);
    cli::add_switch(app, "--between", options.between,
                    "only link candidates of different embedding files",
                    "With --duplicates. All candidates between two embedding files count as one "
                    "file.")
        ->group(kJobGroup);
    cli::add_text(app, "--export-faiss", options.export_faiss, "FILE",
                  "write all candidates as a Faiss index",
                  "An IndexFlatIP of unit vectors. What its ids mean is in FILE.items.jsonl, a "
                  "line each.")
        ->group(kJobGroup);
    cli::add_text(app, "--export-pgvector", options.export_pgvector, "FILE",
                  "write all candidates for PostgreSQL's COPY",
                  "Columns id, path, text, extra and embedding, see below. - is standard output.")
        ->group(kJobGroup);
}

void define(CLI::App& app, app::RankOptions& options, cli::CommonOptions& common,
            cli::InputOptions& input) {
    define_queries(app, options);
    define_jobs(app, options);
    cli::add_input_options(app, input,
                           "a candidate: an embedding file, .txt captions, a picture, or -");
    cli::add_switch(app, "--text", options.texts, "inputs are texts, not paths of pictures",
                    "Operands are then texts as they stand, and so are lines of standard input.")
        ->group(cli::kInputGroup);
    cmd::add_picture_options(app, options.pictures);

    cli::add_output_option(app, options.output);
    cli::add_text(app, "-f,--format", options.format, "jsonl|tsv",
                  "format where FILE's name does not say it (default: jsonl)",
                  "FILE decides when it ends in .jsonl or .tsv. A line of tsv is the query, the "
                  "rank, the candidate and the score. Tab, line breaks and backslash are written "
                  "as \\t, \\n, \\r and \\\\.")
        ->group(cli::kOutputGroup);
    cli::add_number<std::int64_t>(app, "-k,--top", options.top, "N",
                                  "how many hits a query has at most; 0 is all",
                                  "Without --threshold, 0 keeps every score in memory.", 0)
        ->group(cli::kOutputGroup);
    cli::add_number<float>(app, "--threshold", options.threshold, "X",
                           "only hits whose score is at least X")
        ->group(cli::kOutputGroup);
    cli::add_text(app, "--scores", options.scores, "cosine|softmax|logit", "what a score is",
                  "The cosine of the two vectors; the logit, which is the cosine times the model's "
                  "scale; or the softmax of the logits over all candidates.")
        ->group(cli::kOutputGroup);
    cli::add_text(app, "--sheet", options.sheet, "FILE",
                  "draw what was found as a contact sheet: .png or .html",
                  "Thumbnails with rank, name and score. An HTML sheet is one file that needs no "
                  "other, and links to the pictures.")
        ->group(cli::kOutputGroup);
    cmd::add_errors_option(app, options.errors);

    cli::add_common_options(app, common);
    cmd::add_activation_option(app, options.model.activation);
}

int run(cli::RunContext& context, app::RankOptions& options, const cli::CommonOptions& common,
        const cli::InputOptions& input) {
    cmd::take_shared_options(options, common, input);
    cmd::StandardReporter reporter(context);
    return cmd::exit_status(app::rank(options, cmd::read_environment("clip-rank"), reporter));
}

} // namespace

int main(int argc, char** argv) {
    app::RankOptions options;
    cli::CommonOptions common;
    cli::InputOptions input;
    return cli::run_main(
        argc, argv,
        {.name = "clip-rank",
         .summary = "find the pictures or texts that fit a query best",
         .version = cmd::kVersion,
         .version_lines = cmd::version_lines,
         .examples = kExamples,
         .define = [&](CLI::App& app) { define(app, options, common, input); },
         .run = [&](cli::RunContext& context) { return run(context, options, common, input); }});
}
