// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <random>
#include <sys/stat.h>

#include "io/safetensors.hpp"
#include "io/temp_folder.hpp"
#include "io/zip_builder.hpp"

using namespace clip;
using namespace clip::io;
using namespace clip_test;

namespace {

std::string with_header(const std::string& header, const std::string& data) {
    return little_endian(header.size(), 8) + header + data;
}

ErrorCode code_of_bytes(const std::string& bytes) {
    const TempFolder folder;
    write_file(folder / "x.safetensors", bytes);
    return code_of([&] { read_safetensors(folder / "x.safetensors"); });
}

/// One tensor "a" of two float32 with the given entry.
ErrorCode code_of_entry(const std::string& entry, std::size_t data = 8) {
    return code_of_bytes(with_header("{\"a\":" + entry + "}", std::string(data, '\0')));
}

std::string sample_file() {
    return with_header(R"({"__metadata__":{"format":"pt"},)"
                       R"("b":{"dtype":"F16","shape":[2,2],"data_offsets":[8,16]},)"
                       R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                       R"("none":{"dtype":"F32","shape":[0,3],"data_offsets":[16,16]},)"
                       R"("scalar":{"dtype":"BF16","shape":[],"data_offsets":[16,18]}})",
                       std::string("\0\0\x80\x3f\0\0\0\x40", 8) +
                           std::string("\0\x3c\0\x40\0\x42\0\x44", 8) + std::string("\x80\x3f", 2));
}

} // namespace

TEST_CASE("safetensors: reads every element type in the order of the bytes") {
    const TempFolder folder;
    write_file(folder / "x.safetensors", sample_file());
    const TensorStore store = read_safetensors(folder / "x.safetensors");
    REQUIRE(store.tensors().size() == 4);
    CHECK(store.tensors()[0].name == "a");
    CHECK(store.metadata().at("format") == "pt");
    std::array<float, 4> values{};
    read_f32(*store.find("a"), 0, 2, values.data());
    CHECK(values[1] == 2.0F);
    read_f32(*store.find("b"), 1, 3, values.data());
    CHECK(values[0] == 2.0F);
    CHECK(values[2] == 4.0F);
    read_f32(*store.find("scalar"), 0, 1, values.data());
    CHECK(values[0] == 1.0F);
    CHECK(store.find("none")->numel == 0);
    CHECK(store.find("c") == nullptr);
    store.release(*store.find("b"));
    read_f32(*store.find("b"), 3, 1, values.data());
    CHECK(values[0] == 4.0F);
}

TEST_CASE("safetensors: what is written is read back, and replaces whole files only") {
    const TempFolder folder;
    const std::string path = folder / "x.safetensors";
    write_file(path, "before");
    const std::array<float, 6> values{1, -2, 3, 4, 5, 6};
    const std::array<Half, 2> halves{Half(0.5F), Half(-8.0F)};
    write_safetensors(path,
                      {{"w", ConstView{values.data(), Shape{2, 3}, DType::f32, {}}},
                       {"h \"x\"", ConstView{halves.data(), Shape{2}, DType::f16, {}}},
                       {"empty", ConstView{nullptr, Shape{0}, DType::f32, {}}}},
                      {{"format", "pt"}});
    CHECK(folder.size() == 1);
    CHECK(read_file(path).size() % 8 == 4);
    const TensorStore store = read_safetensors(path);
    REQUIRE(store.tensors().size() == 3);
    CHECK(store.find("w")->shape == std::vector<std::int64_t>{2, 3});
    float last = 0.0F;
    read_f32(*store.find("w"), 5, 1, &last);
    CHECK(last == 6.0F);
    read_f32(*store.find("h \"x\""), 1, 1, &last);
    CHECK(last == -8.0F);
    CHECK(store.metadata().at("format") == "pt");

    const ConstView view{values.data(), Shape{2}, DType::f32, {}};
    CHECK(code_of([&] {
              write_safetensors(path, {{"a", view}, {"a", view}});
          }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] {
              write_safetensors(path, {{"\xff", view}});
          }) == ErrorCode::invalid_argument);
    CHECK(read_safetensors(path).tensors().size() == 3);
    CHECK(folder.size() == 1);
}

