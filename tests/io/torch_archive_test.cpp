// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <random>

#include "io/safetensors.hpp"
#include "io/temp_folder.hpp"
#include "io/torch_archive.hpp"
#include "io/zip_archive.hpp"
#include "io/zip_builder.hpp"

using namespace clip;
using namespace clip::io;
using namespace clip_test;
using namespace std::string_literals;

namespace {

const std::string kGolden = CLIP_TEST_DIR "/golden/";

TorchArchive read(const std::string& path) {
    return read_torch_archive(MappedFile::open(path));
}

std::string text(const std::string& value) {
    return "X" + little_endian(value.size(), 4) + value;
}
std::string number(std::int64_t value) {
    return "\x8a\x08"s + little_endian(static_cast<std::uint64_t>(value), 8);
}
std::string tuple(const std::vector<std::string>& items) {
    std::string bytes = "(";
    for (const std::string& item : items)
        bytes += item;
    return bytes + "t";
}

struct TensorPickle {
    std::string type = "FloatStorage";
    std::int64_t numel = 6, offset = 0;
    std::vector<std::int64_t> shape{2, 3}, strides{3, 1};
    std::string function = "_rebuild_tensor_v2";
};

std::string tensor(const TensorPickle& from) {
    std::vector<std::string> shape, strides;
    for (const std::int64_t extent : from.shape)
        shape.push_back(number(extent));
    for (const std::int64_t stride : from.strides)
        strides.push_back(number(stride));
    return "ctorch._utils\n" + from.function + "\n" +
           tuple({tuple({text("storage"), "ctorch\n" + from.type + "\n", text("0"), text("cpu"),
                         number(from.numel)}) +
                      "Q",
                  number(from.offset), tuple(shape), tuple(strides), "\x89",
                  "ccollections\nOrderedDict\n)R"}) +
           "R";
}

std::string state_dict(const std::string& value) {
    return "\x80\x02}" + text("w") + value + "s.";
}

const std::string kSixFloats =
    std::string("\0\0\0\0\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40\0\0\xa0\x40", 24);

std::string archive(const std::string& pickle, bool compress = false, bool zip64 = false) {
    return make_zip({{"m/data.pkl", pickle, compress}, {"m/data/0", kSixFloats, compress, zip64}},
                    zip64);
}

/// Values of the tensor "w" of an archive, or the code of the error as one number.
std::vector<float> values_of(const std::string& bytes) {
    const TempFolder folder;
    write_file(folder / "x.pt", bytes);
    const TorchArchive archive = read(folder / "x.pt");
    const StoredTensor* found = archive.store.find("w");
    REQUIRE(found != nullptr);
    std::vector<float> values(static_cast<std::size_t>(found->numel));
    read_f32(*found, 0, found->numel, values.data());
    return values;
}

ErrorCode code_of_bytes(const std::string& bytes) {
    const TempFolder folder;
    write_file(folder / "x.pt", bytes);
    return code_of([&] { read(folder / "x.pt"); });
}

ErrorCode code_of_tensor(const TensorPickle& from) {
    return code_of_bytes(archive(state_dict(tensor(from))));
}

using Floats = std::vector<float>;

} // namespace

TEST_CASE("torch archive: reads strided tensors from stored, deflated and ZIP64 entries") {
    const std::string pickle = state_dict(tensor({}));
    CHECK(values_of(archive(pickle)) == Floats{0, 1, 2, 3, 4, 5});
    CHECK(values_of(archive(pickle, true)) == Floats{0, 1, 2, 3, 4, 5});
    CHECK(values_of(archive(pickle, false, true)) == Floats{0, 1, 2, 3, 4, 5});
    TensorPickle transposed;
    transposed.shape = {3, 2};
    transposed.strides = {1, 3};
    CHECK(values_of(archive(state_dict(tensor(transposed)))) == Floats{0, 3, 1, 4, 2, 5});
    TensorPickle part;
    part.shape = {2};
    part.strides = {2};
    part.offset = 1;
    CHECK(values_of(archive(state_dict(tensor(part)))) == Floats{1, 3});
    const std::string parameter =
        "ctorch._utils\n_rebuild_parameter\n" + tuple({tensor({}), "\x88", ")"}) + "R";
    CHECK(values_of(archive(state_dict(parameter))) == Floats{0, 1, 2, 3, 4, 5});
}

TEST_CASE("torch archive: a range in the middle of a strided tensor") {
    const TempFolder folder;
    TensorPickle transposed;
    transposed.shape = {3, 2};
    transposed.strides = {1, 3};
    write_file(folder / "x.pt", archive(state_dict(tensor(transposed))));
    const TorchArchive found = read(folder / "x.pt");
    std::array<float, 3> values{};
    read_f32(*found.store.find("w"), 3, 3, values.data());
    CHECK(values == std::array<float, 3>{4, 2, 5});
}

