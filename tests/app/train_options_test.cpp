// SPDX-License-Identifier: MIT
#include "app/train_options.hpp"

#include <doctest/doctest.h>

#include "app/train_log.hpp"
#include "base/error.hpp"
#include "model/architectures.hpp"

using namespace clip;
using namespace clip::app;

namespace {

TrainOptions usable() {
    TrainOptions options;
    options.output = "run";
    options.data = {"pairs.csv"};
    return options;
}

} // namespace

TEST_CASE("train options: the recipe is the paper's where nothing is said") {
    const trainer::Recipe vit = train_recipe(usable(), architecture("ViT-B-32"), 400000000, 1);
    CHECK(vit.batch_size == 32768);
    CHECK(vit.epochs == 32);
    CHECK(vit.learning_rate == 5e-4);
    CHECK(vit.beta2 == 0.98);
    CHECK(vit.eps == 1e-6);
    const trainer::Recipe resnet = train_recipe(usable(), architecture("RN50"), 400000000, 1);
    CHECK(resnet.beta2 == 0.999);
    CHECK(resnet.eps == 1e-8);
    // Small data has a small batch, but it is asked for what was said.
    const ModelConfig config = architecture("ViT-B-32");
    CHECK(train_recipe(usable(), config, 10, 1).batch_size == 10);
    CHECK(train_recipe(usable(), config, 500, 1).batch_size == 32);
    CHECK(train_recipe(usable(), config, 100000, 1).batch_size == 512);
    TrainOptions own = usable();
    own.batch_size = 8;
    own.beta2 = 0.5;
    own.warmup = 0;
    CHECK(train_recipe(own, config, 100000, 1).batch_size == 8);
    CHECK(train_recipe(own, config, 100000, 1).beta2 == 0.5);
    CHECK(train_recipe(own, config, 100000, 1).warmup == 0);
    CHECK_THROWS_AS(train_recipe(own, config, 7, 1), Error);
    CHECK_NOTHROW(train_recipe(own, config, 8, 8));
    CHECK_THROWS_AS(train_recipe(own, config, 8, 9), Error);
    own.accumulate = 3;
    CHECK_NOTHROW(train_recipe(own, config, 8, 2));
    CHECK_THROWS_AS(train_recipe(own, config, 8, 3), Error);
}

TEST_CASE("train options: what excludes each other is refused") {
    CHECK_NOTHROW(check_train_options(usable()));
    const auto refused = [](auto change) {
        TrainOptions options = usable();
        change(options);
        CHECK_THROWS_AS(check_train_options(options), Error);
    };
    refused([](TrainOptions& o) { o.data.clear(); });
    refused([](TrainOptions& o) { o.output.clear(); });
    refused([](TrainOptions& o) { o.resume = o.overwrite = true; });
    refused([](TrainOptions& o) { o.columns = {"a"}; });
    refused([](TrainOptions& o) { o.columns = {"a", "b", "c"}; });
    refused([](TrainOptions& o) { o.precision = "bf16"; });
    refused([](TrainOptions& o) { o.train_tokenizer = 513; });
    refused([](TrainOptions& o) { o.train_tokenizer = 600, o.init = "x"; });
    refused([](TrainOptions& o) { o.train_tokenizer = 600, o.tokenizer = "x"; });
    refused([](TrainOptions& o) { o.lock_image = true; });
    refused([](TrainOptions& o) { o.objective = "other"; });
    refused([](TrainOptions& o) { o.objective = "caption", o.equal_captions = "together"; });
    refused([](TrainOptions& o) { o.objective = "siglip", o.label_smoothing = 0.1; });
    refused([](TrainOptions& o) { o.augment.flip = 2; });
}

TEST_CASE("train options: every objective on every device, and precisions that only a GPU has") {
    const Device gpu{Device::Kind::cuda, 0};
    const auto message = [](const TrainOptions& options, Device device) -> std::string {
        try {
            check_training_device(options, device);
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    };
    TrainOptions options = usable();
    for (const char* objective : {"contrastive", "bag-of-words", "caption", "siglip"}) {
        options.objective = objective;
        CHECK(message(options, Device{}).empty());
        CHECK(message(options, gpu).empty());
    }
    options = usable();
    for (const char* precision : {"fp16", "bf16"}) {
        options.precision = precision;
        CHECK(message(options, gpu).empty());
        CHECK(message(options, Device{}) ==
              "--precision: training on the CPU computes in fp32 (got " + options.precision + ")");
    }
}

TEST_CASE("train log: lines are objects with the promised keys") {
    trainer::StepRecord step{.step = 3,
                             .epoch = 1,
                             .loss = 0.5,
                             .learning_rate = 1e-4,
                             .logit_scale = 100,
                             .grad_norm = 2,
                             .samples_per_second = 123.456,
                             .seconds = 0.25,
                             .waited = 0,
                             .samples = 24,
                             .skipped = 1,
                             .truncated = 2};
    CHECK(step_line(step) ==
          R"({"step":3,"epoch":1,"loss":0.5,"lr":1e-4,"logit_scale":100,"grad_norm":2,)"
          R"("samples":24,"samples_per_second":123.5,"seconds":0.25,"wait":0,"skipped":1,)"
          R"("truncated":2})");
    trainer::ValidationRecord validation{.step = 3,
                                         .samples = 24,
                                         .epoch = 1,
                                         .loss = 0.5,
                                         .pairs = 8,
                                         .accuracy = 0.25,
                                         .classes = 5};
    CHECK(validation_line(validation) ==
          R"({"step":3,"epoch":1,"samples":24,"val_loss":0.5,"val_pairs":8,)"
          R"("val_accuracy":0.25,"val_classes":5})");
    validation.accuracy.reset();
    CHECK(validation_line(validation).find(R"("val_accuracy":null)") != std::string::npos);
}

TEST_CASE("train log: skips are told by reason") {
    train::LoaderStats stats;
    CHECK(skips_text(stats).empty());
    stats.skipped[static_cast<std::size_t>(train::SkipReason::broken)] = 1;
    CHECK(skips_text(stats) == "1 pair was skipped: 1 broken");
    stats.skipped[static_cast<std::size_t>(train::SkipReason::missing)] = 5;
    CHECK(skips_text(stats) == "pairs were skipped 6 times: 5 missing, 1 broken");
}
