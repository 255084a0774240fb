// SPDX-License-Identifier: MIT
#include "cuda_cases.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/concat.hpp"
#include "base/dtype.hpp"

namespace clip::bench {

namespace {

/// What an op works on; it lives as long as the op does.
class Operands {
  public:
    explicit Operands(Backend& backend) : memory_(backend.memory()) {}

    /// Values between -scale and scale, the same in every run. Some thousand rows of them come
    /// again and again: to make 300 million takes longer than all that is to be timed.
    MutView random(const Shape& shape, float scale, DType dtype = DType::f32) {
        constexpr std::size_t kPeriod = (std::size_t{1} << 21U) - 9; // a prime number
        std::vector<float> values(std::min(static_cast<std::size_t>(shape.numel()), kPeriod));
        std::uint64_t state = 2 * tensors_.size() + 1;
        for (float& value : values) {
            state = state * 6364136223846793005U + 1442695040888963407U;
            value = scale * (static_cast<float>(state >> 40U) / 8388608.0F - 1.0F);
        }
        Tensor host(shape, dtype);
        auto* const bytes = static_cast<std::byte*>(host.view().data);
        convert_from_f32(bytes, dtype, values.data(), values.size());
        const std::size_t all = host.view().bytes();
        for (std::size_t there = values.size() * dtype_size(dtype); there < all; there *= 2)
            std::memcpy(bytes + there, bytes, std::min(there, all - there));
        tensors_.push_back(to_memory(host.view(), memory_));
        return tensors_.back().view();
    }
    MutView empty(const Shape& shape, DType dtype = DType::f32) {
        tensors_.emplace_back(shape, dtype, memory_);
        return tensors_.back().view();
    }

    std::unique_ptr<PreparedLinear> weights;
    std::vector<std::int64_t> offsets; ///< of sequences, or row numbers
    std::vector<std::int64_t> indices;
    std::vector<std::int32_t> ids;
    std::vector<float> numbers;
    /// Pictures on the host: bytes, and what follows from them.
    std::vector<std::uint8_t> pixels;
    std::vector<std::int32_t> first, count, weight;
    std::vector<SourcePicture> pictures;

