// SPDX-License-Identifier: MIT
// The contrastive objectives: against the formulas in double, slices, ranks, what goes wrong.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "backend/registry.hpp"
#include "base/concat.hpp"
#include "io/temp_folder.hpp"
#include "model/clip_model.hpp"
#include "trainer/run_folder.hpp"
#include "trainer/thread_ranks.hpp"
#include "trainer/tiny_run.hpp"

using namespace clip;
using namespace clip::trainer;
using clip::test::Pairs;
using clip::test::TinyOptions;
using clip::test::TinyRun;

namespace {

using Vectors = std::vector<std::vector<double>>;

constexpr float kLogScale = 1.2F, kBias = -2.5F;

Communicator& alone() {
    static const std::unique_ptr<Communicator> local = make_local_communicator();
    return *local;
}

struct Variant {
    std::string name;
    ObjectiveSettings settings;
};
const Variant kVariants[] = {
    {"contrastive", {Objective::contrastive, 0, false}},
    {"smooth labels", {Objective::contrastive, 0.1F, false}},
    {"equal captions", {Objective::contrastive, 0, true}},
    {"both", {Objective::contrastive, 0.1F, true}},
    {"siglip", {Objective::siglip, 0, false}},
    {"siglip, equal captions", {Objective::siglip, 0, true}},
};

/// Pairs with three captions alike, two alike and some that are alone; neighbours or not.
Pairs grouped(std::int64_t count, std::int64_t side = 8) {
    Pairs pairs(count, "pictures", side);
    const auto same = [&](std::size_t a, std::size_t b) {
        if (a < pairs.texts.size())
            pairs.texts[a] = pairs.texts[b];
    };
    same(3, 1);
    same(4, 2);
    same(6, 2);
    return pairs;
}

std::unique_ptr<TinyRun> make_run(const TinyOptions& options, Backend& backend,
                                  Communicator& ranks) {
    auto run = std::make_unique<TinyRun>(options, backend, ranks);
    *run->parameters().weight("logit_scale").f32() = kLogScale;
    if (run->parameters().has("logit_bias"))
        *run->parameters().weight("logit_bias").f32() = kBias;
    return run;
}

std::unique_ptr<TinyRun> make_run(const ObjectiveSettings& settings, const std::string& backend,
                                  std::size_t threads) {
    return make_run({.objective = settings, .locked = {}}, test::backend(backend, threads),
                    alone());
}

double product(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        sum += a[i] * b[i];
    return sum;
}

/// The loss by its definition, and its gradients.
struct Oracle {
    double loss = 0, grad_log_scale = 0, grad_bias = 0;
    Vectors pictures, texts; ///< gradients by the features

    Oracle(const Vectors& picture_features, const Vectors& text_features,
           const std::vector<TokenizedText>& captions, const ObjectiveSettings& settings) {
        const std::size_t n = captions.size();
        const double count = static_cast<double>(n), scale = std::exp(double{kLogScale});
        const auto match = [&](std::size_t r, std::size_t c) {
            return r == c || (settings.equal_captions_match && captions[r].ids == captions[c].ids);
        };
        const Vectors a = unit(picture_features), b = unit(text_features);
        Vectors logits(n, std::vector<double>(n)), grad = logits;
        for (std::size_t r = 0; r < n; ++r)
            for (std::size_t c = 0; c < n; ++c)
                logits[r][c] = scale * product(a[r], b[c]);
        if (settings.objective == Objective::siglip) {
            for (std::size_t r = 0; r < n; ++r)
                for (std::size_t c = 0; c < n; ++c) {
                    const double z = match(r, c) ? 1 : -1, at = z * (logits[r][c] + kBias);
                    loss += std::log1p(std::exp(-at)) / count;
                    grad[r][c] = -z / (1 + std::exp(at)) / count;
                    grad_bias += grad[r][c];
                }
        } else {
            std::vector<double> rows(n), columns(n);
            for (std::size_t r = 0; r < n; ++r)
                for (std::size_t c = 0; c < n; ++c) {
                    rows[r] += std::exp(logits[r][c]);
                    columns[c] += std::exp(logits[r][c]);
                }
            for (std::size_t r = 0; r < n; ++r) {
                double matching = 0;
                for (std::size_t c = 0; c < n; ++c)
                    matching += match(r, c) ? 1 : 0;
                loss += (std::log(rows[r]) + std::log(columns[r])) / (2 * count);
                for (std::size_t c = 0; c < n; ++c) {
                    const double smooth = settings.label_smoothing;
                    const double target =
                        (match(r, c) ? (1 - smooth) / matching : 0) + smooth / count;
                    loss -= target * logits[r][c] / count;
                    grad[r][c] =
                        (std::exp(logits[r][c]) * (1 / rows[r] + 1 / columns[c]) - 2 * target) /
                        (2 * count);
                }
            }
        }
        Vectors by_a(n, std::vector<double>(a[0].size())), by_b = by_a;
        for (std::size_t r = 0; r < n; ++r)
            for (std::size_t c = 0; c < n; ++c) {
                grad_log_scale += grad[r][c] * logits[r][c];
                for (std::size_t d = 0; d < a[0].size(); ++d) {
                    by_a[r][d] += grad[r][c] * scale * b[c][d];
                    by_b[c][d] += grad[r][c] * scale * a[r][d];
                }
            }
        pictures = through_norm(picture_features, a, by_a);
        texts = through_norm(text_features, b, by_b);
    }

