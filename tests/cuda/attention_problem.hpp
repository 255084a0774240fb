// SPDX-License-Identifier: MIT
// Attention of some sequences, computed by the reference and by the emulated device.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend/ref/attention.hpp"
#include "cuda/device_call.hpp"
#include "ops/attention.hpp"

namespace clip::test {

/// How the tensors of a call lie in memory.
struct AttentionLayout {
    /// Of q, k and v, the problem's where it is not given; of all in the backward pass, there f32.
    std::optional<DType> dtype;
    DType y_dtype = DType::f32;
    std::int64_t offset = 0; ///< elements after an aligned address, of every tensor
    std::int64_t gap = 0;    ///< elements between rows
};

struct AttentionProblem {
    using Offsets = std::vector<std::int64_t>;

    /// Without lengths of keys they are those of the queries. Values are such as `type` holds.
    AttentionProblem(int heads_, int width_, Offsets queries, Offsets keys, bool causal_,
                     DType type)
        : heads(heads_), width(width_), q_lengths(std::move(queries)),
          k_lengths(keys.empty() ? q_lengths : std::move(keys)), causal(causal_), dtype(type),
          scale(1 / std::sqrt(static_cast<float>(width))), q(made(q_lengths, 1)),
          k(made(k_lengths, 2)), v(made(k_lengths, 3)), grad_y(made(q_lengths, 4)) {}

    std::int64_t row_width() const { return std::int64_t{heads} * width; }
    std::string name() const {
        return concat("attention ", heads, " x ", width, ", ", dtype_name(dtype),
                      causal ? ", causal" : "", ", scale ", scale);
    }

    template <typename T>
    struct Solved {
        std::vector<T> y, log_sum_exp, grad_q, grad_k, grad_v;
    };
    template <typename T>
    Solved<T> forward() const {
        const auto qs = as<T>(q), ks = as<T>(k), vs = as<T>(v);
        const Offsets q_offsets = offsets(q_lengths), k_offsets = offsets(k_lengths);
        Solved<T> solved;
        solved.y.resize(q.size());
        solved.log_sum_exp.resize(q.size() / static_cast<std::size_t>(width));
        ref::attention(ref::AttentionSetup<T>{
            qs.data(), ks.data(), vs.data(), row_width(), row_width(), q_offsets, k_offsets, heads,
            width, T(scale), causal, solved.y.data(), solved.log_sum_exp.data()});
        return solved;
    }
    /// Gradients from y and log_sum_exp as float32 holds them.
    template <typename T>
    Solved<T> backward(const std::vector<float>& y, const std::vector<float>& log_sum_exp) const {
        const auto qs = as<T>(q), ks = as<T>(k), vs = as<T>(v), gs = as<T>(grad_y);
        const Offsets q_offsets = offsets(q_lengths), k_offsets = offsets(k_lengths);
        Solved<T> solved{as<T>(y), as<T>(log_sum_exp), std::vector<T>(q.size()),
                         std::vector<T>(k.size()), std::vector<T>(k.size())};
        const ref::AttentionBackwardSetup<T> setup{qs.data(),
                                                   ks.data(),
                                                   vs.data(),
                                                   row_width(),
                                                   row_width(),
                                                   q_offsets,
                                                   k_offsets,
                                                   heads,
                                                   width,
                                                   T(scale),
                                                   causal,
                                                   solved.y.data(),
                                                   solved.log_sum_exp.data(),
                                                   gs.data(),
                                                   solved.grad_q.data(),
                                                   solved.grad_k.data(),
                                                   solved.grad_v.data(),
                                                   row_width(),
                                                   row_width()};
        for (std::size_t n = 0; n < q_lengths.size(); ++n)
            for (int h = 0; h < heads; ++h)
                ref::attention_backward_head(setup, static_cast<std::int64_t>(n), h);
        return solved;
    }

