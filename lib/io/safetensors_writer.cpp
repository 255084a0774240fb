// SPDX-License-Identifier: MIT
#include <nlohmann/json.hpp>
#include <set>

#include "base/concat.hpp"
#include "io/atomic_file.hpp"
#include "io/output_stream.hpp"
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

std::size_t byte_count(const PlannedTensor& tensor) {
    return static_cast<std::size_t>(tensor.shape.numel()) * dtype_size(tensor.dtype);
}

std::string header_of(const std::string& path, std::span<const PlannedTensor> tensors,
                      const std::map<std::string, std::string>& metadata) {
    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    if (!metadata.empty())
        header["__metadata__"] = metadata;
    std::set<std::string_view> seen;
    std::size_t offset = 0;
    for (const PlannedTensor& tensor : tensors) {
        if (tensor.name == "__metadata__" || !seen.insert(tensor.name).second)
            fail(ErrorCode::invalid_argument, path + ": two tensors are named " + tensor.name);
        const std::span<const std::int64_t> extents = tensor.shape.extents();
        const std::size_t end = offset + byte_count(tensor);
        header[tensor.name] = {{"dtype", element_type(tensor.dtype)},
                               {"shape", std::vector<std::int64_t>(extents.begin(), extents.end())},
                               {"data_offsets", {offset, end}}};
        offset = end;
    }
    std::string text;
    try {
        text = header.dump();
    } catch (const nlohmann::json::exception& error) {
        fail(ErrorCode::invalid_argument, concat(path, ": writing the header: ", error.what()));
    }
    text.append((8 - text.size() % 8) % 8, ' ');
    std::string length;
    for (std::size_t i = 0; i < 8; ++i)
        length += static_cast<char>(static_cast<unsigned char>(text.size() >> (8 * i)));
    return length + text;
}

} // namespace

void write_safetensors(const std::string& path, std::span<const PlannedTensor> tensors,
                       const std::function<void(std::size_t index, const ByteSink& sink)>& produce,
                       const std::map<std::string, std::string>& metadata) {
    const std::string header = header_of(path, tensors, metadata);
    AtomicFile file(path);
    write_all(file.fd(), header, path);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        std::size_t left = byte_count(tensors[i]);
        produce(i, [&](const void* data, std::size_t size) {
            expect(size <= left, "write safetensors: more bytes than the tensor has");
            left -= size;
            write_all(file.fd(), {static_cast<const char*>(data), size}, path);
        });
        expect(left == 0, "write safetensors: fewer bytes than the tensor has");
    }
    file.commit();
}

void write_safetensors(const std::string& path,
                       const std::vector<std::pair<std::string, ConstView>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
    std::vector<PlannedTensor> planned;
    for (const auto& [name, view] : tensors)
        planned.push_back({name, view.dtype, view.shape});
    write_safetensors(
        path, planned,
        [&](std::size_t i, const ByteSink& sink) {
            const ConstView& view = tensors[i].second;
            if (view.numel() > 0)
                sink(view.data, view.bytes());
        },
        metadata);
}

} // namespace clip::io
