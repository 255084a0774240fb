// SPDX-License-Identifier: MIT
// Embedding files with changed bytes: each is read, or refused with a reason; never a crash. The
// lane tests/parity/fuzz_hdf5.sh does the same thousands of times, under sanitizers.
#include <doctest/doctest.h>

#include <random>

#include "io/embedding_file.hpp"
#include "io/embedding_reader.hpp"
#include "temp_folder.hpp"

using namespace clip;
using namespace clip::io;
using clip_test::read_file;
using clip_test::TempFolder;

namespace {

const std::string kGoldens = CLIP_TEST_DIR "/golden/hdf5/";

std::string our_file(const TempFolder& folder) {
    const auto writer = create_embedding_file(
        folder / "ours.h5", EmbeddingFormat::h5,
        {"tiny@0123456789ab", true, 100.0, 8, DType::f32, "test", "crop=none"});
    for (int i = 0; i < 300; ++i)
        writer->append({"photos/" + std::to_string(i) + ".jpg", i % 2 == 1,
                        i > 100 ? "\"id\":" + std::to_string(i) : "", std::vector<float>(8, 0.5F)});
    writer->finish();
    return read_file(folder / "ours.h5");
}

/// Whether the file was read whole. Errors must be such as a file can cause.
bool read_all(const std::string& path) {
    try {
        const EmbeddingReader reader = EmbeddingReader::open(path);
        std::vector<float> values(static_cast<std::size_t>(reader.header().dim));
        for (std::int64_t row = 0; row < reader.rows(); ++row)
            reader.read_rows(row, 1, values.data());
        (void)reader.read_items(0, reader.rows());
        return true;
    } catch (const Error& error) {
        INFO(std::string(error.what()));
        CHECK((error.code() == ErrorCode::bad_format || error.code() == ErrorCode::truncated ||
               error.code() == ErrorCode::unsupported ||
               error.code() == ErrorCode::version_mismatch));
        return false;
    }
}

} // namespace

TEST_CASE("hdf5: 800 files with changed bytes are read or refused") {
    const TempFolder folder;
    std::vector<std::string> files = {our_file(folder)};
    for (const char* name : {"good", "good_other_types", "good_user_block", "good_v108",
                             "good_latest", "good_compact"})
        files.push_back(read_file(kGoldens + name + ".h5"));
    std::mt19937_64 random(7); // its numbers are the same everywhere; distributions' are not
    int refused = 0;
    for (std::size_t number = 0; number < 800; ++number) {
        std::string bytes = files[number % files.size()];
        for (int change = 0; change < 3; ++change) {
            // Structure is in the first and last kibibytes; our file has its heap in the middle.
            const std::size_t within = random() % std::min<std::size_t>(bytes.size(), 8192);
            const std::size_t at = random() % 2 == 0 ? within : bytes.size() - 1 - within;
            bytes[at] = static_cast<char>(
                random() % 3 == 0 ? 0xff : bytes[at] ^ static_cast<char>(1 << random() % 8));
        }
        clip_test::write_file(folder / "mutant.h5", bytes);
        CAPTURE(number);
        refused += read_all(folder / "mutant.h5") ? 0 : 1;
    }
    CHECK(refused > 100);
    CHECK(refused < 700);
}

TEST_CASE("hdf5: any single byte of the structure may be anything") {
    const TempFolder folder;
    const std::string good = read_file(kGoldens + "good_latest.h5");
    std::string bytes = good;
    for (std::size_t at = 0; at < good.size(); at += 5) {
        bytes[at] = static_cast<char>(~good[at]);
        clip_test::write_file(folder / "mutant.h5", bytes);
        CAPTURE(at);
        (void)read_all(folder / "mutant.h5");
        bytes[at] = good[at];
    }
}
