// SPDX-License-Identifier: MIT
#include "io/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/concat.hpp"

namespace clip::io {

namespace {

using json = nlohmann::json;

constexpr std::size_t kLengthBytes = 8;
/// What the format's own reader accepts.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

constexpr std::array<std::pair<std::string_view, DType>, 10> kElementTypes{{
    {"F64", DType::f64},
    {"F32", DType::f32},
    {"F16", DType::f16},
    {"BF16", DType::bf16},
    {"I64", DType::i64},
    {"I32", DType::i32},
    {"I16", DType::i16},
    {"I8", DType::i8},
    {"U8", DType::u8},
    {"BOOL", DType::boolean},
}};

std::uint64_t little_endian_length(std::span<const std::byte> bytes) {
    std::uint64_t length = 0;
    for (std::size_t i = kLengthBytes; i-- > 0;)
        length = length << 8 | std::to_integer<std::uint64_t>(bytes[i]);
    return length;
}

/// The header, with names that come twice refused: JSON itself would keep the last.
json parse_header(const std::string& path, std::span<const std::byte> text) {
    std::unordered_set<std::string> seen;
    std::string twice;
    // Deep nesting is cut off here: nothing in a header is deeper than an array of extents.
    bool deep = false;
    const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
        if (depth > 4)
            deep = true;
        if (depth == 1 && event == json::parse_event_t::key) {
            const auto& name = parsed.get_ref<const std::string&>();
            if (!seen.insert(name).second && twice.empty())
                twice = name;
        }
        return !deep;
    };
    const char* begin = reinterpret_cast<const char*>(text.data());
    json header;
    try {
        header = json::parse(begin, begin + text.size(), watch);
    } catch (const json::exception& error) {
        fail(ErrorCode::bad_format, concat(path, ": header is not JSON: ", error.what()));
    }
    if (deep || !header.is_object())
        fail(ErrorCode::bad_format, path + ": header is not an object of tensors");
    if (!twice.empty())
        fail(ErrorCode::bad_format, path + ": two tensors are named " + twice);
    return header;
}

std::vector<std::int64_t> read_extents(const json& value, const std::string& what) {
    if (!value.is_array() || value.size() > StoredTensor::kMaxRank)
        fail(ErrorCode::bad_format, what + ": shape is not a list of up to 8 extents");
    std::vector<std::int64_t> shape;
    for (const json& extent : value) {
        if (!extent.is_number_unsigned() || extent.get<std::uint64_t>() > (std::uint64_t{1} << 62))
            fail(ErrorCode::bad_format, what + ": shape holds something else than extents");
        shape.push_back(extent.get<std::int64_t>());
    }
    return shape;
}

DType read_dtype(const json& value, const std::string& what) {
    const std::string spelling = value.is_string() ? value.get<std::string>() : "";
    for (const auto& [name, dtype] : kElementTypes)
        if (name == spelling)
            return dtype;
    fail(ErrorCode::unsupported, concat(what, ": element type ", value.dump(-1, ' ', true)));
}

StoredTensor read_entry(const std::string& path, const std::string& name, const json& entry,
                        std::span<const std::byte> data) {
    const std::string what = path + ": tensor " + name;
    if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") ||
        !entry.contains("data_offsets"))
        fail(ErrorCode::bad_format, what + ": lacks dtype, shape or data_offsets");
    StoredTensor tensor;
    tensor.name = name;
    tensor.dtype = read_dtype(entry["dtype"], what);
    tensor.shape = read_extents(entry["shape"], what);
    tensor.numel = checked_numel(tensor.shape, what);
    tensor.strides = row_major_strides(tensor.shape);
    const json& offsets = entry["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned())
        fail(ErrorCode::bad_format, what + ": data_offsets are not two offsets");
    const auto begin = offsets[0].get<std::uint64_t>();
    const auto end = offsets[1].get<std::uint64_t>();
    const std::uint64_t need = static_cast<std::uint64_t>(tensor.numel) * dtype_size(tensor.dtype);
    if (begin > end || end - begin != need)
        fail(ErrorCode::bad_format, concat(what, ": shape ", shape_text(tensor.shape), " needs ",
                                           need, " bytes, offsets are ", begin, " to ", end));
    if (end > data.size())
        fail(ErrorCode::truncated,
             concat(what, ": ends at byte ", end, " of the data, which has ", data.size()));
    tensor.bytes = data.subspan(begin, need);
    return tensor;
}

} // namespace

bool looks_like_safetensors(std::span<const std::byte> bytes) {
    return bytes.size() > kLengthBytes && little_endian_length(bytes) <= kMaxHeaderBytes &&
           bytes[kLengthBytes] == std::byte{'{'};
}

TensorStore read_safetensors(const std::string& path) {
    return read_safetensors(MappedFile::open(path));
}

TensorStore read_safetensors(const std::shared_ptr<const MappedFile>& file) {
    const std::string& path = file->path();
    const std::span<const std::byte> bytes = file->bytes();
    if (bytes.size() < kLengthBytes)
        fail(ErrorCode::truncated,
             concat(path, ": ", bytes.size(), " bytes are no safetensors file"));
    const std::uint64_t length = little_endian_length(bytes);
    if (length < 2 || length > kMaxHeaderBytes)
        fail(ErrorCode::bad_format,
             concat(path, ": not a safetensors file (header of ", length, " bytes)"));
    if (length > bytes.size() - kLengthBytes)
        fail(ErrorCode::truncated,
             concat(path, ": header of ", length, " bytes in a file of ", bytes.size()));
    const json header = parse_header(path, bytes.subspan(kLengthBytes, length));
    const std::span<const std::byte> data = bytes.subspan(kLengthBytes + length);

    std::vector<StoredTensor> tensors;
    std::map<std::string, std::string> metadata;
    for (const auto& [name, entry] : header.items()) {
        if (name != "__metadata__") {
            tensors.push_back(read_entry(path, name, entry, data));
            continue;
        }
        if (!entry.is_object())
            fail(ErrorCode::bad_format, path + ": __metadata__ is not an object");
        for (const auto& [key, text] : entry.items())
            if (text.is_string())
                metadata.emplace(key, text.get<std::string>());
    }
    std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
        return std::pair(a.bytes.data(), a.bytes.size()) <
               std::pair(b.bytes.data(), b.bytes.size());
    });

    TensorStore store(path);
    store.keep(file);
    store.set_metadata(std::move(metadata));
    const std::byte* covered = data.data();
    for (StoredTensor& tensor : tensors) {
        if (tensor.bytes.data() != covered)
            fail(ErrorCode::bad_format,
                 concat(path, ": tensor ", tensor.name,
                        tensor.bytes.data() < covered ? ": overlaps the tensor before it"
                                                      : ": leaves a gap before it"));
        covered += tensor.bytes.size();
        store.add(std::move(tensor));
    }
    if (covered != data.data() + data.size())
        fail(ErrorCode::bad_format, concat(path, ": ", data.data() + data.size() - covered,
                                           " bytes after the last tensor"));
    return store;
}

} // namespace clip::io
