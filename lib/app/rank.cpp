// SPDX-License-Identifier: MIT
#include "app/rank.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "app/classify_options.hpp"
#include "app/rank_candidates.hpp"
#include "app/rank_export.hpp"
#include "app/rank_options.hpp"
#include "app/rank_output.hpp"
#include "app/rank_queries.hpp"
#include "app/text_output.hpp"
#include "base/concat.hpp"
#include "draw/contact_sheet.hpp"
#include "search/duplicates.hpp"
#include "search/top_k_search.hpp"

namespace clip::app {

namespace {

/// What all jobs of the command work with.
struct Run {
    Run(const RankOptions& options_, const Environment& environment, Reporter& reporter_)
        : options(options_), reporter(reporter_), machine(options_.model),
          model(options_.model, options_.pictures, environment, machine, reporter_),
          space(reporter_), failures(reporter_, options_.errors),
          vectors(space, model, failures, reporter_),
          candidates(options_, own_keys(options_), space, vectors, failures, reporter_) {}

    static std::vector<std::string_view> own_keys(const RankOptions& options) {
        if (options.duplicates)
            return {"input", "file", "row", "score"};
        return {"query", "rank", "input", "score"};
    }
    bool stopped() const { return reporter.stop().load(); }

    const RankOptions& options;
    Reporter& reporter;
    Machine machine;
    LazyModel model;
    EmbeddingSpace space;
    FailureLog failures;
    InputVectors vectors;
    Candidates candidates;
    std::uint64_t asked = 0; ///< queries, those that failed too
};

void write_sheet(const Run& run, ThreadPool& pool, const std::vector<SheetQuery>& queries) {
    if (!run.options.sheet.empty())
        write_contact_sheet(run.options.sheet, queries,
                            {.max_pixels = run.options.pictures.max_pixels,
                             .honour_orientation = run.options.pictures.orientation == "exif"},
                            pool);
}

/// Cosines as the scores that were asked for.
class ScoreScale {
  public:
    ScoreScale(const RankOptions& options, std::optional<double> logit_scale)
        : kind_(parse_rank_scores(options.scores)), threshold_(options.threshold) {
        if (kind_ != RankScores::cosine && !logit_scale)
            fail(ErrorCode::invalid_argument,
                 concat("--scores ", options.scores,
                        ": the embeddings do not say the model's scale (name the model with -m)"));
        scale_ = logit_scale.value_or(1);
    }

    /// The cosine below which no score reaches the threshold.
    std::optional<float> least_cosine() const {
        if (!threshold_ || kind_ == RankScores::softmax)
            return std::nullopt;
        if (kind_ == RankScores::cosine)
            return threshold_;
        // Scores are compared again when they are written.
        return std::nextafter(static_cast<float>(static_cast<double>(*threshold_) / scale_), -2.0F);
    }
    std::optional<double> softmax_scale() const {
        return kind_ == RankScores::softmax ? std::optional(scale_) : std::nullopt;
    }
    float score(const SearchHit& hit, double log_sum) const {
        switch (kind_) {
        case RankScores::cosine:
            break;
        case RankScores::logit:
            return static_cast<float>(scale_ * hit.cosine);
        case RankScores::softmax:
            return static_cast<float>(std::exp(scale_ * hit.cosine - log_sum));
        }
        return hit.score();
    }
    bool reaches(float score) const { return !threshold_ || score >= *threshold_; }