  private:
    static Vectors unit(Vectors rows) {
        for (auto& row : rows) {
            const double norm = std::sqrt(product(row, row));
            for (double& x : row)
                x /= norm;
        }
        return rows;
    }
    static Vectors through_norm(const Vectors& rows, const Vectors& unit, Vectors grad) {
        for (std::size_t r = 0; r < rows.size(); ++r) {
            const double norm = std::sqrt(product(rows[r], rows[r]));
            const double along = product(unit[r], grad[r]);
            for (std::size_t d = 0; d < grad[r].size(); ++d)
                grad[r][d] = (grad[r][d] - unit[r][d] * along) / norm;
        }
        return grad;
    }
};

Vectors rows_of(const std::vector<float>& values, std::size_t rows) {
    const std::size_t width = values.size() / rows;
    Vectors out(rows);
    for (std::size_t r = 0; r < rows; ++r)
        out[r].assign(values.begin() + static_cast<std::ptrdiff_t>(r * width),
                      values.begin() + static_cast<std::ptrdiff_t>((r + 1) * width));
    return out;
}

std::vector<float> flat(const Vectors& rows) {
    std::vector<float> out;
    for (const auto& row : rows)
        for (const double x : row)
            out.push_back(static_cast<float>(x));
    return out;
}

/// What learn() should do: the oracle's gradient of the features through both towers, which
/// towers_golden_test.cpp has compared with PyTorch's.
Oracle expected(TinyRun& run, const Pairs& pairs, const ModelConfig& config,
                const ObjectiveSettings& settings, std::vector<float>& gradients) {
    const std::size_t n = pairs.texts.size();
    const auto vision = make_trained_vision_tower(run.context(), config);
    const auto text = make_trained_text_tower(run.context(), config);
    std::vector<float> pictures(n * static_cast<std::size_t>(config.embed_dim)), texts = pictures;
    const Shape shape{static_cast<std::int64_t>(n), config.embed_dim};
    std::vector<std::span<const std::int32_t>> tokens;
    for (const TokenizedText& each : pairs.texts)
        tokens.emplace_back(each.ids);
    run.parameters().zero_grads();
    vision->forward(pairs.pictures(), {pictures.data(), shape, DType::f32, Device{}}, true);
    text->forward(tokens, {texts.data(), shape, DType::f32, Device{}}, true);
    Oracle oracle(rows_of(pictures, n), rows_of(texts, n), pairs.texts, settings);
    pictures = flat(oracle.pictures);
    texts = flat(oracle.texts);
    text->backward({texts.data(), shape, DType::f32, Device{}});
    vision->backward({pictures.data(), shape, DType::f32, Device{}});
    *run.parameters().grad("logit_scale").f32() = static_cast<float>(oracle.grad_log_scale);
    if (run.parameters().has("logit_bias"))
        *run.parameters().grad("logit_bias").f32() = static_cast<float>(oracle.grad_bias);
    const auto all = run.parameters().grads();
    gradients.assign(all.begin(), all.end());
    return oracle;
}

/// The largest difference of [first, first + count), in units of the largest wanted value there.
double difference(std::span<const float> got, std::span<const float> want) {
    REQUIRE(got.size() == want.size());
    double largest = 0, most = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
        most = std::max(most, std::fabs(double{got[i]} - want[i]));
        largest = std::max(largest, std::fabs(double{want[i]}));
    }
    return largest > 0 ? most / largest : most;
}

std::vector<float> weights_of(TinyRun& run) {
    const auto all = run.parameters().weights();
    return {all.begin(), all.end()};
}

} // namespace