TEST_CASE("safetensors: refuses headers that lie") {
    CHECK(code_of_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})") ==
          ErrorCode::internal);
    CHECK(code_of_entry(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})") ==
          ErrorCode::bad_format);
    CHECK(code_of_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 7) ==
          ErrorCode::truncated);
    CHECK(code_of_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 9) ==
          ErrorCode::bad_format);
    CHECK(code_of_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[1,9]})", 9) ==
          ErrorCode::bad_format);
    CHECK(code_of_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})") ==
          ErrorCode::bad_format);
    CHECK(code_of_entry(R"({"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]})") ==
          ErrorCode::unsupported);
    CHECK(code_of_entry(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})") ==
          ErrorCode::bad_format);
    CHECK(code_of_entry(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})") ==
          ErrorCode::bad_format);
    CHECK(
        code_of_entry(
            R"({"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,0]})") ==
        ErrorCode::bad_format);
    CHECK(code_of_entry(R"({"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]})",
                        0) == ErrorCode::bad_format);
    CHECK(code_of_entry(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]})") ==
          ErrorCode::bad_format);
    CHECK(code_of_entry(R"({"dtype":"F32","shape":[2]})") == ErrorCode::bad_format);
    CHECK(code_of_entry("7") == ErrorCode::bad_format);
    CHECK(code_of_entry(std::string(100000, '[')) == ErrorCode::bad_format);
}

TEST_CASE("safetensors: refuses names that come twice and bytes that are used twice") {
    const std::string a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
    CHECK(code_of_bytes(with_header("{" + a + "," + a + "}", std::string(8, '\0'))) ==
          ErrorCode::bad_format);
    const std::string b = R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]})";
    CHECK(code_of_bytes(with_header("{" + a + "," + b + "}", std::string(8, '\0'))) ==
          ErrorCode::bad_format);
}

TEST_CASE("safetensors: refuses lengths that cannot be") {
    CHECK(code_of_bytes("") == ErrorCode::truncated);
    CHECK(code_of_bytes(little_endian(100, 8) + "{}") == ErrorCode::truncated);
    CHECK(code_of_bytes(std::string(8, '\xff') + "{}") == ErrorCode::bad_format);
    CHECK(code_of_bytes(little_endian(0, 8)) == ErrorCode::bad_format);
    CHECK(code_of_bytes(with_header("[]", "")) == ErrorCode::bad_format);
}

TEST_CASE("safetensors: no prefix of a file is taken for the file") {
    const std::string whole = sample_file();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const ErrorCode code = code_of_bytes(whole.substr(0, size));
        CHECK_MESSAGE((code == ErrorCode::truncated || code == ErrorCode::bad_format), "prefix ",
                      size);
    }
}

TEST_CASE("safetensors: a flipped bit gives an error or tensors inside the file") {
    const std::string whole = sample_file();
    const TempFolder folder;
    std::mt19937 random(7);
    for (int round = 0; round < 500; ++round) {
        std::string bytes = whole;
        const std::size_t at = random() % bytes.size();
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
        write_file(folder / "x", bytes);
        std::size_t read = 0;
        const ErrorCode code = code_of([&] {
            const TensorStore store = read_safetensors(folder / "x");
            for (const StoredTensor& tensor : store.tensors()) {
                std::vector<float> values(static_cast<std::size_t>(tensor.numel));
                if (is_floating(tensor.dtype))
                    read_f32(tensor, 0, tensor.numel, values.data());
                read += tensor.bytes.size();
            }
        });
        CHECK_MESSAGE((code != ErrorCode::internal || read == 18), "round ", round);
    }
}

TEST_CASE("mapped file: refuses what is no regular file, without waiting for it") {
    const TempFolder folder;
    CHECK(code_of([&] { MappedFile::open(folder.path()); }) == ErrorCode::bad_format);
    CHECK(code_of([&] { MappedFile::open("/dev/zero"); }) == ErrorCode::bad_format);
    CHECK(code_of([&] { MappedFile::open(folder / "absent"); }) == ErrorCode::not_found);
    const std::string pipe = folder / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    CHECK(code_of([&] { MappedFile::open(pipe); }) == ErrorCode::bad_format);
}