  private:
    RankScores kind_;
    std::optional<float> threshold_;
    double scale_ = 1;
};

void search(Run& run, TopKSearch& search) {
    // Names of candidates that are in no file: let go of those that were beaten, now and then.
    constexpr std::size_t kFewKept = 65536;
    std::size_t most_kept = kFewKept;
    run.candidates.for_each([&](const CandidateBlock& block, std::vector<BadRows>& bad,
                                std::vector<std::uint64_t>& taken) {
        const bool of_file = block.file != nullptr;
        search.search(
            block.rows, block.first_ordinal, bad,
            [&](std::int64_t rows) {
                if (of_file)
                    run.reporter.progress(static_cast<std::uint64_t>(rows), 0,
                                          run.candidates.total());
                return !run.stopped();
            },
            of_file ? nullptr : &taken);
        if (run.candidates.kept() > most_kept) {
            run.candidates.keep_only(search.held_ordinals());
            most_kept = std::max(kFewKept, 2 * run.candidates.kept());
        }
    });
}

/// Scores with their ordinals, best first. Cosines that are one float32 can be two logits.
std::vector<std::pair<float, std::uint64_t>> scored_hits(const std::vector<SearchHit>& hits,
                                                         const ScoreScale& scale, double log_sum) {
    std::vector<std::pair<float, std::uint64_t>> out;
    for (const SearchHit& hit : hits)
        if (const float score = scale.score(hit, log_sum); scale.reaches(score))
            out.emplace_back(score, hit.ordinal);
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    return out;
}

/// Where an ordinal is among those that were looked up.
std::size_t place_of(const std::vector<std::uint64_t>& ordinals, std::uint64_t ordinal) {
    return static_cast<std::size_t>(std::lower_bound(ordinals.begin(), ordinals.end(), ordinal) -
                                    ordinals.begin());
}

/// Writes the hits of all queries.
void write_hits(Run& run, const RankQueries& queries, const TopKSearch& search,
                const ScoreScale& scale, AnswerFormat format, TextOutput& output) {
    const std::vector<std::vector<SearchHit>> hits = search.hits();
    std::vector<std::uint64_t> ordinals;
    for (const auto& of_query : hits)
        for (const SearchHit& hit : of_query)
            ordinals.push_back(hit.ordinal);
    std::sort(ordinals.begin(), ordinals.end());
    ordinals.erase(std::unique(ordinals.begin(), ordinals.end()), ordinals.end());
    const std::vector<Candidate> candidates = run.candidates.look_up(ordinals);
    const std::vector<double> log_sums = search.log_sums();
    std::vector<SheetQuery> sheet;
    std::string records;
    for (std::size_t q = 0; q < hits.size(); ++q) {
        const RankQuery& query = queries.queries[q];
        SheetQuery page{.name = query.name, .is_picture = query.is_path, .hits = {}};
        std::int64_t rank = 0;
        for (const auto& [score, ordinal] :
             scored_hits(hits[q], scale, log_sums.empty() ? 0 : log_sums[q])) {
            const Candidate& candidate = candidates[place_of(ordinals, ordinal)];
            if (candidate.failed)
                continue;
            ++rank;
            (format == AnswerFormat::tsv ? append_hit_tsv : append_hit_json)(records, query, rank,
                                                                             candidate, score);
            if (!run.options.sheet.empty())
                page.hits.push_back({.item = candidate.item,
                                     .is_text = candidate.is_text,
                                     .rank = static_cast<int>(rank),
                                     .score = static_cast<double>(score)});
        }
        output.write(records);
        records.clear();
        if (!run.options.sheet.empty())
            sheet.push_back(std::move(page));
    }
    write_sheet(run, run.machine.pool(), sheet);
}

/// Where every candidate failed there is no answer, and no output takes the place of an older one.
void check_some_usable(const Run& run) {
    if (run.candidates.unusable() > 0 && run.candidates.unusable() >= run.candidates.seen())
        fail(ErrorCode::bad_format, "no candidate can be used");
}

void rank_queries(Run& run, AnswerFormat format, TextOutput& output) {
    run.candidates.check_files();
    const RankQueries queries = gather_queries(run.options, run.vectors, run.reporter);
    run.asked = queries.asked;
    if (run.stopped())
        return;
    if (parse_rank_scores(run.options.scores) != RankScores::cosine && !run.space.logit_scale())
        run.vectors.meet_model();
    const ScoreScale scale(run.options, run.space.logit_scale());
    TopKSearch best(run.machine.pool(), queries.vectors,
                    {.k = run.options.top,
                     .least = scale.least_cosine(),
                     .softmax_scale = scale.softmax_scale()});
    search(run, best);
    check_some_usable(run);
    if (!run.stopped())
        write_hits(run, queries, best, scale, format, output);
}

void group_duplicates(Run& run, AnswerFormat format, TextOutput& output) {
    run.candidates.check_files();
    const std::vector<std::unique_ptr<RowSet>> sets = run.candidates.open_all();
    std::vector<const RowSet*> pointers;
    for (const auto& set : sets)
        pointers.push_back(set.get());
    if (run.stopped())
        return;
    std::vector<BadRows> bad;
    const std::uint64_t total = run.candidates.count();
    std::uint64_t shown = 0;
    const auto groups =
        find_duplicates(run.machine.pool(), pointers,
                        {.least = run.options.threshold.value_or(DuplicateOptions{}.least),
                         .between = run.options.between},
                        bad, [&](double share) {
                            const auto done =
                                static_cast<std::uint64_t>(share * static_cast<double>(total));
                            run.reporter.progress(done - shown, 0, total);
                            shown = done;
                            return !run.stopped();
                        });
    if (run.stopped())
        return;
    run.candidates.report(bad);
    check_some_usable(run);
    std::vector<std::uint64_t> ordinals;
    for (const auto& group : groups)
        for (const DuplicateMember& member : group)
            ordinals.push_back(member.ordinal);
    std::sort(ordinals.begin(), ordinals.end());
    const std::vector<Candidate> candidates = run.candidates.look_up(ordinals);
    std::vector<SheetQuery> sheet;
    std::string records;
    for (std::size_t g = 0; g < groups.size(); ++g) {
        std::vector<GroupMember> members;
        SheetQuery page{.name = concat("group ", g + 1), .hits = {}};
        for (const DuplicateMember& member : groups[g]) {
            const Candidate& candidate = candidates[place_of(ordinals, member.ordinal)];
            if (candidate.failed)
                continue;
            members.push_back({&candidate, static_cast<float>(member.cosine)});
            page.hits.push_back({.item = candidate.item,
                                 .is_text = candidate.is_text,
                                 .rank = static_cast<int>(members.size()),
                                 .score = member.cosine});
        }
        (format == AnswerFormat::tsv ? append_group_tsv : append_group_json)(records, g + 1,
                                                                             members);
        output.write(records);
        records.clear();
        if (!run.options.sheet.empty())
            sheet.push_back(std::move(page));
    }
    write_sheet(run, run.machine.pool(), sheet);
}

} // namespace

RankSummary rank(const RankOptions& options, const Environment& environment, Reporter& reporter) {
    check_rank_options(options);
    const AnswerFormat format = choose_answer_format(options.output, options.format);
    Run run(options, environment, reporter);
    if (!options.export_faiss.empty() || !options.export_pgvector.empty()) {
        run.candidates.check_files();
        export_candidates(options, run.candidates, run.space, reporter);
    } else {
        TextOutput output(options.output);
        if (options.duplicates)
            group_duplicates(run, format, output);
        else
            rank_queries(run, format, output);
        reporter.progress_end();
        if (!run.stopped())
            output.finish();
    }
    reporter.progress_end();
    run.failures.close();
    const RankSummary summary{.candidates = run.candidates.count(),
                              .failed = run.failures.count(),
                              .interrupted = run.stopped()};
    if (summary.failed > 0)
        reporter.note(
            concat(summary.failed, " of ", run.candidates.seen() + run.asked, " inputs failed"));
    return summary;
}

} // namespace clip::app
