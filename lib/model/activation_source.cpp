// SPDX-License-Identifier: MIT
#include "model/activation_source.hpp"

#include <filesystem>
#include <optional>

#include "base/concat.hpp"
#include "io/mapped_file.hpp"

namespace clip {

namespace {

constexpr std::size_t kMaxParamsBytes = std::size_t{1} << 20;

bool names_quick_gelu(std::string_view model) {
    return model.find("quickgelu") != std::string_view::npos;
}

/// The value of "key: value" in the params.txt that open_clip writes for a run.
std::optional<std::string> param(std::string_view text, std::string_view key) {
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const std::string_view line = text.substr(begin, end - begin);
        if (line.starts_with(key) && line.substr(key.size()).starts_with(": "))
            return std::string(line.substr(key.size() + 2));
        begin = end + 1;
    }
    return {};
}

struct Decision {
    Activation activation;
    std::string source;
    bool assumed;
};

std::optional<Decision> from_params(const std::string& path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error))
        return {};
    const auto file = io::MappedFile::open(path);
    const auto bytes = file->bytes();
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                                std::min(bytes.size(), kMaxParamsBytes));
    const auto model = param(text, "model");
    if (!model)
        return {};
    const bool quick = names_quick_gelu(*model) || param(text, "force_quick_gelu") == "True";
    return Decision{quick ? Activation::quick_gelu : Activation::gelu, path, false};
}

Decision decide(const LoadedTensors& loaded, const std::string& layout,
                const CheckpointFiles& files) {
    namespace fs = std::filesystem;
    if (layout == "openai-jit")
        return {Activation::quick_gelu, "a TorchScript archive, as OpenAI published its weights",
                false};
    if (layout == "hf")
        return {Activation::quick_gelu,
                "assumed: quick_gelu, as transformers does (no config.json)", true};
    const fs::path file = files.weights.empty() ? fs::path() : fs::path(files.weights[0]);
    if (layout == "open_clip-train") {
        const auto& metadata = loaded.store.metadata();
        const auto run = metadata.find("name");
        if (run != metadata.end() && run->second.find("model_") != std::string::npos)
            return {names_quick_gelu(run->second) ? Activation::quick_gelu : Activation::gelu,
                    "the run's name, " + run->second, false};
        for (const fs::path& folder : {fs::path(files.folder), fs::path(files.folder) / ".."})
            if (auto decision = from_params((folder / "params.txt").string()))
                return *std::move(decision);
        return {Activation::quick_gelu,
                "assumed: quick_gelu, CLIP's own (neither the run's name nor a params.txt says); a "
                "model trained by open_clip under a name without -quickgelu needs gelu",
                true};
    }
    if (file.filename().string().starts_with("open_clip"))
        return {Activation::gelu, "assumed: gelu, as open_clip does (no open_clip_config.json)",
                true};
    return {
        Activation::quick_gelu,
        "assumed: quick_gelu, as in all weights that OpenAI published (a state dict does not say)",
        true};
}

} // namespace

void decide_activation(const LoadedTensors& loaded, const std::string& layout,
                       const CheckpointFiles& files, ModelConfig& config) {
    Decision decision = decide(loaded, layout, files);
    config.vision.activation = config.text.activation = decision.activation;
    config.activation_source = std::move(decision.source);
    config.activation_assumed = decision.assumed;
}

} // namespace clip
