// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <openssl/evp.h>

#include "checkpoint/golden_copy.hpp"
#include "io/safetensors.hpp"
#include "model/checkpoint.hpp"
#include "model/digest.hpp"

using namespace clip;
using namespace clip_test;

namespace {

/// Weights with one tensor "w" of the given bytes.
Weights one_tensor(const TempFolder& folder, const void* data, DType dtype, std::int64_t count) {
    io::write_safetensors(folder / "x", {{"w", ConstView{data, Shape{count}, dtype, {}}}});
    auto store = std::make_shared<const io::TensorStore>(io::read_safetensors(folder / "x"));
    return Weights(store, {{"w", Shape{count}, {0}, false}});
}

std::string sha256_prefix(const std::string& bytes) {
    std::array<unsigned char, 32> out{};
    EVP_Digest(bytes.data(), bytes.size(), out.data(), nullptr, EVP_sha256(), nullptr);
    std::string hex;
    for (std::size_t i = 0; i < 6; ++i) {
        hex += "0123456789abcdef"[out[i] >> 4];
        hex += "0123456789abcdef"[out[i] & 15];
    }
    return hex;
}

} // namespace

TEST_CASE("digest: follows its documented recipe") {
    const TempFolder folder;
    const std::array<float, 3> values{1.0F, -2.0F, 0.5F};
    const std::string one("\0\0\x80\x3f", 4), two("\0\0\0\xc0", 4), half("\0\0\0\x3f", 4);
    CHECK(weights_digest(one_tensor(folder, values.data(), DType::f32, 3)) ==
          sha256_prefix("clip-weights 1\nw (3)\n" + one + two + half + half));
    std::array<float, 20> ramp{};
    std::string sample;
    for (std::size_t i = 0; i < ramp.size(); ++i)
        ramp[i] = static_cast<float>(i);
    for (const std::size_t at : {0, 2, 5, 7, 10, 12, 15, 17, 19})
        sample.append(reinterpret_cast<const char*>(&ramp[at]), 4);
    CHECK(weights_digest(one_tensor(folder, ramp.data(), DType::f32, 20)) ==
          sha256_prefix("clip-weights 1\nw (20)\n" + sample));
}

TEST_CASE("digest: the element type does not count where it holds the values") {
    const TempFolder folder;
    const std::array<float, 4> values{1.0F, -2.0F, 0.5F, 96.0F};
    const std::string digest = weights_digest(one_tensor(folder, values.data(), DType::f32, 4));
    for (const DType dtype : {DType::f16, DType::bf16, DType::f64}) {
        std::array<std::byte, 32> bytes{};
        convert_from_f32(bytes.data(), dtype, values.data(), values.size());
        CHECK(weights_digest(one_tensor(folder, bytes.data(), dtype, 4)) == digest);
    }
    const std::array<float, 4> others{1.0F, -2.0F, 0.5F, 96.5F};
    CHECK(weights_digest(one_tensor(folder, others.data(), DType::f32, 4)) != digest);
}

TEST_CASE("digest: every weight counts, buffers do not") {
    const std::string digest = open_checkpoint(golden("micro-rn-open_clip")).digest;
    const io::TensorStore store =
        io::read_safetensors(golden("micro-rn-open_clip") + "/open_clip_model.safetensors");
    for (const char* changed : {"visual.layer1.0.bn1.running_mean", "ln_final.bias", "logit_scale",
                                "visual.bn1.num_batches_tracked"}) {
        std::vector<std::pair<std::string, ConstView>> tensors;
        std::vector<std::byte> bytes;
        for (const io::StoredTensor& tensor : store.tensors()) {
            ConstView view{tensor.bytes.data(), Shape(std::span(tensor.shape)), tensor.dtype, {}};
            if (tensor.name == changed) {
                bytes.assign(tensor.bytes.begin(), tensor.bytes.end());
                bytes[0] ^= std::byte{1};
                view.data = bytes.data();
            }
            tensors.emplace_back(tensor.name, view);
        }
        const GoldenCopy copy("micro-rn-open_clip");
        io::write_safetensors(copy / "open_clip_model.safetensors", tensors);
        const bool buffer = std::string(changed).ends_with("tracked");
        CHECK_MESSAGE((open_checkpoint(copy.path()).digest == digest) == buffer, changed);
    }
}