    /// y and log_sum_exp of sequences [first, first + count), by default of all.
    Results run(EmulatedDevice& device, const AttentionLayout& layout, std::size_t first = 0,
                std::size_t count = 0) const {
        Part part(*this, first, count);
        DeviceCall call(device);
        AttentionArgs args;
        args.dtype = layout.dtype.value_or(dtype);
        args.q_stride = args.kv_stride = row_width() + layout.gap;
        args.q = place(call, part.rows(q, part.q_rows), layout, args.dtype).data;
        args.k = place(call, part.rows(k, part.k_rows), layout, args.dtype).data;
        args.v = place(call, part.rows(v, part.k_rows), layout, args.dtype).data;
        set(args, part);
        const std::int64_t rows = part.q_offsets.back();
        args.y = call.out({rows, row_width()}, layout.y_dtype, layout.offset);
        args.log_sum_exp = call.out({rows, heads}, DType::f32, layout.offset);
        ops::attention(device.backend(), args);
        return call.results();
    }
    /// grad_q, grad_k and grad_v, each with its gaps.
    Results run_backward(EmulatedDevice& device, const AttentionLayout& layout,
                         const std::vector<float>& y, const std::vector<float>& log_sum_exp,
                         std::size_t first = 0, std::size_t count = 0) const {
        Part part(*this, first, count);
        DeviceCall call(device);
        AttentionBackwardArgs args;
        args.q_stride = args.kv_stride = args.grad_q_stride = args.grad_kv_stride =
            row_width() + layout.gap;
        args.dtype = layout.dtype.value_or(DType::f32);
        args.q = place(call, part.rows(q, part.q_rows), layout, args.dtype).data;
        args.k = place(call, part.rows(k, part.k_rows), layout, args.dtype).data;
        args.v = place(call, part.rows(v, part.k_rows), layout, args.dtype).data;
        set(args, part);
        const std::int64_t rows = part.q_offsets.back(), k_rows = part.k_offsets.back();
        const auto in = [&](const std::vector<float>& all, std::int64_t each, DType type) {
            return call.in(
                {all.begin() + part.q_rows.first * each, all.begin() + part.q_rows.second * each},
                {rows, each}, type, layout.offset);
        };
        args.y = in(y, row_width(), args.dtype);
        args.log_sum_exp = in(log_sum_exp, heads, DType::f32);
        args.grad_y = in(grad_y, row_width(), args.dtype);
        const auto out = [&](std::int64_t count_of_rows) {
            return call
                .in_out(std::vector<float>(
                            static_cast<std::size_t>(count_of_rows * args.grad_q_stride), kGap),
                        {count_of_rows, args.grad_q_stride}, args.dtype, layout.offset)
                .data;
        };
        args.grad_q = out(rows);
        args.grad_k = out(k_rows);
        args.grad_v = out(k_rows);
        ops::attention_backward(device.backend(), args);
        Results results = call.results();
        for (std::vector<float>& result : results)
            result = without_gaps(result, layout.gap);
        return results;
    }

    std::vector<float> part_of_y(const std::vector<float>& y, std::size_t sequence) const {
        return Part(*this, sequence, 1).rows(y, Part(*this, sequence, 1).q_rows);
    }
    std::vector<float> part_of_k(const std::vector<float>& grad_k, std::size_t sequence) const {
        return Part(*this, sequence, 1).rows(grad_k, Part(*this, sequence, 1).k_rows);
    }

    int heads, width;
    Offsets q_lengths, k_lengths;
    bool causal;
    DType dtype;
    float scale;
    std::vector<float> q, k, v, grad_y;

  private:
    static constexpr float kGap = 55; // what lies between rows of gradients, and must stay

    static Offsets offsets(const Offsets& lengths) {
        Offsets all{0};
        for (const std::int64_t length : lengths)
            all.push_back(all.back() + length);
        return all;
    }
    std::vector<float> made(const Offsets& lengths, std::uint64_t seed) const {
        return rounded(values(offsets(lengths).back() * row_width(), seed), dtype);
    }

    /// Some of the sequences.
    struct Part {
        Part(const AttentionProblem& of, std::size_t first, std::size_t count)
            : width(of.row_width()) {
            const Offsets q_all = offsets(of.q_lengths), k_all = offsets(of.k_lengths);
            const std::size_t end = count == 0 ? of.q_lengths.size() : first + count;
            for (std::size_t n = first; n <= end; ++n) {
                q_offsets.push_back(q_all[n] - q_all[first]);
                k_offsets.push_back(k_all[n] - k_all[first]);
            }
            q_rows = {q_all[first], q_all[end]};
            k_rows = {k_all[first], k_all[end]};
        }
        std::vector<float> rows(const std::vector<float>& all,
                                std::pair<std::int64_t, std::int64_t> range) const {
            return {all.begin() + range.first * width, all.begin() + range.second * width};
        }
        std::int64_t width;
        Offsets q_offsets, k_offsets;
        std::pair<std::int64_t, std::int64_t> q_rows, k_rows;
    };

    template <typename Args>
    void set(Args& args, const Part& part) const {
        args.q_offsets = part.q_offsets;
        args.k_offsets = part.k_offsets;
        args.heads = heads;
        args.head_width = width;
        args.scale = scale;
        args.causal = causal;
    }
    /// Rows with NaN between them.
    ConstView place(DeviceCall& call, const std::vector<float>& rows, const AttentionLayout& layout,
                    DType type) const {
        const std::int64_t each = row_width();
        const std::int64_t count = static_cast<std::int64_t>(rows.size()) / each;
        std::vector<float> wide;
        for (std::int64_t r = 0; r < count; ++r) {
            wide.insert(wide.end(), rows.begin() + r * each, rows.begin() + (r + 1) * each);
            wide.insert(wide.end(), static_cast<std::size_t>(layout.gap),
                        std::numeric_limits<float>::quiet_NaN());
        }
        return call.in(wide, {count, each + layout.gap}, type, layout.offset);
    }
    std::vector<float> without_gaps(const std::vector<float>& wide, std::int64_t gap) const {
        std::vector<float> rows;
        bool untouched = true;
        const std::int64_t each = row_width(), stride = each + gap;
        for (std::int64_t r = 0; r < static_cast<std::int64_t>(wide.size()) / stride; ++r) {
            for (std::int64_t i = each; i < stride; ++i)
                untouched = untouched && wide[static_cast<std::size_t>(r * stride + i)] == kGap;
            rows.insert(rows.end(), wide.begin() + r * stride, wide.begin() + r * stride + each);
        }
        REQUIRE(untouched);
        return rows;
    }
};

} // namespace clip::test