TEST_CASE("contrastive: loss and all gradients are those of the formula") {
    for (const auto* config : {&test::tiny_config(), &test::tiny_resnet_config()}) {
        const Pairs pairs = grouped(9, config->vision.image_size);
        for (const Variant& variant : kVariants)
            for (const std::string& name : test::backend_names()) {
                if (name == "ref" && !config->vision.vit)
                    continue; // for the sake of time
                CAPTURE(variant.name);
                CAPTURE(name);
                const auto run =
                    make_run({.objective = variant.settings, .config = *config, .locked = {}},
                             test::backend(name, 2), alone());
                std::vector<float> want;
                const Oracle oracle = expected(*run, pairs, *config, variant.settings, want);
                run->parameters().zero_grads();
                const double loss = run->learner().learn(pairs.batch(), 1);
                CHECK(std::fabs(loss - oracle.loss) < 1e-6);
                CHECK(run->arena().bytes() == 0);
                const std::span<const float> got = run->parameters().grads();
                // Gradients of the features are float32 sums of some ten terms that cancel; batch
                // norms over few pictures make more of what is lost. Measured: 1.1e-5, 2.5e-5.
                const double bound = config->vision.vit ? 2e-5 : 1e-4;
                for (const ParameterInfo& info : run->parameters().all()) {
                    // A key's bias changes no weight of attention: its gradient is rounding.
                    if (!info.trained || info.name == "visual.attnpool.k_proj.bias")
                        continue;
                    CAPTURE(info.name);
                    const auto first = static_cast<std::size_t>(info.first);
                    const auto count = static_cast<std::size_t>(info.shape.numel());
                    CHECK(difference(got.subspan(first, count),
                                     std::span<const float>(want).subspan(first, count)) < bound);
                }
                if (config->vision.vit) // batch norm of inference has other statistics
                    CHECK(std::fabs(run->learner().evaluate(pairs.batch()) - oracle.loss) < 1e-6);
                CHECK(run->arena().bytes() == 0);
            }
    }
}

TEST_CASE("contrastive: captions are equal up to their end marks, whatever stands behind") {
    Pairs pairs(4);
    pairs.texts[2] = pairs.texts[0];
    const ObjectiveSettings settings{Objective::contrastive, 0, true};
    const double together = make_run(settings, "ref", 1)->learner().learn(pairs.batch(), 1);
    pairs.texts[2].ids.push_back(3);
    const auto run = make_run(settings, "ref", 1);
    CHECK(run->learner().learn(pairs.batch(), 1) == together);
    pairs.texts[2].ids[1] ^= 1;
    CHECK(run->learner().learn(pairs.batch(), 1) != together);
}

TEST_CASE("contrastive: slices have the gradients of the whole batch") {
    for (const std::int64_t rows : {std::int64_t{2}, std::int64_t{7}, std::int64_t{350}}) {
        const Pairs pairs = grouped(rows);
        for (const Variant& variant : kVariants) {
            CAPTURE(variant.name);
            CAPTURE(rows);
            if (rows > 100 && variant.settings.label_smoothing == 0 &&
                !variant.settings.equal_captions_match)
                continue; // for the sake of time
            const auto run = make_run(variant.settings, "automatic", 2);
            const double loss = run->learner().learn(pairs.batch(), 1);
            const auto whole = run->gradients(pairs.batch());
            for (const std::size_t slices : {2U, 3U, 5U, 8U}) {
                CAPTURE(slices);
                CHECK(difference(run->gradients(pairs.batch(), slices), whole) < 1e-6);
                CHECK(std::fabs(run->learner().learn(pairs.batch(), slices) - loss) < 1e-6);
                CHECK(run->arena().bytes() == 0);
            }
        }
    }
}

TEST_CASE("contrastive: ranks with a part of a batch each are as good as one") {
    for (const auto* config : {&test::tiny_config(), &test::tiny_resnet_config()})
        for (const Variant& variant : kVariants)
            for (const std::size_t count : {2U, 3U}) {
                CAPTURE(variant.name);
                CAPTURE(count);
                const Pairs pairs = grouped(7, config->vision.image_size);
                const TinyOptions options{
                    .objective = variant.settings, .config = *config, .locked = {}};
                const auto one = make_run(options, test::backend("ref", 1), alone());
                const auto whole = one->gradients(pairs.batch());
                const auto weights = weights_of(*one);
                const double loss = one->learner().learn(pairs.batch(), 1);

                std::vector<double> losses(count);
                std::vector<std::vector<float>> sums(count), moved(count);
                test::play_ranks(
                    count, [&](std::size_t rank, Communicator& ranks, Backend& backend) {
                        const auto run = make_run(options, backend, ranks);
                        sums[rank] = run->gradients(pairs.of_rank(rank, count));
                        ranks.all_reduce_sum(std::span<float>(sums[rank]));
                        moved[rank] = weights_of(*run); // running statistics
                        losses[rank] = run->learner().learn(pairs.of_rank(rank, count), 1);
                    });
                for (std::size_t rank = 0; rank < count; ++rank) {
                    CHECK(std::fabs(losses[rank] - loss) < (config->vision.vit ? 1e-6 : 1e-5));
                    CHECK(losses[rank] == losses[0]);
                    CHECK(sums[rank] == sums[0]);
                    CHECK(moved[rank] == moved[0]);
                }
                CHECK(difference(sums[0], whole) < (config->vision.vit ? 1e-6 : 1e-4));
                CHECK(difference(moved[0], weights) < 1e-6);
            }
}

