// SPDX-License-Identifier: MIT
#include "trainer/validation.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

namespace clip::trainer {

namespace {

// Pictures and captions that are compared at most: objectives that read each caption for each
// picture would take hours over more.
constexpr std::uint64_t kMostScores = 4'000'000;
constexpr std::uint64_t kMostBatch = 256;

/// The distinct captions of the pairs that can be used, and which one each pair has.
struct Classes {
    std::vector<TokenizedText> captions;
    std::map<std::vector<std::int32_t>, std::size_t> index;

    std::size_t add(const TokenizedText& text) {
        const auto [place, is_new] = index.try_emplace(text.ids, captions.size());
        if (is_new)
            captions.push_back(text);
        return place->second;
    }
};

Classes all_classes(const train::PairSource& pairs, const Tokenizer& tokenizer,
                    std::size_t context_length) {
    Classes classes;
    std::vector<std::string> captions;
    for (std::uint64_t i = 0; i < pairs.size(); ++i) {
        try {
            pairs.read_captions(i, captions);
            if (!captions.empty())
                classes.add(tokenizer.encode_for_model(captions.front(), context_length));
        } catch (const Error&) {
            // The loader says which pairs cannot be read, and why.
        }
    }
    return classes;
}

/// The share of rows whose best column is their answer.
double accuracy_of(std::span<const float> scores, std::span<const std::size_t> answers,
                   std::size_t columns) {
    std::size_t right = 0;
    for (std::size_t i = 0; i < answers.size(); ++i) {
        const auto row = scores.subspan(i * columns, columns);
        const auto best = std::max_element(row.begin(), row.end()) - row.begin();
        right += static_cast<std::size_t>(best) == answers[i] ? 1 : 0;
    }
    return static_cast<double>(right) / static_cast<double>(answers.size());
}

} // namespace

void subtract_priors(std::span<float> scores, std::size_t columns) {
    const std::size_t rows = scores.size() / columns;
    for (std::size_t column = 0; column < columns; ++column) {
        float most = scores[column];
        for (std::size_t i = 1; i < rows; ++i)
            most = std::max(most, scores[i * columns + column]);
        double sum = 0;
        for (std::size_t i = 0; i < rows; ++i)
            sum += std::exp(static_cast<double>(scores[i * columns + column] - most));
        const auto prior = static_cast<float>(most + std::log(sum / static_cast<double>(rows)));
        for (std::size_t i = 0; i < rows; ++i)
            scores[i * columns + column] -= prior;
    }
}

std::optional<ValidationRecord> validate(Learner& learner, Objective objective,
                                         const train::PairSource& pairs, const Tokenizer& tokenizer,
                                         train::LoaderOptions options,
                                         const std::atomic<bool>* stop) {
    options.sample.training = false;
    options.rank = 0;
    options.ranks = 1;
    options.epoch = 0;
    options.batch = 0;
    options.end_epoch = 1;
    options.batch_size = std::min<std::size_t>(options.batch_size, kMostBatch);
    Classes classes = all_classes(pairs, tokenizer, options.sample.context_length);
    const std::int64_t count = std::ssize(classes.captions);
    const bool scores_fit = count > 0 && pairs.size() * classes.captions.size() <= kMostScores;

    train::BatchLoader loader(pairs, tokenizer, options);
    ValidationRecord record;
    record.classes = classes.captions.size();
    std::vector<float> scores; // of all pictures: at most kMostScores
    std::vector<std::size_t> answers;
    double loss = 0;
    train::Batch batch;
    const std::int64_t side = options.sample.preprocess.size;
    while (loader.next(batch)) {
        if (stop != nullptr && *stop)
            return std::nullopt;
        const std::int64_t n = std::ssize(batch.texts);
        const ConstView pictures{batch.pixels.data(), Shape{n, 3, side, side}, DType::f32,
                                 Device{}};
        loss += static_cast<double>(n) *
                learner.evaluate({.pictures = pictures,
                                  .texts = batch.texts,
                                  .global_rows = static_cast<std::uint64_t>(n)});
        record.pairs += static_cast<std::uint64_t>(n);
        if (!scores_fit)
            continue;
        Tensor of_batch(Shape{n, count});
        learner.score(pictures, classes.captions, of_batch);
        scores.insert(scores.end(), of_batch.f32(), of_batch.f32() + n * count);
        for (const TokenizedText& text : batch.texts)
            answers.push_back(classes.add(text));
    }
    if (record.pairs > 0) {
        record.loss = loss / static_cast<double>(record.pairs);
        if (scores_fit) {
            const auto columns = static_cast<std::size_t>(count);
            if (scores_are_likelihoods(objective))
                subtract_priors(scores, columns);
            record.accuracy = accuracy_of(scores, answers, columns);
        }
    }
    return record;
}

} // namespace clip::trainer
