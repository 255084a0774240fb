// SPDX-License-Identifier: MIT
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <set>
#include <unistd.h>

#include "base/concat.hpp"
#include "io/atomic_file.hpp"
#include "io/safetensors.hpp"

namespace clip::io {

namespace {

const char* element_type(DType dtype) {
    switch (dtype) {
    case DType::f64:
        return "F64";
    case DType::f32:
        return "F32";
    case DType::f16:
        return "F16";
    case DType::bf16:
        return "BF16";
    case DType::i64:
        return "I64";
    case DType::i32:
        return "I32";
    case DType::i16:
        return "I16";
    case DType::i8:
        return "I8";
    case DType::u8:
        return "U8";
    case DType::boolean:
        return "BOOL";
    }
    fail(ErrorCode::internal, "write safetensors: unknown element type");
}

void write_all(const AtomicFile& file, const void* data, std::size_t size) {
    const auto* at = static_cast<const char*>(data);
    while (size > 0) {
        const ssize_t written = ::write(file.fd(), at, size);
        if (written < 0 && errno != EINTR)
            fail_errno(file.name() + ": writing", errno);
        if (written > 0) {
            at += written;
            size -= static_cast<std::size_t>(written);
        }
    }
}

} // namespace

void write_safetensors(const std::string& path,
                       const std::vector<std::pair<std::string, ConstView>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    if (!metadata.empty())
        header["__metadata__"] = metadata;
    std::set<std::string_view> seen;
    std::size_t offset = 0;
    for (const auto& [name, view] : tensors) {
        if (name == "__metadata__" || !seen.insert(name).second)
            fail(ErrorCode::invalid_argument, path + ": two tensors are named " + name);
        const std::span<const std::int64_t> extents = view.shape.extents();
        const std::size_t bytes = view.numel() == 0 ? 0 : view.bytes();
        header[name] = {{"dtype", element_type(view.dtype)},
                        {"shape", std::vector<std::int64_t>(extents.begin(), extents.end())},
                        {"data_offsets", {offset, offset + bytes}}};
        offset += bytes;
    }
    std::string text;
    try {
        text = header.dump();
    } catch (const nlohmann::json::exception& error) {
        fail(ErrorCode::invalid_argument, concat(path, ": writing the header: ", error.what()));
    }
    text.append((8 - text.size() % 8) % 8, ' ');

    std::array<unsigned char, 8> length{};
    for (std::size_t i = 0; i < length.size(); ++i)
        length[i] = static_cast<unsigned char>(text.size() >> (8 * i));
    AtomicFile file(path);
    write_all(file, length.data(), length.size());
    write_all(file, text.data(), text.size());
    for (const auto& [name, view] : tensors)
        if (view.numel() > 0)
            write_all(file, view.data, view.bytes());
    file.commit();
}

} // namespace clip::io
