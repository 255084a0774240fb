// SPDX-License-Identifier: MIT
#include "trainer/validation.hpp"

#include <algorithm>
#include <map>

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

} // namespace

ValidationRecord validate(Learner& learner, const train::PairSource& pairs,
                          const Tokenizer& tokenizer, train::LoaderOptions options) {
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
    std::uint64_t right = 0;
    double loss = 0;
    train::Batch batch;
    const std::int64_t side = options.sample.preprocess.size;
    while (loader.next(batch)) {
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
        Tensor scores(Shape{n, count});
        learner.score(pictures, classes.captions, scores);
        for (std::int64_t i = 0; i < n; ++i) {
            const float* row = scores.f32() + i * count;
            const auto best = static_cast<std::size_t>(std::max_element(row, row + count) - row);
            right += classes.add(batch.texts[static_cast<std::size_t>(i)]) == best ? 1 : 0;
        }
    }
    if (record.pairs > 0) {
        record.loss = loss / static_cast<double>(record.pairs);
        if (scores_fit)
            record.accuracy = static_cast<double>(right) / static_cast<double>(record.pairs);
    }
    return record;
}

} // namespace clip::trainer
