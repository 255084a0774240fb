// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>

#include "ops/cpu_cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Sequences {
    std::vector<std::int64_t> lengths;
    int heads, width;
    bool causal;

    std::int64_t rows() const {
        std::int64_t sum = 0;
        for (const std::int64_t length : lengths)
            sum += length;
        return sum;
    }
    std::int64_t row() const { return std::int64_t{heads} * width; }
    std::vector<std::int64_t> offsets() const {
        std::vector<std::int64_t> at = {0};
        for (const std::int64_t length : lengths)
            at.push_back(at.back() + length);
        return at;
    }

    /// Self-attention over a (q, k, v) buffer; only the last query of each sequence if `last_only`.
    std::vector<float> run(Backend& backend, const std::vector<float>& qkv, bool last_only,
                           std::vector<float>* log_sum_exp = nullptr) const {
        const std::vector<std::int64_t> keys = offsets();
        std::vector<std::int64_t> queries = keys;
        std::vector<float> q;
        if (last_only)
            for (std::size_t i = 0; i < lengths.size(); ++i) {
                queries[i + 1] = static_cast<std::int64_t>(i) + 1;
                const auto begin = qkv.begin() + (keys[i + 1] - 1) * 3 * row();
                q.insert(q.end(), begin, begin + row());
            }
        Unaligned buffer(qkv), pooled(q);
        const std::int64_t count = queries.back();
        Unaligned y(static_cast<std::size_t>(count * row()));
        Unaligned lse(static_cast<std::size_t>(count * heads));
        AttentionArgs args;
        args.q = last_only ? pooled.data() : buffer.data();
        args.k = buffer.data() + row();
        args.v = buffer.data() + 2 * row();
        args.q_stride = last_only ? row() : 3 * row();
        args.kv_stride = 3 * row();
        args.q_offsets = queries;
        args.k_offsets = keys;
        args.heads = heads;
        args.head_width = width;
        args.scale = 1 / std::sqrt(static_cast<float>(width));
        args.causal = causal;
        args.y = y.out({count, row()});
        if (log_sum_exp != nullptr)
            args.log_sum_exp = lse.out({count, heads});
        backend.attention(args);
        CHECK(y.intact());
        CHECK(lse.intact());
        CHECK(same_bits(buffer.copy(), qkv));
        if (log_sum_exp != nullptr)
            *log_sum_exp = lse.copy();
        return y.copy();
    }

    /// In double; also gives the logarithm of each sum.
    void exact(const std::vector<float>& qkv, std::vector<double>& y,
               std::vector<double>& lse) const {
        const std::vector<std::int64_t> at = offsets();
        const double scale = 1 / std::sqrt(static_cast<float>(width));
        for (std::size_t s = 0; s < lengths.size(); ++s)
            for (std::int64_t i = at[s]; i < at[s + 1]; ++i)
                for (int h = 0; h < heads; ++h) {
                    const float* q = qkv.data() + i * 3 * row() + h * width;
                    std::vector<double> weight;
                    for (std::int64_t j = at[s]; j < (causal ? i + 1 : at[s + 1]); ++j) {
                        const float* k = qkv.data() + j * 3 * row() + row() + h * width;
                        double dot = 0;
                        for (int d = 0; d < width; ++d)
                            dot += static_cast<double>(q[d]) * k[d];
                        weight.push_back(dot * scale);
                    }
                    const double most = *std::max_element(weight.begin(), weight.end());
                    double sum = 0;
                    for (double& w : weight)
                        sum += w = std::exp(w - most);
                    lse.push_back(most + std::log(sum));
                    for (int d = 0; d < width; ++d) {
                        double value = 0;
                        for (std::size_t j = 0; j < weight.size(); ++j)
                            value +=
                                weight[j] * qkv[static_cast<std::size_t>(
                                                (at[s] + static_cast<std::int64_t>(j)) * 3 * row() +
                                                2 * row() + h * width + d)];
                        y.push_back(value / sum);
                    }
                }
    }
};

const Sequences kCases[] = {
    {{50, 50}, 3, 64, false}, {{1}, 1, 64, false},        {{5, 77, 1, 16, 33}, 2, 64, true},
    {{257}, 1, 64, false},    {{19, 40}, 2, 8, true},     {{30}, 2, 80, false},
    {{7}, 5, 1, true},        {{100, 577}, 1, 33, false}, {{66}, 1, 64, true},
};

} // namespace

TEST_CASE(
    "cpu attention: right, and the same bits on every instruction set and number of threads") {
    for (const Sequences& test : kCases) {
        const std::vector<float> qkv = spread(test.rows() * 3 * test.row(), 1, 2);
        std::vector<double> want, want_lse;
        test.exact(qkv, want, want_lse);
        std::vector<float> first;
        for (const auto& run : cpu_runs()) {
            INFO(run->name << ", length " << test.lengths[0] << ", width " << test.width);
            std::vector<float> lse;
            const std::vector<float> got = test.run(*run->backend, qkv, false, &lse);
            REQUIRE(got.size() == want.size());
            double worst = 0, worst_lse = 0;
            for (std::size_t i = 0; i < got.size(); ++i)
                worst = std::max(worst, std::fabs(got[i] - want[i]));
            for (std::size_t i = 0; i < lse.size(); ++i)
                worst_lse = std::max(worst_lse, std::fabs(lse[i] - want_lse[i]));
            // Scores up to 32 carry an absolute error of a few units of their last place, 2e-6,
            // which is the relative error of a weight; values are at most 2.
            CHECK(worst <= 1e-5);
            CHECK(worst_lse <= 5e-6);
            if (first.empty())
                first = got;
            CHECK(same_bits(got, first));
        }
    }
}

TEST_CASE("cpu attention: a sequence has the same bits alone as in company") {
    const Sequences all{{9, 77, 20}, 2, 64, true};
    const std::vector<float> qkv = spread(all.rows() * 3 * all.row(), 3, 2);
    for (const auto& run : cpu_runs()) {
        INFO(run->name);
        const std::vector<float> got = all.run(*run->backend, qkv, false);
        const std::vector<std::int64_t> at = all.offsets();
        for (std::size_t i = 0; i < all.lengths.size(); ++i) {
            const Sequences one{{all.lengths[i]}, all.heads, all.width, true};
            const std::vector<float> part(qkv.begin() + at[i] * 3 * all.row(),
                                          qkv.begin() + at[i + 1] * 3 * all.row());
            const std::vector<float> slice(got.begin() + at[i] * all.row(),
                                           got.begin() + at[i + 1] * all.row());
            CHECK(same_bits(one.run(*run->backend, part, false), slice));
        }
    }
}

TEST_CASE("cpu attention: the last query alone has the bits it has among all") {
    for (const Sequences& test : kCases) {
        const std::vector<float> qkv = spread(test.rows() * 3 * test.row(), 5, 2);
        for (const auto& run : cpu_runs()) {
            INFO(run->name << ", length " << test.lengths[0] << ", width " << test.width);
            const std::vector<float> all = test.run(*run->backend, qkv, false);
            std::vector<float> last;
            const std::vector<std::int64_t> at = test.offsets();
            for (std::size_t i = 0; i < test.lengths.size(); ++i)
                last.insert(last.end(), all.begin() + (at[i + 1] - 1) * test.row(),
                            all.begin() + at[i + 1] * test.row());
            CHECK(same_bits(test.run(*run->backend, qkv, true), last));
        }
    }
}
