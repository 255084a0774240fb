// SPDX-License-Identifier: MIT
// Reading rows past HDF5, from many threads, and items of single rows.
#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>

#include "io/embedding_file.hpp"
#include "io/embedding_reader.hpp"
#include "temp_folder.hpp"

using namespace clip;
using namespace clip::io;
using clip_test::code_of;
using clip_test::message_of;
using clip_test::TempFolder;

namespace {

const std::string kGoldens = CLIP_TEST_DIR "/golden/hdf5/";
constexpr std::int64_t kDim = 300; // 873 float32 rows a chunk, 1747 float16 rows

float value_of(std::int64_t row, std::int64_t column) {
    return static_cast<float>(row) + static_cast<float>(column) / 1024; // exact in float32
}

void write_rows(const std::string& path, DType store, std::int64_t rows) {
    const auto writer = create_embedding_file(
        path, EmbeddingFormat::h5, {"tiny@0123456789ab", false, 100.0, kDim, store, "test", ""});
    for (std::int64_t row = 0; row < rows; ++row) {
        EmbeddingRow out{std::to_string(row) + ".jpg",
                         false,
                         row % 3 == 0 ? "\"id\":" + std::to_string(row) : "",
                         {}};
        for (std::int64_t column = 0; column < kDim; ++column)
            out.values.push_back(value_of(store == DType::f16 ? row % 8 : row, column));
        writer->append(out);
    }
    writer->finish();
}

} // namespace

TEST_CASE("embedding reader: threads read side by side what one thread reads") {
    const TempFolder folder;
    for (const DType store : {DType::f32, DType::f16}) {
        constexpr std::int64_t kRows = 4000;
        const std::string path = folder / "a.h5";
        write_rows(path, store, kRows);
        const EmbeddingReader reader = EmbeddingReader::open(path);
        CHECK(reader.stores_plain_rows());
        CHECK(reader.block_rows() ==
              (1 << 20) / (kDim * static_cast<std::int64_t>(dtype_size(store))));
        std::atomic<int> wrong{0};
        std::vector<std::thread> threads;
        for (int thread = 0; thread < 4; ++thread)
            threads.emplace_back([&, thread] {
                std::vector<float> values;
                for (std::int64_t first = thread * 37; first < kRows; first += 311) {
                    const std::int64_t count = std::min<std::int64_t>(kRows - first, 1000);
                    values.assign(static_cast<std::size_t>(count * kDim), -1);
                    reader.read_rows(first, count, values.data());
                    for (std::int64_t i = 0; i < count * kDim; ++i) {
                        const std::int64_t row = first + i / kDim;
                        const float want =
                            store == DType::f16
                                ? static_cast<float>(Half(value_of(row % 8, i % kDim)))
                                : value_of(row, i % kDim);
                        if (values[static_cast<std::size_t>(i)] != want)
                            ++wrong;
                    }
                    if (reader.read_items(first, 1)[0].item != std::to_string(first) + ".jpg")
                        ++wrong;
                }
            });
        for (std::thread& thread : threads)
            thread.join();
        CHECK(wrong == 0);
    }
}

TEST_CASE("embedding reader: the same rows however a file stores them") {
    struct Case {
        const char* name;
        std::int64_t block_rows;
        bool plain;
    };
    for (const Case& test : {Case{"good", 87381, true},
                             {"good_user_block", 1, true},
                             {"good_other_types", 1, false},
                             {"good_v108", 1, false},
                             {"good_latest", 1, false},
                             {"good_compact", 87381, true}}) {
        CAPTURE(test.name);
        const EmbeddingReader reader = EmbeddingReader::open(kGoldens + test.name + ".h5");
        CHECK(reader.stores_plain_rows() == test.plain);
        CHECK(reader.block_rows() == test.block_rows);
        REQUIRE(reader.rows() == 2);
        std::vector<float> values(6);
        reader.read_rows(0, 2, values.data());
        CHECK(values == std::vector<float>{1, 0, -0.5F, 0.25F, 2, 3});
        reader.read_rows(1, 1, values.data());
        CHECK(values[0] == 0.25F);
        const auto items = reader.read_items(0, 2);
        CHECK(items[0].item == "a.jpg");
        CHECK(items[1].item == "caf\xc3\xa9");
        CHECK(items[1].is_text);
        CHECK(items[0].extra == (reader.has_extra() ? "\"id\": 7" : ""));
    }
}

TEST_CASE("embedding reader: what it cannot read it names") {
    const auto refusal = [](const std::string& name) {
        const std::string path = kGoldens + name + ".h5";
        CHECK(code_of([&] { (void)EmbeddingReader::open(path); }) == ErrorCode::unsupported);
        return message_of([&] { (void)EmbeddingReader::open(path); }).substr(path.size() + 2);
    };
    CHECK(refusal("lzf") == "/embedding: stored with lzf, which this build does not read (want "
                            "gzip, shuffle, fletcher32)");
    CHECK(refusal("many_attributes") ==
          "attribute format: the file has more attributes than fit one place, which this build "
          "does not read (h5repack -l CONTI rewrites it)");
    CHECK(refusal("soft_link") == "/kind: a soft link, not a dataset");
}

TEST_CASE("embedding reader: a file that is cut off while it is open is truncated, by row") {
    const TempFolder folder;
    const std::string path = folder / "a.h5";
    write_rows(path, DType::f32, 3000);
    const EmbeddingReader reader = EmbeddingReader::open(path);
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
    std::vector<float> values(static_cast<std::size_t>(3000 * kDim));
    reader.read_rows(0, 800, values.data());
    CHECK(code_of([&] { reader.read_rows_raw(0, 3000, values.data()); }) == ErrorCode::truncated);
    const std::string message = message_of([&] { reader.read_rows(2999, 1, values.data()); });
    CHECK(message == path + ": /embedding: row 2999: the file ends before it");
}

TEST_CASE("embedding reader: items of single rows") {
    const TempFolder folder;
    const std::string path = folder / "a.h5";
    write_rows(path, DType::f32, 9000);
    const EmbeddingReader reader = EmbeddingReader::open(path);
    const std::vector<std::int64_t> rows = {0, 3, 4, 5, 4095, 4096, 8000, 8999};
    const auto items = reader.read_items_at(rows);
    REQUIRE(items.size() == rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CHECK(items[i].item == std::to_string(rows[i]) + ".jpg");
        CHECK(items[i].extra == (rows[i] % 3 == 0 ? "\"id\":" + std::to_string(rows[i]) : ""));
    }
    CHECK(reader.read_items_at({}).empty());
    const auto refusal = [&](std::vector<std::int64_t> wrong) {
        return code_of([&] { (void)reader.read_items_at(wrong); });
    };
    CHECK(refusal({9000}) == ErrorCode::invalid_argument);
    CHECK(refusal({-1, 0}) == ErrorCode::invalid_argument);
    CHECK(refusal({8999, 9000}) == ErrorCode::invalid_argument);
    CHECK(refusal({5, 5}) == ErrorCode::invalid_argument);
    CHECK(refusal({5, 4}) == ErrorCode::invalid_argument);
}