TEST_CASE("torch archive: refuses tensors outside their storage") {
    const auto with = [](auto change) {
        TensorPickle from;
        change(from);
        return code_of_tensor(from);
    };
    CHECK(with([](auto&) {}) == ErrorCode::internal); // sound
    CHECK(with([](auto& t) { t.offset = 1; }) == ErrorCode::bad_format);
    CHECK(with([](auto& t) { t.offset = -1; }) == ErrorCode::bad_format);
    CHECK(with([](auto& t) { t.offset = INT64_MAX; }) == ErrorCode::bad_format);
    CHECK(with([](auto& t) { t.strides = {4, 1}; }) == ErrorCode::bad_format);
    CHECK(with([](auto& t) { t.strides = {-3, 1}; }) == ErrorCode::bad_format);
    CHECK(with([](auto& t) { t.strides = {INT64_MAX, INT64_MAX}; }) == ErrorCode::bad_format);
    CHECK(with([](auto& t) { t.strides = {3}; }) == ErrorCode::bad_format);
    CHECK(with([](auto& t) { t.shape = {INT64_MAX, INT64_MAX}; }) == ErrorCode::bad_format);
    CHECK(with([](auto& t) { t.shape = {-2, -3}; }) == ErrorCode::bad_format);
    CHECK(with([](auto& t) {
              t.shape.assign(9, 1);
              t.strides.assign(9, 1);
          }) == ErrorCode::bad_format);
    CHECK(with([](auto& t) {
              t.numel = 7;
              t.shape = {7};
              t.strides = {1};
          }) == ErrorCode::truncated);
    CHECK(with([](auto& t) { t.numel = INT64_MAX; }) == ErrorCode::bad_format);
    CHECK(with([](auto& t) {
              t.shape = {1 << 30};
              t.strides = {0};
          }) == ErrorCode::unsupported);
    CHECK(with([](auto& t) { t.type = "ComplexFloatStorage"; }) == ErrorCode::unsupported);
    CHECK(with([](auto& t) { t.function = "_rebuild_sparse_tensor"; }) == ErrorCode::unsupported);
}

TEST_CASE("torch archive: what a pickle would run is named and not run") {
    const TempFolder folder;
    const std::string mark = folder / "ran";
    const std::string call = "cos\nsystem\n(" + text("touch " + mark) + "tR";
    write_file(folder / "x.pt",
               archive("\x80\x02}(" + text("evil") + call + text("w") + tensor({}) + "u."));
    const TorchArchive found = read(folder / "x.pt");
    CHECK(found.foreign == std::vector<std::string>{"os.system"});
    CHECK(found.store.tensors().size() == 1);
    CHECK_FALSE(std::filesystem::exists(mark));
    write_file(folder / "x.pt", archive("\x80\x02" + call + "."));
    CHECK(message_of([&] { read(folder / "x.pt"); }).find("os.system") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(mark));
}

TEST_CASE("torch archive: refuses archives that lie") {
    const std::string pickle = state_dict(tensor({}));
    CHECK(code_of_bytes(make_zip({{"m/data.pkl", pickle}})) == ErrorCode::not_found);
    CHECK(code_of_bytes(make_zip({{"m/readme", pickle}})) == ErrorCode::bad_format);
    CHECK(code_of_bytes(make_zip({{"m/data.pkl", pickle}, {"n/data.pkl", pickle}})) ==
          ErrorCode::bad_format);
    CHECK(code_of_bytes(make_zip(
              {{"m/data.pkl", pickle}, {"m/data/0", kSixFloats}, {"m/data/0", kSixFloats}})) ==
          ErrorCode::bad_format);
    const auto part = [&](auto change) {
        ZipPart storage{"m/data/0", kSixFloats};
        change(storage);
        return code_of_bytes(make_zip({{"m/data.pkl", pickle}, storage}));
    };
    CHECK(part([](auto& p) { p.flags = 1; }) == ErrorCode::unsupported);
    CHECK(part([](auto& p) { p.method = 12; }) == ErrorCode::unsupported);
    CHECK(part([](auto& p) { p.claims = 25; }) == ErrorCode::bad_format);
    CHECK(part([](auto& p) {
              p.compress = true;
              p.claims = 25;
          }) == ErrorCode::bad_format);
    CHECK(part([](auto& p) {
              p.compress = true;
              p.claims = 1 << 30;
          }) == ErrorCode::bad_format);
    CHECK(part([](auto& p) {
              p.compress = true;
              p.content.assign(1 << 20, '\0');
              p.claims = 24;
          }) == ErrorCode::bad_format);
    CHECK(code_of_bytes(make_zip(
              {{"m/data.pkl", pickle}, {"m/data/0", kSixFloats}, {"m/byteorder", "big"}})) ==
          ErrorCode::unsupported);
}