TEST_CASE("contrastive: where a rank has fewer rows than slices all ranks have fewer slices") {
    // Ranks of 1, 2 and 2 rows: batch norms would wait for a slice that a rank does not have.
    const Pairs pairs = grouped(5, 64);
    const TinyOptions options{.objective = {Objective::contrastive, 0.1F, true},
                              .config = test::tiny_resnet_config(),
                              .locked = {}};
    const auto one = make_run(options, test::backend("ref", 1), alone());
    const auto whole = one->gradients(pairs.batch());
    std::vector<std::vector<float>> sums(3);
    test::play_ranks(3, [&](std::size_t rank, Communicator& ranks, Backend& backend) {
        const auto run = make_run(options, backend, ranks);
        sums[rank] = run->gradients(pairs.of_rank(rank, 3), 2);
        ranks.all_reduce_sum(std::span<float>(sums[rank]));
    });
    CHECK(difference(sums[0], whole) < 1e-4);
    // One rank: no slice is without a row, which has no statistics.
    for (const float grad : one->gradients(pairs.batch(), 100))
        REQUIRE(std::isfinite(grad));
    CHECK(one->gradients(pairs.batch(), 100) == one->gradients(pairs.batch(), 5));
}

TEST_CASE("contrastive: a frugal run has the same bits") {
    for (const auto* config : {&test::tiny_config(), &test::tiny_resnet_config()}) {
        // Pictures of 5 tokens and texts of 6.5: three parts and four.
        const Pairs pairs = grouped(config->vision.vit ? 800 : 5, config->vision.image_size);
        for (const std::size_t slices : {1U, 2U}) {
            std::array<std::vector<float>, 2> gradients;
            std::array<double, 2> losses{};
            for (const bool frugal : {false, true}) {
                const auto run = make_run({.objective = {Objective::contrastive, 0.1F, true},
                                           .config = *config,
                                           .frugal = frugal,
                                           .locked = {}},
                                          test::backend("automatic", 2), alone());
                gradients[frugal ? 1 : 0] = run->gradients(pairs.batch(), slices);
                losses[frugal ? 1 : 0] = run->learner().learn(pairs.batch(), slices);
                CHECK(run->arena().bytes() == 0);
            }
            CHECK(gradients[0] == gradients[1]);
            CHECK(losses[0] == losses[1]);
        }
    }
}

TEST_CASE("contrastive: a locked picture tower has no gradients, the others have the same") {
    for (const auto* config : {&test::tiny_config(), &test::tiny_resnet_config()}) {
        const Pairs pairs = grouped(7, config->vision.image_size);
        const auto locked = make_run({.config = *config, .locked = {"visual."}},
                                     test::backend("automatic", 1), alone());
        const auto before = weights_of(*locked);
        const auto whole = locked->gradients(pairs.batch());
        CHECK(difference(locked->gradients(pairs.batch(), 3), whole) < 1e-6);
        CHECK(weights_of(*locked) == before);
        CHECK(std::fabs(locked->learner().evaluate(pairs.batch()) -
                        locked->learner().learn(pairs.batch(), 1)) < 1e-6);
        CHECK(locked->parameters().grad("visual.conv1.weight").empty());
        if (!config->vision.vit)
            continue; // its batch norms use other statistics when they are trained
        const auto free =
            make_run({.config = *config, .locked = {}}, test::backend("automatic", 1), alone());
        locked->gradients(pairs.batch());
        free->gradients(pairs.batch());
        for (const ParameterInfo& info : locked->parameters().all()) {
            if (!info.trained)
                continue;
            const auto count = static_cast<std::size_t>(info.shape.numel());
            CHECK(difference({locked->parameters().grad(info.name).f32(), count},
                             {free->parameters().grad(info.name).f32(), count}) < 1e-5);
        }
    }
}

