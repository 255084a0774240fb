// SPDX-License-Identifier: MIT
#include "model/digest.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <memory>
#include <openssl/evp.h>

#include "base/concat.hpp"

namespace clip {

namespace {

constexpr std::int64_t kSamples = 8;
constexpr std::size_t kDigits = 12;
constexpr std::uint32_t kOneNan = 0x7fc00000U;

class Sha256 {
  public:
    Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
        check(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
    }
    void add(const void* data, std::size_t size) {
        check(EVP_DigestUpdate(context_.get(), data, size) == 1);
    }
    std::string hex() {
        std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
        unsigned int size = 0;
        check(EVP_DigestFinal_ex(context_.get(), bytes.data(), &size) == 1);
        std::string text;
        for (unsigned int i = 0; i < size; ++i) {
            text += "0123456789abcdef"[bytes[i] >> 4];
            text += "0123456789abcdef"[bytes[i] & 15];
        }
        return text;
    }

  private:
    static void check(bool done) {
        if (!done)
            fail(ErrorCode::io_failure, "compute digest: SHA-256 failed");
    }
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

void add_sample(Sha256& sha, const Weights& weights, const std::string& name, std::int64_t at) {
    float value = 0.0F;
    weights.load_range_f32(name, at, 1, &value);
    const std::uint32_t bits = std::isnan(value) ? kOneNan : std::bit_cast<std::uint32_t>(value);
    const std::array<unsigned char, 4> bytes{
        static_cast<unsigned char>(bits), static_cast<unsigned char>(bits >> 8),
        static_cast<unsigned char>(bits >> 16), static_cast<unsigned char>(bits >> 24)};
    sha.add(bytes.data(), bytes.size());
}

} // namespace

std::string weights_digest(const Weights& weights) {
    Sha256 sha;
    const std::string version = "clip-weights 1\n";
    sha.add(version.data(), version.size());
    for (const Weights::Entry& entry : weights.entries()) {
        const std::string line = concat(entry.name, " ", entry.shape.to_string(), "\n");
        sha.add(line.data(), line.size());
        const std::int64_t numel = entry.shape.numel();
        const std::int64_t count = std::min(numel, kSamples);
        for (std::int64_t i = 0; i < count; ++i)
            add_sample(sha, weights, entry.name, i * numel / count);
        if (numel > 0)
            add_sample(sha, weights, entry.name, numel - 1);
    }
    return sha.hex().substr(0, kDigits);
}

std::string bytes_digest(std::string_view bytes) {
    Sha256 sha;
    sha.add(bytes.data(), bytes.size());
    return sha.hex().substr(0, kDigits);
}

} // namespace clip
