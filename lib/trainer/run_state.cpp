// SPDX-License-Identifier: MIT
#include "trainer/run_state.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <vector>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/checksum.hpp"
#include "io/path_escape.hpp"
#include "io/safetensors.hpp"

namespace clip::trainer {

namespace {

constexpr std::string_view kFormat = "clip-train state";
constexpr std::string_view kVersion = "1";
constexpr std::string_view kSetting = "setting.";
constexpr std::string_view kChecksum = "checksum";
/// A setting whose name is no option's, or which is not there where it has its first value: states
/// from before there was another one go on.
struct KnownSetting {
    std::string_view key, shown, absent;
};
// In this order: where a device differs, so does what it can be told.
constexpr std::array<KnownSetting, 3> kKnownSettings{{{"device", "--device", "cpu"},
                                                      {"precision", "--precision", "fp32"},
                                                      {"tf32", "CLIP_CUDA_TF32", "0"}}};
constexpr std::string_view kLossScale = "loss-scale", kGoodSteps = "good-steps";
constexpr std::uint64_t kLargestScale = std::uint64_t{1} << 62U;
constexpr std::size_t kChecksumBytes = 4;
constexpr std::size_t kPiece = std::size_t{1} << 20; ///< bytes: stays in the cache

using Metadata = std::map<std::string, std::string>;

/// A tensor of the file, and where its elements are.
struct Entry {
    std::string name;
    Shape shape;
    std::size_t block = 0; ///< weights, means, squares, average
    std::int64_t first = 0;
};

std::vector<Entry> entries_of(const Parameters& parameters, bool with_average) {
    constexpr std::array<std::string_view, 4> kPrefixes{"weight.", "mean.", "square.", "average."};
    std::vector<Entry> entries;
    for (std::size_t block = 0; block < kPrefixes.size(); ++block) {
        const bool of_trained = block == 1 || block == 2;
        for (const ParameterInfo& info : parameters.all())
            if (block == 3 ? with_average : (info.trained || !of_trained))
                entries.push_back(
                    {concat(kPrefixes[block], info.name), info.shape, block, info.first});
    }
    return entries;
}

std::vector<std::int64_t> extents_of(const Shape& shape) {
    return {shape.extents().begin(), shape.extents().end()};
}

/// Eight hexadecimal digits.
std::string spell(std::uint32_t checksum) {
    std::string text(8, '0');
    for (std::size_t i = text.size(); i-- > 0; checksum >>= 4U)
        text[i] = "0123456789abcdef"[checksum & 15U];
    return text;
}

/// Of what the header says: texts, names and shapes.
class HeaderChecksum {
  public:
    void add(std::string_view text) {
        // With its end marked: "ab", "c" is not "a", "bc".
        const std::string length = concat(text.size(), ":");
        sum_.add(length.data(), length.size());
        sum_.add(text.data(), text.size());
    }
    void add(const Metadata& metadata) {
        for (const auto& [key, value] : metadata) {
            if (key == kChecksum)
                continue;
            add(key);
            add(value);
        }
    }
    void add_tensor(std::string_view name, std::span<const std::int64_t> shape) {
        add(name);
        add(io::shape_text(shape));
    }
    std::string text() const { return spell(sum_.value()); }