TEST_CASE("torch archive: entries may not share bytes") {
    std::string bytes = archive(state_dict(tensor({})));
    // The directory's second entry is pointed at the first one's header.
    const std::size_t second = bytes.find("PK\x01\x02", bytes.find("PK\x01\x02") + 1);
    bytes.replace(second + 42, 4, little_endian(0, 4));
    CHECK(code_of_bytes(bytes) == ErrorCode::bad_format);
}

TEST_CASE("torch archive: a damaged entry does not have its checksum") {
    const TempFolder folder;
    std::string bytes = archive(state_dict(tensor({})));
    write_file(folder / "x.pt", bytes);
    CHECK(check_torch_archive(MappedFile::open(folder / "x.pt")).empty());
    bytes[bytes.find(kSixFloats) + 7] ^= 1;
    write_file(folder / "x.pt", bytes);
    const auto problems = check_torch_archive(MappedFile::open(folder / "x.pt"));
    REQUIRE(problems.size() == 1);
    CHECK(problems[0].find("m/data/0") != std::string::npos);
}

TEST_CASE("torch archive: reads what PyTorch before 1.6 wrote") {
    const std::string object = state_dict(tensor({}));
    const auto file = [&](const std::string& count, const std::string& data) {
        return "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}"s +
               text("little_endian") + "\x88s." + object + "\x80\x02](" + text("0") + "e." + count +
               data;
    };
    const std::string whole = file(little_endian(6, 8), kSixFloats);
    CHECK(values_of(whole) == Floats{0, 1, 2, 3, 4, 5});
    CHECK(code_of_bytes(file(little_endian(7, 8), kSixFloats)) == ErrorCode::bad_format);
    CHECK(code_of_bytes(file(little_endian(6, 8), kSixFloats.substr(1))) == ErrorCode::truncated);
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK(code_of_bytes(whole.substr(0, size)) != ErrorCode::internal);
}

TEST_CASE("torch archive: no prefix of a file is taken for the file") {
    const std::string whole = archive(state_dict(tensor({})), true, true);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const ErrorCode code = code_of_bytes(whole.substr(0, size));
        CHECK_MESSAGE((code == ErrorCode::truncated || code == ErrorCode::bad_format), "prefix ",
                      size);
    }
}

TEST_CASE("torch archive: a flipped bit gives an error or tensors that can be read") {
    for (const bool compress : {false, true}) {
        const std::string whole = archive(state_dict(tensor({})), compress, true);
        const TempFolder folder;
        std::mt19937 random(11);
        int refused = 0;
        for (int round = 0; round < 1000; ++round) {
            std::string bytes = whole;
            const std::size_t at = random() % bytes.size();
            bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
            write_file(folder / "x", bytes);
            const ErrorCode code = code_of([&] {
                const TorchArchive found = read(folder / "x");
                for (const StoredTensor& one : found.store.tensors()) {
                    std::vector<float> values(static_cast<std::size_t>(one.numel));
                    if (is_floating(one.dtype))
                        read_f32(one, 0, one.numel, values.data());
                }
                check_torch_archive(MappedFile::open(folder / "x"));
            });
            refused += code == ErrorCode::internal ? 0 : 1;
        }
        CHECK(refused > 100);
        CHECK(refused < 1000);
    }
}

TEST_CASE("torch archive: TorchScript and state dict name the same tensors") {
    const TorchArchive script = read(kGolden + "micro-vit-openai-jit/model.pt");
    const TorchArchive state = read(kGolden + "micro-vit-openai-state/model.pt");
    const TorchArchive run = read(kGolden + "micro-vit-open_clip-train/epoch_3.pt");
    CHECK(script.torchscript);
    CHECK_FALSE(state.torchscript);
    CHECK(run.nested_key == "state_dict");
    CHECK(run.store.metadata().at("name") == "run");
    CHECK(script.foreign.empty());
    CHECK(run.foreign.empty());
    for (const StoredTensor& one : state.store.tensors()) {
        const StoredTensor* other = script.store.find(one.name);
        REQUIRE_MESSAGE(other != nullptr, one.name);
        CHECK(other->shape == one.shape);
        CHECK(run.store.find("module." + one.name) != nullptr);
    }
    CHECK(script.store.find("input_resolution")->dtype == DType::i64);
}