  private:
    Memory& memory_;
    std::vector<Tensor> tensors_;
};

/// A case from make(backend, operands) -> ReadyOp.
template <typename Make>
GpuCase make_case(std::string op, std::string shape, DType dtype, double flop, double bytes,
                  Peak peak, const Make& make) {
    const auto make_ready = [make](cuda::CudaBackend& backend) {
        auto operands = std::make_shared<Operands>(backend);
        ReadyOp ready = make(backend, *operands);
        ready.run = [operands, run = std::move(ready.run)] { run(); };
        return ready;
    };
    return {std::move(op), std::move(shape), std::string(dtype_name(dtype)), flop, bytes,
            peak,          make_ready};
}

GpuCase linear_case(const char* name, std::int64_t rows, std::int64_t in, std::int64_t out,
                    Activation activation, bool has_residual, DType dtype) {
    const auto wide = static_cast<double>(dtype_size(dtype));
    const auto r = static_cast<double>(rows), i = static_cast<double>(in),
               o = static_cast<double>(out);
    const double bytes = wide * (r * i + i * o) + r * o * (has_residual ? 8 : wide);
    return make_case(concat("linear ", name), concat(rows, "x", in, "x", out), dtype, 2 * r * i * o,
                     bytes, dtype == DType::f32 ? Peak::tensor_32 : Peak::tensor_16,
                     [=](cuda::CudaBackend& backend, Operands& operands) {
                         LinearArgs args;
                         args.x = operands.random({rows, in}, 1, dtype);
                         operands.weights = backend.prepare_linear(
                             {operands.random({out, in}, 0.05F), operands.random({out}, 1), dtype});
                         args.weights = operands.weights.get();
                         args.activation = activation;
                         if (has_residual)
                             args.residual = operands.random({rows, out}, 1);
                         args.y = operands.empty({rows, out}, has_residual ? DType::f32 : dtype);
                         return ReadyOp{[=, &backend] { backend.linear(args); }, {args.y}};
                     });
}

/// Between layers of `dtype`: to be run with the same --compute.
GpuCase linear_backward_case(std::int64_t rows, std::int64_t in, std::int64_t out, DType dtype) {
    const double product = 2.0 * static_cast<double>(rows * in * out);
    const auto wide = static_cast<double>(dtype_size(dtype));
    const double bytes = wide * static_cast<double>(2 * rows * in + rows * out) +
                         12.0 * static_cast<double>(in * out);
    return make_case("linear backward", concat(rows, "x", in, "x", out), dtype, 2 * product, bytes,
                     dtype == DType::f32 ? Peak::tensor_32 : Peak::tensor_16,
                     [=](cuda::CudaBackend& backend, Operands& operands) {
                         LinearBackwardArgs args;
                         args.grad_y = operands.random({rows, out}, 1, dtype);
                         args.x = operands.random({rows, in}, 1, dtype);
                         args.weight = operands.random({out, in}, 0.05F);
                         args.grad_x = operands.empty({rows, in}, dtype);
                         args.grad_weight = operands.random({out, in}, 1);
                         args.grad_bias = operands.random({out}, 1);
                         return ReadyOp{[=, &backend] { backend.linear_backward(args); },
                                        {args.grad_x, args.grad_weight}};
                     });
}

GpuCase attention_case(const Architecture& of, DType dtype) {
    const std::int64_t rows = of.rows(), width = of.width;
    const double flop = 4.0 * static_cast<double>(rows * of.tokens() * width);
    const double bytes = 4.0 * static_cast<double>(rows * width) * dtype_size(dtype);
    return make_case("attention", concat(of.batch, "x", of.tokens(), "x", width / 64, "x64"), dtype,
                     flop, bytes, dtype == DType::f32 ? Peak::tensor_32 : Peak::tensor_16,
                     [=](cuda::CudaBackend& backend, Operands& operands) {
                         for (std::int64_t i = 0; i <= of.batch; ++i)
                             operands.offsets.push_back(i * of.tokens());
                         const MutView qkv = operands.random({rows, 3 * width}, 1, dtype);
                         const auto part = [&](std::int64_t i) {
                             return part_of(ConstView(qkv), i * width, Shape{1, width}).data;
                         };
                         AttentionArgs args;
                         args.q = part(0);
                         args.k = part(1);
                         args.v = part(2);
                         args.dtype = dtype;
                         args.q_stride = args.kv_stride = 3 * width;
                         args.q_offsets = args.k_offsets = operands.offsets;
                         args.heads = static_cast<int>(width / 64);
                         args.head_width = 64;
                         args.scale = 0.125F;
                         args.y = operands.empty({rows, width}, dtype);
                         return ReadyOp{[=, &backend] { backend.attention(args); }, {args.y}};
                     });
}

GpuCase attention_backward_case(const Architecture& of, DType dtype) {
    const std::int64_t rows = of.rows(), width = of.width;
    const double flop = 14.0 * static_cast<double>(rows * of.tokens() * width);
    const double bytes = 13.0 * static_cast<double>(rows * width) * dtype_size(dtype);
    return make_case(
        "attention backward", concat(of.batch, "x", of.tokens(), "x", width / 64, "x64"), dtype,
        flop, bytes, dtype == DType::f32 ? Peak::tensor_32 : Peak::tensor_16,
        [=](cuda::CudaBackend& backend, Operands& operands) {
            for (std::int64_t i = 0; i <= of.batch; ++i)
                operands.offsets.push_back(i * of.tokens());
            const MutView qkv = operands.random({rows, 3 * width}, 1, dtype);
            const MutView grads = operands.random({rows, 3 * width}, 1, dtype);
            const auto part = [&](const MutView& rows_of, std::int64_t i) {
                return part_of(rows_of, i * width, Shape{1, width}).data;
            };
            AttentionBackwardArgs args;
            args.q = part(qkv, 0);
            args.k = part(qkv, 1);
            args.v = part(qkv, 2);
            args.dtype = dtype;
            args.q_stride = args.kv_stride = args.grad_q_stride = args.grad_kv_stride = 3 * width;
            args.q_offsets = args.k_offsets = operands.offsets;
            args.heads = static_cast<int>(width / 64);
            args.head_width = 64;
            args.scale = 0.125F;
            args.y = operands.random({rows, width}, 1, dtype);
            args.log_sum_exp = operands.random({rows, args.heads}, 1);
            args.grad_y = operands.random({rows, width}, 1, dtype);
            args.grad_q = part(grads, 0);
            args.grad_k = part(grads, 1);
            args.grad_v = part(grads, 2);
            return ReadyOp{[=, &backend] { backend.attention_backward(args); }, {grads}};
        });
}

/// grad_y is of `dtype`, all else float32.
GpuCase layer_norm_backward_case(const Architecture& of, DType dtype) {
    const std::int64_t rows = of.rows(), width = of.width;
    const double bytes =
        static_cast<double>(rows * width) * (16.0 + 2.0 * static_cast<double>(dtype_size(dtype)));
    return make_case("layer norm backward", concat(rows, "x", width), dtype, 0, bytes, Peak::memory,
                     [=](cuda::CudaBackend& backend, Operands& operands) {
                         LayerNormBackwardArgs args;
                         args.x = operands.random({rows, width}, 1);
                         args.gamma = operands.random({width}, 1);
                         args.mean = operands.random({rows}, 0.1F);
                         args.rstd = operands.random({rows}, 1);
                         args.grad_y = operands.random({rows, width}, 1, dtype);
                         args.residual = operands.random({rows, width}, 1);
                         args.grad_x = operands.empty({rows, width});
                         args.grad_gamma = operands.random({width}, 1);
                         args.grad_beta = operands.random({width}, 1);
                         return ReadyOp{[=, &backend] { backend.layer_norm_backward(args); },
                                        {args.grad_x, args.grad_gamma}};
                     });
}

GpuCase layer_norm_case(const Architecture& of, DType dtype) {
    const std::int64_t rows = of.rows(), width = of.width;
    const double bytes =
        static_cast<double>(rows * width) * (4.0 + static_cast<double>(dtype_size(dtype)));
    return make_case("layer norm", concat(rows, "x", width), dtype, 0, bytes, Peak::memory,
                     [=](cuda::CudaBackend& backend, Operands& operands) {
                         LayerNormArgs args;
                         args.x = operands.random({rows, width}, 1);
                         args.gamma = operands.random({width}, 1);
                         args.beta = operands.random({width}, 1);
                         args.y = operands.empty({rows, width}, dtype);
                         return ReadyOp{[=, &backend] { backend.layer_norm(args); }, {args.y}};
                     });
}

/// Pictures of 500 x 375. That they go up is in the time.
GpuCase preprocess_case(const Architecture& of) {
    constexpr std::int64_t kWidth = 500, kHeight = 375, kTaps = 7, kBytes = kWidth * kHeight * 3;
    const std::int64_t side = of.side;
    const auto each = static_cast<double>(3 * kBytes + 6 * kHeight * side + 12 * side * side);
    return make_case(
        "preprocess, with upload", concat(of.batch, "x", kWidth, "x", kHeight), DType::f32, 0,
        static_cast<double>(of.batch) * each, Peak::memory,
        [=](cuda::CudaBackend& backend, Operands& operands) {
            for (std::int64_t i = 0; i < kBytes; ++i)
                operands.pixels.push_back(static_cast<std::uint8_t>(i * i));
            for (std::int64_t i = 0; i < side; ++i)
                operands.first.push_back(static_cast<std::int32_t>(i * (kHeight - kTaps) / side));
            operands.count.assign(operands.first.size(), kTaps);
            operands.weight.assign(operands.first.size() * kTaps, (1 << 22) / kTaps);
            const ResizeAxis axis{operands.first, operands.count, operands.weight, kTaps};
            for (std::int64_t i = 0; i < of.batch; ++i)
                operands.pictures.push_back({operands.pixels, kHeight, kWidth, axis, axis, i});
            PreprocessArgs args{.pictures = operands.pictures,
                                .y = operands.empty({of.batch, 3, side, side})};
            return ReadyOp{[=, &backend] { backend.preprocess(args); }, {args.y}};
        });
}

GpuCase similarity_case(const Architecture& of, std::int64_t labels) {
    const std::int64_t width = of.embed;
    const double flop = 2.0 * static_cast<double>(of.batch * labels * width);
    const double bytes = 4.0 * static_cast<double>((of.batch + labels) * width + of.batch * labels);
    return make_case("similarity", concat(of.batch, "x", labels, "x", width), DType::f32, flop,
                     bytes, Peak::tensor_32, [=](cuda::CudaBackend& backend, Operands& operands) {
                         SimilarityArgs args;
                         args.a = operands.random({of.batch, width}, 0.1F);
                         args.b = operands.random({labels, width}, 0.1F);
                         args.scale = 100;
                         args.y = operands.empty({of.batch, labels});
                         return ReadyOp{[=, &backend] { backend.similarity(args); }, {args.y}};
                     });
}

/// Its indices go to the host, which is in the time.
GpuCase similarity_top_k_case(const Architecture& of, std::int64_t labels) {
    constexpr std::int64_t kWanted = 5;
    const std::int64_t width = of.embed;
    const double flop = 2.0 * static_cast<double>(of.batch * labels * width);
    const double bytes = 4.0 * static_cast<double>((of.batch + labels) * width);
    return make_case(
        "similarity top k", concat(of.batch, "x", labels, "x", width, ", k 5"), DType::f32, flop,
        bytes, Peak::tensor_32, [=](cuda::CudaBackend& backend, Operands& operands) {
            operands.indices.resize(static_cast<std::size_t>(of.batch * kWanted));
            SimilarityTopKArgs args;
            args.queries = operands.random({of.batch, width}, 0.1F);
            args.rows = operands.random({labels, width}, 0.1F);
            args.scale = 100;
            args.k = kWanted;
            args.values = operands.empty({of.batch, kWanted});
            args.indices = operands.indices;
            return ReadyOp{[=, &backend] { backend.similarity_top_k(args); }, {args.values}};
        });
}

GpuCase contrastive_case(const Architecture& of, bool backward) {
    const std::int64_t count = of.batch, width = of.embed;
    const double flop = (backward ? 4.0 : 2.0) * static_cast<double>(count * count * width);
    const double bytes = 4.0 * static_cast<double>((backward ? 3 : 2) * count * width);
    return make_case(
        backward ? "contrastive rows backward" : "contrastive rows",
        concat(count, "x", count, "x", width), DType::f32, flop, bytes, Peak::tensor_32,
        [=](cuda::CudaBackend& backend, Operands& operands) {
            const ConstView rows = operands.random({count, width}, 0.1F);
            const ConstView columns = operands.random({count, width}, 0.1F);
            const MutView sums = operands.random({count}, 1);
            if (!backward) {
                const MutView target = operands.empty({count});
                const ContrastiveRowsArgs args{rows, columns, 0, 20, sums, target};
                return ReadyOp{[=, &backend] { backend.contrastive_rows(args); }, {sums, target}};
            }
            const ContrastiveRowsBackwardArgs args{
                rows, columns, 0, 1, sums, sums, 0.01F, operands.empty({count, width})};
            return ReadyOp{[=, &backend] { backend.contrastive_rows_backward(args); },
                           {args.grad_rows}};
        });
}

/// Logits over the vocabulary of CLIP's texts, with one token a row. They become their gradient,
/// and then that of the gradient: the time is the same.
GpuCase token_loss_case(const Architecture& of) {
    constexpr std::int64_t kVocabulary = 49408;
    const std::int64_t rows = 4 * of.batch;
    return make_case("token loss", concat(rows, "x", kVocabulary), DType::f32, 0,
                     12.0 * static_cast<double>(rows * kVocabulary), Peak::memory,
                     [=](cuda::CudaBackend& backend, Operands& operands) {
                         operands.ids.resize(static_cast<std::size_t>(rows));
                         operands.numbers.assign(static_cast<std::size_t>(rows), 1.0F);
                         operands.offsets.assign(1, 0);
                         for (std::int64_t r = 0; r < rows; ++r) {
                             operands.ids[static_cast<std::size_t>(r)] =
                                 static_cast<std::int32_t>(r);
                             operands.offsets.push_back(r + 1);
                         }
                         TokenLossArgs args;
                         args.logits = operands.random({rows, kVocabulary}, 1);
                         args.targets = {.ids = operands.ids, .offsets = operands.offsets};
                         args.weights = operands.numbers;
                         args.losses = operands.empty({2 * rows});
                         args.losses.shape = {rows};
                         args.losses.dtype = DType::f64;
                         return ReadyOp{[=, &backend] { backend.token_loss(args); }, {args.logits}};
                     });
}

} // namespace

std::vector<GpuCase> gpu_cases(const Architecture& of) {
    const std::int64_t rows = of.rows(), width = of.width, mlp = 4 * width;
    std::vector<GpuCase> cases;
    for (const DType dtype : {DType::f16, DType::bf16, DType::f32}) {
        cases.push_back(layer_norm_case(of, dtype));
        cases.push_back(linear_case("qkv", rows, width, 3 * width, Activation::none, false, dtype));
        cases.push_back(attention_case(of, dtype));
        cases.push_back(linear_case("out", rows, width, width, Activation::none, true, dtype));
        cases.push_back(linear_case("up", rows, width, mlp, Activation::quick_gelu, false, dtype));
        cases.push_back(linear_case("down", rows, mlp, width, Activation::none, true, dtype));
    }
    cases.push_back(preprocess_case(of));
    for (const DType dtype : {DType::f16, DType::f32}) {
        cases.push_back(linear_backward_case(rows, width, mlp, dtype));
        cases.push_back(attention_backward_case(of, dtype));
        cases.push_back(layer_norm_backward_case(of, dtype));
    }
    cases.push_back(similarity_case(of, 1000));
    cases.push_back(similarity_top_k_case(of, 1000));
    cases.push_back(contrastive_case(of, false));
    cases.push_back(contrastive_case(of, true));
    cases.push_back(token_loss_case(of));
    return cases;
}

} // namespace clip::bench