  private:
    io::Crc32 sum_;
};

std::array<char, kChecksumBytes> little_endian(std::uint32_t value) {
    std::array<char, kChecksumBytes> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
    return bytes;
}

std::uint64_t read_number(const std::string& path, const Metadata& metadata, const std::string& key,
                          std::uint64_t largest) {
    const auto found = metadata.find(key);
    std::uint64_t number = 0;
    const char* begin = found == metadata.end() ? "" : found->second.c_str();
    const char* end = begin + std::strlen(begin);
    const auto parsed = std::from_chars(begin, end, number);
    if (begin == end || parsed.ec != std::errc() || parsed.ptr != end || number > largest)
        fail(ErrorCode::bad_format, concat(path, ": ", key, " is no number of ", key, "s"));
    return number;
}

void check_header(const io::TensorStore& store) {
    const Metadata& metadata = store.metadata();
    const auto value = [&](std::string_view key) {
        const auto found = metadata.find(std::string(key));
        return found == metadata.end() ? std::string() : found->second;
    };
    if (value("format") != kFormat)
        fail(ErrorCode::bad_format, concat(store.path(), ": no state of clip-train"));
    if (value("version") != kVersion)
        fail(ErrorCode::version_mismatch,
             concat(store.path(), ": a state of version ", value("version"),
                    "; this program reads version ", kVersion));
    HeaderChecksum sum;
    sum.add(metadata);
    for (const io::StoredTensor& tensor : store.tensors())
        sum.add_tensor(tensor.name, tensor.shape);
    if (value(kChecksum) != sum.text())
        fail(ErrorCode::bad_format,
             concat(store.path(), ": damaged: its header does not fit its checksum"));
}

RunState state_of(const io::TensorStore& store) {
    const Metadata& metadata = store.metadata();
    const std::string& path = store.path();
    RunState state;
    state.step = read_number(path, metadata, "step", UINT64_MAX);
    state.epoch = static_cast<std::uint32_t>(read_number(path, metadata, "epoch", UINT32_MAX));
    state.batch = read_number(path, metadata, "batch", UINT64_MAX);
    state.samples = read_number(path, metadata, "samples", UINT64_MAX);
    if (metadata.contains(std::string(kLossScale))) {
        state.loss_scale = static_cast<double>(
            read_number(path, metadata, std::string(kLossScale), kLargestScale));
        state.good_steps = read_number(path, metadata, std::string(kGoodSteps), UINT64_MAX);
    }
    for (const auto& [key, value] : metadata)
        if (key.starts_with(kSetting))
            state.settings.emplace(key.substr(kSetting.size()), io::path_from_utf8(value));
    return state;
}

using Settings = std::map<std::string, std::string>;

/// What a setting is, or is where it is absent.
std::string spelt(const Settings& settings, const std::string& key) {
    const auto found = settings.find(key);
    if (found != settings.end())
        return concat("'", io::path_to_utf8(found->second), "'");
    for (const KnownSetting& known : kKnownSettings)
        if (known.key == key)
            return concat("'", known.absent, "'");
    return "none";
}

void check_setting(const std::string& what, const std::string& key, std::string_view shown,
                   const Settings& then, const Settings& now) {
    if (spelt(then, key) != spelt(now, key))
        fail(ErrorCode::version_mismatch,
             concat(what, ": ", shown, " was ", spelt(then, key), " when it began and is ",
                    spelt(now, key),
                    " now; give it as it was, or begin anew in another "
                    "folder or with --overwrite"));
}

void check_settings(const std::string& what, const Settings& then, const Settings& now) {
    for (const KnownSetting& known : kKnownSettings)
        check_setting(what, std::string(known.key), known.shown, then, now);
    Settings both = then;
    both.insert(now.begin(), now.end());
    for (const auto& [key, ignored] : both)
        check_setting(what, key, key, then, now);
}

/// The stored tensors in the order of `entries`.
std::vector<const io::StoredTensor*> match(const io::TensorStore& store,
                                           const std::vector<Entry>& entries) {
    std::vector<const io::StoredTensor*> tensors;
    for (const Entry& entry : entries) {
        const io::StoredTensor* tensor = store.find(entry.name);
        if (tensor == nullptr)
            fail(ErrorCode::shape_mismatch,
                 concat(store.path(), ": a state of another model: it has no tensor ", entry.name));
        if (tensor->shape != extents_of(entry.shape) || tensor->dtype != DType::f32)
            fail(ErrorCode::shape_mismatch,
                 concat(store.path(), ": a state of another model: tensor ", entry.name, " is ",
                        io::shape_text(tensor->shape), " (want ",
                        io::shape_text(extents_of(entry.shape)), ")"));
        tensors.push_back(tensor);
    }
    for (const io::StoredTensor& tensor : store.tensors())
        if (tensor.name != kChecksum &&
            std::find(tensors.begin(), tensors.end(), &tensor) == tensors.end())
            fail(ErrorCode::shape_mismatch,
                 concat(store.path(), ": a state of another model: it has a tensor ", tensor.name));
    return tensors;
}

void check_elements(const io::TensorStore& store,
                    const std::vector<const io::StoredTensor*>& tensors) {
    const io::StoredTensor* stored = store.find(kChecksum);
    io::Crc32 sum;
    for (const io::StoredTensor* tensor : tensors)
        sum.add(tensor->bytes.data(), tensor->bytes.size());
    const std::array<char, kChecksumBytes> wanted = little_endian(sum.value());
    if (stored == nullptr || stored->bytes.size() != wanted.size() ||
        std::memcmp(stored->bytes.data(), wanted.data(), wanted.size()) != 0)
        fail(ErrorCode::bad_format,
             concat(store.path(), ": damaged: its tensors do not fit their checksum"));
}

} // namespace

void write_run_state(const std::string& path, const RunState& state, const Parameters& parameters,
                     const ConstView& average) {
    const std::array<ConstView, 4> blocks{parameters.block(Block::weights),
                                          parameters.block(Block::means),
                                          parameters.block(Block::squares), average};
    expect(average.empty() || average.numel() == blocks[0].numel(), "an average of all weights");
    const std::vector<Entry> entries = entries_of(parameters, !average.empty());
    Metadata metadata{{"format", std::string(kFormat)}, {"version", std::string(kVersion)},
                      {"step", concat(state.step)},     {"epoch", concat(state.epoch)},
                      {"batch", concat(state.batch)},   {"samples", concat(state.samples)}};
    if (state.loss_scale > 0) {
        metadata[std::string(kLossScale)] = concat(static_cast<std::uint64_t>(state.loss_scale));
        metadata[std::string(kGoodSteps)] = concat(state.good_steps);
    }
    for (const auto& [key, value] : state.settings) // a path may be any bytes
        metadata[concat(kSetting, key)] = io::path_to_utf8(value);
    std::vector<io::PlannedTensor> planned;
    for (const Entry& entry : entries)
        planned.push_back({entry.name, DType::f32, entry.shape});
    planned.push_back({std::string(kChecksum), DType::u8, Shape{kChecksumBytes}});
    HeaderChecksum header;
    header.add(metadata);
    for (const io::PlannedTensor& tensor : planned)
        header.add_tensor(tensor.name, tensor.shape.extents());
    metadata[std::string(kChecksum)] = header.text();

    io::Crc32 sum;
    std::vector<float> piece; // of what is on a device
    const auto produce = [&](std::size_t i, const io::ByteSink& sink) {
        if (i == entries.size()) {
            const std::array<char, kChecksumBytes> bytes = little_endian(sum.value());
            sink(bytes.data(), bytes.size());
            return;
        }
        const Entry& entry = entries[i];
        constexpr auto kElements = static_cast<std::int64_t>(kPiece / sizeof(float));
        for (std::int64_t at = 0; at < entry.shape.numel(); at += kElements) {
            const std::int64_t count = std::min(kElements, entry.shape.numel() - at);
            const ConstView part = part_of(blocks[entry.block], entry.first + at, Shape{count});
            const void* bytes = part.data;
            if (!part.device.is_cpu()) {
                piece.resize(static_cast<std::size_t>(count));
                read_elements(part, 0, count, piece.data(), parameters.memory());
                bytes = piece.data();
            }
            sum.add(bytes, part.bytes());
            sink(bytes, part.bytes());
        }
    };
    io::write_safetensors(path, planned, produce, metadata);
}

RunState read_run_state(const std::string& path, const std::string& what, Parameters& parameters,
                        const MutView& average,
                        const std::map<std::string, std::string>& settings) {
    const std::array<MutView, 4> blocks{parameters.block(Block::weights),
                                        parameters.block(Block::means),
                                        parameters.block(Block::squares), average};
    expect(average.empty() || average.numel() == blocks[0].numel(), "an average of all weights");
    const io::TensorStore store = io::read_safetensors(path);
    check_header(store);
    RunState state = state_of(store);
    check_settings(what, state.settings, settings);
    const std::vector<Entry> entries = entries_of(parameters, !average.empty());
    const std::vector<const io::StoredTensor*> tensors = match(store, entries);
    check_elements(store, tensors);
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const Entry& entry = entries[i];
        write_elements(blocks[entry.block], entry.first, entry.shape.numel(),
                       tensors[i]->bytes.data(), parameters.memory());
        store.release(*tensors[i]);
    }
    return state;
}

} // namespace clip::trainer
