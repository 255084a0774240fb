// SPDX-License-Identifier: MIT
#include "backend/ref/ref_backend.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "backend/ref/attention.hpp"
#include "backend/ref/avg_pool.hpp"
#include "backend/ref/conv2d.hpp"
#include "backend/ref/embedding.hpp"
#include "backend/ref/exact_dots.hpp"
#include "backend/ref/gather_rows.hpp"
#include "backend/ref/l2_normalize.hpp"
#include "backend/ref/layer_norm.hpp"
#include "backend/ref/linear.hpp"
#include "backend/ref/mean_token.hpp"
#include "backend/ref/patch_embedding.hpp"
#include "backend/ref/similarity.hpp"
#include "backend/ref/softmax.hpp"
#include "backend/ref/storage.hpp"
#include "backend/ref/top_k.hpp"

namespace clip {

namespace {

struct RefLinear final : PreparedLinear {
    explicit RefLinear(const LinearWeights& from)
        : PreparedLinear(from.weight.shape[1], from.weight.shape[0]), weight(from.weight.shape) {
        set(from);
    }
    void set(const LinearWeights& from) {
        std::copy_n(from.weight.f32(), weight.numel(), weight.f32());
        bias = from.bias.empty() ? Tensor() : Tensor::to_f32(from.bias);
        ref::round_to_storage(weight.f32(), out_features(), in_features(), from.storage);
    }
    Tensor weight, bias; // bias may be empty
};

struct RefConv2d final : PreparedConv2d {
    explicit RefConv2d(const Conv2dWeights& from)
        : PreparedConv2d(from.weight.shape, from.stride, from.padding), weight(from.weight.shape) {
        set(from);
    }
    void set(const Conv2dWeights& from) {
        std::copy_n(from.weight.f32(), weight.numel(), weight.f32());
        bias = from.bias.empty() ? Tensor() : Tensor::to_f32(from.bias);
        const std::int64_t out = weight.shape()[0];
        ref::round_to_storage(weight.f32(), out, weight.numel() / out, from.storage);
    }
    Tensor weight, bias;
};

template <typename Made, typename Base>
const Made& made_here(const Base* weights) {
    const auto* made = dynamic_cast<const Made*>(weights);
    expect(made != nullptr, "ref backend: weights were prepared by another backend");
    return *made;
}

// A pointer `offset` elements into a view, or null where the view is empty.
float* at(const MutView& view, std::int64_t offset) {
    return view.empty() ? nullptr : view.f32() + offset;
}
const float* at(const ConstView& view, std::int64_t offset) {
    return view.empty() ? nullptr : view.f32() + offset;
}

} // namespace

std::unique_ptr<PreparedLinear> RefBackend::prepare_linear(const LinearWeights& weights) {
    return std::make_unique<RefLinear>(weights);
}

std::unique_ptr<PreparedConv2d> RefBackend::prepare_conv2d(const Conv2dWeights& weights) {
    return std::make_unique<RefConv2d>(weights);
}

void RefBackend::update_linear(PreparedLinear& prepared, const LinearWeights& weights) {
    const_cast<RefLinear&>(made_here<RefLinear>(&prepared)).set(weights);
}

void RefBackend::update_conv2d(PreparedConv2d& prepared, const Conv2dWeights& weights) {
    const_cast<RefConv2d&>(made_here<RefConv2d>(&prepared)).set(weights);
}

void RefBackend::linear(const LinearArgs& args) {
    const auto& weights = made_here<RefLinear>(args.weights);
    const std::int64_t in = weights.in_features();
    const std::int64_t out = weights.out_features();
    for_each(args.x.shape[0], [&](std::int64_t r) {
        ref::linear(args.y.f32() + r * out, at(args.pre_activation, r * out), args.x.f32() + r * in,
                    weights.weight.f32(), at(weights.bias.view(), 0), at(args.residual, r * out),
                    args.activation, 1, in, out);
    });
}

void RefBackend::conv2d(const Conv2dArgs& args) {
    const auto& weights = made_here<RefConv2d>(args.weights);
    const Shape& x = args.x.shape;
    const Shape& y = args.y.shape;
    const Shape& kernel = weights.weight_shape();
    const ref::Conv2dSize size{x[1],
                               x[2],
                               x[3],
                               y[1],
                               y[2],
                               y[3],
                               kernel[2],
                               kernel[3],
                               weights.stride(),
                               weights.padding()};
    for_each(y[0] * y[1], [&](std::int64_t item) {
        const std::int64_t offset = item * y[2] * y[3];
        ref::conv2d_line(args.y.f32() + offset, args.x.f32() + item / y[1] * x[1] * x[2] * x[3],
                         weights.weight.f32(), at(weights.bias.view(), 0),
                         at(args.residual, offset), args.activation, size, item % y[1]);
    });
}

void RefBackend::layer_norm(const LayerNormArgs& args) {
    const std::int64_t width = args.x.shape[1];
    for_each(args.x.shape[0], [&](std::int64_t r) {
        ref::layer_norm(args.y.f32() + r * width, at(args.mean, r), at(args.rstd, r),
                        args.x.f32() + r * width, args.gamma.f32(), args.beta.f32(), args.eps, 1,
                        width);
    });
}

void RefBackend::attention(const AttentionArgs& args) {
    const ref::AttentionSetup<float> setup{
        args.q_f32(),           args.k_f32(),   args.v_f32(),   args.q_stride,
        args.kv_stride,         args.q_offsets, args.k_offsets, args.heads,
        args.head_width,        args.scale,     args.causal,    args.y.f32(),
        at(args.log_sum_exp, 0)};
    const auto sequences = static_cast<std::int64_t>(args.q_offsets.size()) - 1;
    for_each(sequences * setup.heads, [&](std::int64_t item) {
        ref::attention_head(setup, item / setup.heads, item % setup.heads);
    });
}

void RefBackend::patch_embedding(const PatchEmbeddingArgs& args) {
    const auto& weights = made_here<RefLinear>(args.projection);
    const std::int64_t side = args.pictures.shape[3];
    const std::int64_t tokens = args.y.shape[1];
    const std::int64_t width = args.y.shape[2];
    for_each(args.y.shape[0] * tokens, [&](std::int64_t item) {
        std::vector<float> row(static_cast<std::size_t>(weights.in_features()));
        ref::patch_token(args.y.f32() + item * width, row.data(),
                         args.pictures.f32() + item / tokens * 3 * side * side,
                         weights.weight.f32(), args.class_token.f32(), args.positions.f32(), side,
                         std::int64_t{args.patch}, width, item % tokens);
    });
}

void RefBackend::embedding(const EmbeddingArgs& args) {
    visit_floating(args.table.dtype, [&]<typename T>() {
        const auto* table = static_cast<const unsigned char*>(args.table.data);
        const auto load = [table](std::int64_t i) {
            T value;
            std::memcpy(&value, table + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
            return static_cast<float>(value);
        };
        ref::embedding(args.y.f32(), args.ids.data(), args.places.data(), load,
                       args.positions.f32(), args.y.shape[0], args.y.shape[1]);
    });
}

void RefBackend::gather_rows(const GatherRowsArgs& args) {
    ref::gather_rows(args.y.f32(), args.x.f32(), args.rows.data(), args.y.shape[0],
                     args.y.shape[1]);
}

void RefBackend::avg_pool(const AvgPoolArgs& args) {
    const Shape& x = args.x.shape;
    const Shape& y = args.y.shape;
    for_each(x[0], [&](std::int64_t n) {
        ref::avg_pool(args.y.f32() + n * y[1] * y[2] * y[3], args.x.f32() + n * x[1] * x[2] * x[3],
                      x[1], x[2], x[3], std::int64_t{args.window});
    });
}

void RefBackend::mean_token(const MeanTokenArgs& args) {
    const Shape& x = args.x.shape;
    for_each(x[0], [&](std::int64_t n) {
        ref::mean_token(args.y.f32() + n * (x[1] + 1) * x[2], args.x.f32() + n * x[1] * x[2],
                        args.positions.f32(), x[1], x[2]);
    });
}

void RefBackend::l2_normalize(const L2NormalizeArgs& args) {
    const std::int64_t width = args.x.shape[1];
    for_each(args.x.shape[0], [&](std::int64_t r) {
        ref::l2_normalize(args.y.f32() + r * width, at(args.norms, r), args.x.f32() + r * width, 1,
                          width);
    });
}

void RefBackend::similarity(const SimilarityArgs& args) {
    const std::int64_t width = args.a.shape[1];
    const std::int64_t candidates = args.b.shape[0];
    for_each(args.a.shape[0], [&](std::int64_t r) {
        ref::similarity(args.y.f32() + r * candidates, args.a.f32() + r * width, args.b.f32(),
                        args.scale, 1, candidates, width);
    });
}

void RefBackend::softmax(const SoftmaxArgs& args) {
    const std::int64_t count = args.x.shape[1];
    for_each(args.x.shape[0], [&](std::int64_t r) {
        ref::softmax(args.y.f32() + r * count, args.x.f32() + r * count, 1, count);
    });
}

void RefBackend::top_k(const TopKArgs& args) {
    const std::int64_t count = args.x.shape[1];
    for_each(args.x.shape[0], [&](std::int64_t r) {
        ref::top_k(args.values.f32() + r * args.k, args.indices.data() + r * args.k,
                   args.x.f32() + r * count, 1, count, args.k);
    });
}

namespace {

struct RefScreen final : PreparedScreen {
    explicit RefScreen(const ConstView& from)
        : PreparedScreen(from.shape[0], from.shape[1]), unit(Tensor::to_f32(from)) {}
    Tensor unit;
};

} // namespace

void RefBackend::exact_dots(const ExactDotsArgs& args) {
    const std::int64_t width = args.rows.shape[1];
    const std::int64_t queries = args.queries.empty() ? 0 : args.queries.shape[0];
    for_each(args.rows.shape[0], [&](std::int64_t r) {
        visit_floating(args.rows.dtype, [&]<typename T>() {
            const T* row = args.rows.as<T>() + r * width;
            for (std::int64_t q = 0; q < queries; ++q)
                args.dots[static_cast<std::size_t>(r * queries + q)] =
                    ref::exact_dot(row, args.queries.f32() + q * width, width);
            if (!args.norms2.empty())
                args.norms2[static_cast<std::size_t>(r)] = ref::exact_dot(row, row, width);
        });
    });
}

std::unique_ptr<PreparedScreen> RefBackend::prepare_screen(const ConstView& queries) {
    return std::make_unique<RefScreen>(queries);
}

void RefBackend::screen(const ScreenArgs& args) {
    const auto& queries = made_here<RefScreen>(args.queries);
    const std::int64_t width = queries.width();
    // What the float32 unit query and the two roundings may be off by.
    constexpr double kSlack = 1e-6;
    for (std::int64_t r = 0; r < args.rows.shape[0]; ++r)
        visit_floating(args.rows.dtype, [&]<typename T>() {
            const double inverse = args.inverse_norms[static_cast<std::size_t>(r)];
            for (std::int64_t q = 0; q < queries.queries(); ++q)
                if (ref::exact_dot(args.rows.as<T>() + r * width, queries.unit.f32() + q * width,
                                   width) *
                            inverse +
                        kSlack >=
                    static_cast<double>(args.limits[static_cast<std::size_t>(q)]))
                    args.pairs->push_back(
                        {static_cast<std::int32_t>(r), static_cast<std::int32_t>(q)});
        });
}

} // namespace clip
