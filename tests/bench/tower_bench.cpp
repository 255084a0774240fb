// SPDX-License-Identifier: MIT
// Times a whole tower on pictures or texts that are in memory already.
//
//   tower_bench CHECKPOINT [--device cpu|cuda|cuda:N] [--threads N] [--count N] [--batch N]
//               [--repeat N] [--text TOKENS] [--precision fp32|bf16|fp16|int8]
//
// Prints one JSON line: items a second of the best and of the median of the repetitions, and the
// floating-point operations behind them (two a multiply-add of the linear layers and convolutions'
// weights that every row meets, a ViT's or text's attention included).
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "app/model_session.hpp"
#include "backend/registry.hpp"
#include "model/clip_model.hpp"

using namespace clip;

namespace {

struct Settings {
    std::string checkpoint;
    std::string precision = "fp32", device = "cpu";
    std::size_t threads = 0, count = 64, batch = 64, repeat = 5, text = 0;
};

Settings parse(int argc, char** argv) {
    Settings settings;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const char* value = i + 1 < argc ? argv[i + 1] : "";
        if (word == "--precision")
            settings.precision = value, ++i;
        else if (word == "--device")
            settings.device = value, ++i;
        else if (word == "--threads")
            settings.threads = std::stoul(value), ++i;
        else if (word == "--count")
            settings.count = std::stoul(value), ++i;
        else if (word == "--batch")
            settings.batch = std::stoul(value), ++i;
        else if (word == "--repeat")
            settings.repeat = std::stoul(value), ++i;
        else if (word == "--text")
            settings.text = std::stoul(value), ++i;
        else
            settings.checkpoint = word;
    }
    return settings;
}

double transformer_flop(double tokens, double width, double mlp, double layers) {
    const double linear = 2 * tokens * width * (4 * width + 2 * mlp);
    const double attention = 4 * tokens * tokens * width;
    return layers * (linear + attention);
}

} // namespace

int main(int argc, char** argv) {
    const Settings settings = parse(argc, argv);
    if (settings.checkpoint.empty()) {
        std::fprintf(stderr, "tower_bench: name a checkpoint\n");
        return 2;
    }
    try {
        ThreadPool pool(settings.threads);
        const auto backend = make_named_backend(settings.device, pool, {});
        ClipModel model(open_checkpoint(settings.checkpoint), *backend,
                        {app::parse_precision(settings.precision, backend->device())});
        const ModelConfig& config = model.config();
        const auto dim = static_cast<std::size_t>(config.embed_dim);
        const auto side = static_cast<std::size_t>(config.vision.image_size);
        const std::size_t each = 3 * side * side;

        std::vector<float> pictures(settings.text == 0 ? settings.count * each : 0);
        constexpr std::size_t kPeriod = 100003;
        for (std::size_t i = 0; i < pictures.size(); ++i)
            pictures[i] =
                i < kPeriod ? std::sin(0.37F * static_cast<float>(i)) : pictures[i - kPeriod];
        std::vector<TokenizedText> texts(settings.text == 0 ? 0 : settings.count);
        for (TokenizedText& text : texts) {
            text.ids.assign(settings.text, 320);
            text.ids.back() = static_cast<std::int32_t>(config.text.vocab_size) - 1;
        }
        std::vector<float> out(settings.count * dim);
        const auto encode_all = [&] {
            for (std::size_t i = 0; i < settings.count; i += settings.batch) {
                const std::size_t n = std::min(settings.batch, settings.count - i);
                const std::span<float> to = std::span(out).subspan(i * dim, n * dim);
                if (settings.text == 0)
                    model.encode_pictures(std::span(pictures).subspan(i * each, n * each), to);
                else
                    model.encode_texts(std::span(texts).subspan(i, n), to);
            }
        };
        encode_all(); // prepares the tower and its scratch memory
        std::vector<double> seconds;
        for (std::size_t r = 0; r < settings.repeat; ++r) {
            const auto start = std::chrono::steady_clock::now();
            encode_all();
            seconds.push_back(
                std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        }
        std::sort(seconds.begin(), seconds.end());
        double flop = 0;
        if (settings.text != 0)
            flop = transformer_flop(static_cast<double>(settings.text), config.text.width,
                                    config.text.mlp_width, config.text.layers);
        else if (config.vision.vit)
            flop = transformer_flop(config.vision.positions(), config.vision.width,
                                    config.vision.mlp_width, config.vision.layers) +
                   2.0 * (config.vision.positions() - 1) * 3 * config.vision.patch_size *
                       config.vision.patch_size * config.vision.width;
        const double count = static_cast<double>(settings.count);
        std::printf(
            "{\"model\":\"%s\",\"device\":\"%s\",\"what\":\"%s\",\"precision\":\"%s\",\"threads\":%"
            "zu,"
            "\"count\":%zu,\"batch\":%zu,\"implementation\":\"%s\",\"per_second_best\":%.2f,"
            "\"per_second_median\":%.2f,\"gflop_per_second_best\":%.1f}\n",
            config.name().c_str(), settings.device.c_str(),
            settings.text == 0 ? "pictures" : "texts", settings.precision.c_str(), pool.size(),
            settings.count, settings.batch, backend->implementation("linear").c_str(),
            count / seconds.front(), count / seconds[seconds.size() / 2],
            flop * count / seconds.front() * 1e-9);
    } catch (const Error& error) {
        std::fprintf(stderr, "tower_bench: %s\n", error.what());
        return 2;
    }
}