TEST_CASE("contrastive: scores are the cosines of the model that is written") {
    for (ModelConfig config : {test::tiny_config(), test::tiny_resnet_config()}) {
        config.vision.activation = config.text.activation; // a checkpoint has one
        const Pairs pairs(70, "pictures", config.vision.image_size);
        Backend& backend = test::backend("automatic", 2);
        const auto run = make_run({.config = config, .locked = {}}, backend, alone());
        run->learner().learn(pairs.batch(), 1); // moves running statistics
        run->learner().refresh();
        const std::size_t captions = 66;
        std::vector<float> scores(70 * captions);
        const MutView out{scores.data(), Shape{70, 66}, DType::f32, Device{}};
        run->learner().score(pairs.pictures(), std::span(pairs.texts).first(captions), out);

        const clip_test::TempFolder place;
        {
            RunFolder folder(place / "run", RunMode::fresh);
            folder.write_model(config, run->parameters(), run->parameters().block(Block::weights),
                               {}, 1, 1);
        }
        ClipModel model(open_checkpoint(place / "run/model"), backend);
        const auto dim = static_cast<std::size_t>(config.embed_dim);
        std::vector<float> a(70 * dim), b(captions * dim);
        model.encode_pictures(pairs.pixels, a);
        model.encode_texts(std::span(pairs.texts).first(captions), b);
        normalize_rows(backend, a, config.embed_dim);
        normalize_rows(backend, b, config.embed_dim);
        const Vectors unit = rows_of(a, 70), other = rows_of(b, captions);
        double most = 0;
        for (std::size_t r = 0; r < 70; ++r)
            for (std::size_t c = 0; c < captions; ++c)
                most = std::max(
                    most, std::fabs(product(unit[r], other[c]) - double{scores[r * captions + c]}));
        CHECK(most < 1e-6);

        // The same for other captions, and for these with other weights.
        std::vector<float> few(70);
        const MutView column{few.data(), Shape{70, 1}, DType::f32, Device{}};
        run->learner().score(pairs.pictures(), std::span(pairs.texts).subspan(5, 1), column);
        for (std::size_t r = 0; r < 70; ++r)
            REQUIRE(few[r] == scores[r * captions + 5]);
        run->parameters().weight("text_projection").f32()[0] += 1;
        run->learner().refresh();
        run->learner().score(pairs.pictures(), std::span(pairs.texts).subspan(5, 1), column);
        CHECK(few[0] != scores[5]);
    }
}

TEST_CASE("contrastive: numbers that are none end in a loss that is none, and no more") {
    for (const auto* config : {&test::tiny_config(), &test::tiny_resnet_config()})
        for (const Variant& variant : kVariants)
            for (const std::size_t slices : {1U, 3U}) {
                if (!config->vision.vit && !variant.settings.equal_captions_match)
                    continue;
                CAPTURE(variant.name);
                const Pairs good = grouped(7, config->vision.image_size);
                Pairs bad = good;
                bad.pixels[bad.pixels.size() / 2] = std::numeric_limits<float>::quiet_NaN();
                const auto run =
                    make_run({.objective = variant.settings, .config = *config, .locked = {}},
                             test::backend("automatic", 2), alone());
                CHECK_FALSE(std::isfinite(run->learner().learn(bad.batch(), slices)));
                CHECK(run->arena().bytes() == 0);
                CHECK_FALSE(std::isfinite(run->learner().evaluate(bad.batch())));
                CHECK(std::isfinite(run->learner().learn(good.batch(), slices)));
                CHECK(run->arena().bytes() == 0);
            }
}

TEST_CASE("contrastive: the temperature stays between 1 and 100") {
    const auto run = make_run(kVariants[0].settings, "ref", 1);
    float& log_scale = *run->parameters().weight("logit_scale").f32();
    for (const auto& [from, to] :
         {std::pair{-1.0F, 0.0F}, {2.0F, 2.0F}, {9.0F, std::log(100.0F)}}) {
        log_scale = from;
        run->learner().clip_parameters();
        CHECK(log_scale == to);
    }
}

TEST_CASE("contrastive: settings that make no sense are refused") {
    for (const ObjectiveSettings& settings :
         {ObjectiveSettings{Objective::contrastive, 1.0F, false},
          ObjectiveSettings{Objective::contrastive, -0.1F, false},
          ObjectiveSettings{Objective::siglip, 0.1F, false}})
        test::check_error(
            ErrorCode::invalid_argument, [&] { make_run(settings, "ref", 1); }, "smooth labels");
    for (const Objective objective :
         {Objective::contrastive, Objective::bag_of_words, Objective::caption, Objective::siglip})
        CHECK(parse_objective(objective_name(objective)) == objective);
    test::check_error(
        ErrorCode::invalid_argument, [] { parse_objective("clip"); }, "an unknown objective");
}
