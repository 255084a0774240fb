// SPDX-License-Identifier: MIT
#include "app/rank_queries.hpp"

#include <cmath>
#include <utility>

#include "app/batches.hpp"
#include "app/rank_options.hpp"
#include "base/concat.hpp"
#include "io/path_escape.hpp"

namespace clip::app {

namespace {

constexpr std::size_t kQueriesAtOnce = 1024;

Input text_input(const std::string& text) {
    Input input;
    input.name = quoted_beginning(text);
    input.item = text;
    input.is_text = true;
    return input;
}

Input picture_input(const std::string& path) {
    Input input;
    input.name = input.item = path;
    return input;
}

/// Positions count queries from 1, apart from candidates.
void number(std::vector<Input>& inputs, std::uint64_t& position) {
    for (Input& input : inputs) {
        input.position = ++position;
        input.role = "query";
    }
}

/// What --plus and --minus add up to, and how that is written after a query's name.
struct Terms {
    std::vector<double> sum; ///< (E); empty where there are none
    std::string text;        ///< " + a dog - people"
};

Terms gather_terms(const RankOptions& options, InputVectors& vectors, std::uint64_t& position) {
    struct Source {
        const std::vector<std::string>& list;
        double sign;
        bool is_text;
    };
    const Source sources[] = {{options.plus, 1, true},
                              {options.plus_images, 1, false},
                              {options.minus, -1, true},
                              {options.minus_images, -1, false}};
    std::vector<Input> inputs;
    std::vector<double> weights;
    Terms out;
    for (const Source& source : sources)
        for (const std::string& given : source.list) {
            const WeightedTerm term = parse_weighted_term(given);
            inputs.push_back(source.is_text ? text_input(term.item) : picture_input(term.item));
            weights.push_back(source.sign * term.weight);
            out.text += source.sign > 0 ? " + " : " - ";
            out.text += source.is_text ? given : io::path_to_utf8(given);
        }
    if (inputs.empty())
        return out;
    number(inputs, position);
    std::vector<float> rows;
    vectors.gather(inputs, rows);
    if (inputs.size() != weights.size())
        fail(ErrorCode::bad_format, "a term of --plus or --minus cannot be used");
    const std::size_t width = rows.size() / weights.size();
    out.sum.resize(width);
    for (std::size_t t = 0; t < weights.size(); ++t)
        for (std::size_t i = 0; i < width; ++i)
            out.sum[i] += weights[t] * static_cast<double>(rows[t * width + i]);
    return out;
}

double length(const float* row, std::size_t width) {
    double sum = 0;
    for (std::size_t i = 0; i < width; ++i)
        sum += static_cast<double>(row[i]) * static_cast<double>(row[i]);
    return std::sqrt(sum);
}

} // namespace

RankQueries gather_queries(const RankOptions& options, InputVectors& vectors, Reporter& reporter) {
    RankQueries out;
    std::vector<float> all;
    std::uint64_t position = 0;
    const auto take = [&](std::vector<Input>& inputs) {
        std::vector<float> rows;
        vectors.gather(inputs, rows);
        all.insert(all.end(), rows.begin(), rows.end());
        for (Input& input : inputs)
            out.queries.push_back({input.has_item ? std::move(input.item) : std::move(input.name),
                                   input.is_text || !input.has_item,
                                   !input.is_text && input.has_item});
    };
    std::vector<Input> given;
    for (const std::string& text : options.queries)
        given.push_back(text_input(text));
    for (const std::string& path : options.query_images)
        given.push_back(picture_input(path));
    number(given, position);
    take(given);
    if (!options.query_files.empty()) {
        InputSource source({.operands = options.query_files,
                            .embeddings = true,
                            .captions = true,
                            .lists_of_texts = true,
                            .stop = &reporter.stop()});
        for_each_batch(source, kQueriesAtOnce, reporter.stop(), [&](std::vector<Input>& inputs) {
            number(inputs, position);
            take(inputs);
        });
    }
    const bool has_queries =
        !options.queries.empty() || !options.query_images.empty() || !options.query_files.empty();
    const Terms terms = gather_terms(options, vectors, position);
    if (!has_queries) {
        out.queries.push_back({terms.text.substr(terms.text.starts_with(" + ") ? 3 : 1), true});
        all.assign(terms.sum.size(), 0.0F);
    } else if (!terms.sum.empty()) {
        for (RankQuery& query : out.queries) {
            query.name = (query.is_text ? query.name : io::path_to_utf8(query.name)) + terms.text;
            query.is_text = true;
            query.is_path = false;
        }
    }
    out.asked = position;
    if (out.queries.empty())
        fail(ErrorCode::bad_format, "no query can be used");
    const std::size_t width = all.size() / out.queries.size();
    if (!terms.sum.empty())
        for (std::size_t q = 0; q < out.queries.size(); ++q) {
            float* row = all.data() + q * width;
            // All terms have length 1, the query too.
            const double norm = has_queries ? length(row, width) : 1;
            for (std::size_t i = 0; i < width; ++i)
                row[i] = static_cast<float>(static_cast<double>(row[i]) / norm + terms.sum[i]);
            if (length(row, width) < 1e-6)
                fail(ErrorCode::invalid_argument,
                     concat("the terms of '", out.queries[q].name, "' cancel each other"));
        }
    out.vectors = make_search_queries(all, static_cast<std::int64_t>(width));
    return out;
}

} // namespace clip::app
