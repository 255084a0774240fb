// SPDX-License-Identifier: MIT
#include "backend/cpu/cpu_backend.hpp"

#include <algorithm>

#include "backend/cpu/cpu_ops.hpp"
#include "backend/cpu/int8_isa.hpp"
#include "backend/cpu/isa.hpp"
#include "base/concat.hpp"

namespace clip {

namespace {

class CpuBackend : public Backend {
  public:
    CpuBackend(ThreadPool& pool, Isa isa, const cpu::Int8Choice& int8)
        : isa_(isa), int8_(int8),
          scratch_(pool.size()), context_{*cpu::kernels_of(isa), pool, scratch_} {}

    std::string_view name() const override { return "cpu"; }
    ThreadPool& pool() override { return context_.pool; }
    std::string implementation(std::string_view op) const override {
        return std::string(op == "screen" && int8_.table != nullptr ? int8_.name : isa_name(isa_));
    }

    std::unique_ptr<PreparedLinear> prepare_linear(const LinearWeights& weights) override {
        return cpu::prepare_linear(context_, weights);
    }
    std::unique_ptr<PreparedConv2d> prepare_conv2d(const Conv2dWeights& weights) override {
        return cpu::prepare_conv2d(context_, weights);
    }
    std::unique_ptr<PreparedScreen> prepare_screen(const ConstView& queries) override {
        return cpu::prepare_screen(context_, int8_.table, queries);
    }
    void linear(const LinearArgs& args) override { cpu::linear(context_, args); }
    void conv2d(const Conv2dArgs& args) override { cpu::conv2d(context_, args); }
    void layer_norm(const LayerNormArgs& args) override { cpu::layer_norm(context_, args); }
    void attention(const AttentionArgs& args) override { cpu::attention(context_, args); }
    void patch_embedding(const PatchEmbeddingArgs& args) override {
        cpu::patch_embedding(context_, args);
    }
    void embedding(const EmbeddingArgs& args) override { cpu::embedding(context_, args); }
    void gather_rows(const GatherRowsArgs& args) override { cpu::gather_rows(context_, args); }
    void avg_pool(const AvgPoolArgs& args) override { cpu::avg_pool(context_, args); }
    void mean_token(const MeanTokenArgs& args) override { cpu::mean_token(context_, args); }
    void l2_normalize(const L2NormalizeArgs& args) override { cpu::l2_normalize(context_, args); }
    void similarity(const SimilarityArgs& args) override { cpu::similarity(context_, args); }
    void softmax(const SoftmaxArgs& args) override { cpu::softmax(context_, args); }
    void top_k(const TopKArgs& args) override { cpu::top_k(context_, args); }
    void exact_dots(const ExactDotsArgs& args) override { cpu::exact_dots(context_, args); }
    void screen(const ScreenArgs& args) override { cpu::screen(context_, int8_.table, args); }

  private:
    Isa isa_;
    cpu::Int8Choice int8_;
    cpu::ScratchPool scratch_;
    cpu::Context context_;
};

} // namespace

std::vector<std::string_view> usable_int8_names() {
    std::vector<std::string_view> names;
    for (const cpu::Int8Choice& choice : cpu::usable_int8())
        names.push_back(choice.name);
    return names;
}

std::unique_ptr<Backend> make_cpu_backend(ThreadPool& pool, std::unique_ptr<Backend> fallback,
                                          std::optional<Isa> isa,
                                          std::optional<std::string_view> int8) {
    const std::vector<Isa> usable = usable_isas();
    if (isa && std::find(usable.begin(), usable.end(), *isa) == usable.end())
        fail(ErrorCode::unsupported,
             concat("make cpu backend: this CPU or build has no ", isa_name(*isa)));
    if (!isa && usable.back() == Isa::portable && fallback != nullptr)
        return fallback;
    cpu::Int8Choice chosen{"", nullptr};
    for (const cpu::Int8Choice& choice : cpu::usable_int8())
        if (int8 ? choice.name == *int8 : !isa)
            chosen = choice;
    if (int8 && chosen.table == nullptr && !int8->empty())
        fail(ErrorCode::unsupported, concat("make cpu backend: this CPU or build has no ", *int8));
    return std::make_unique<CpuBackend>(pool, isa.value_or(usable.back()), chosen);
}

} // namespace clip
