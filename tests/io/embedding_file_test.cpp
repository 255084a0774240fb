// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/embedding_file.hpp"
#include "io/embedding_reader.hpp"
#include "io/npy.hpp"
#include "temp_folder.hpp"

using namespace clip;
using namespace clip::io;
using clip_test::code_of;
using clip_test::message_of;
using clip_test::read_file;
using clip_test::TempFolder;

namespace {

const std::string kGoldens = CLIP_TEST_DIR "/golden/hdf5/";

EmbeddingHeader header_of(std::int64_t dim, DType store = DType::f32) {
    return {"tiny@0123456789ab", true, 100.0, dim, store, "clip-embed 0.1", "crop=center"};
}

EmbeddingRow row_of(std::size_t index, std::int64_t dim, bool with_extra = false) {
    EmbeddingRow row;
    row.item = "photos/" + std::to_string(index) + (index % 5 == 3 ? "\xe9.jpg" : ".jpg");
    row.is_text = index % 7 == 1;
    if (row.is_text)
        row.item = "a dog \xc3\xa9 " + std::to_string(index);
    if (with_extra)
        row.extra = "\"id\":" + std::to_string(index);
    for (std::int64_t i = 0; i < dim; ++i)
        row.values.push_back(
            std::sin(static_cast<float>(index * 31 + static_cast<std::size_t>(i))));
    return row;
}

void write_rows(const std::string& path, EmbeddingFormat format, const EmbeddingHeader& header,
                std::size_t count, std::size_t extras_from = 1000000) {
    const auto writer = create_embedding_file(path, format, header);
    for (std::size_t i = 0; i < count; ++i)
        writer->append(row_of(i, header.dim, i >= extras_from));
    writer->finish();
}

/// Opens and reads everything.
void read_all(const std::string& path) {
    const EmbeddingReader reader = EmbeddingReader::open(path);
    std::vector<float> values(static_cast<std::size_t>(reader.rows() * reader.header().dim));
    reader.read_rows(0, reader.rows(), values.data());
    (void)reader.read_items(0, reader.rows());
}

} // namespace

TEST_CASE("embedding file: rows come back from HDF5 as they went in") {
    const TempFolder folder;
    const std::string path = folder / "a.h5";
    const std::int64_t dim = 400; // 655 rows a chunk
    write_rows(path, EmbeddingFormat::h5, header_of(dim), 1500, 700);
    CHECK(folder.size() == 1);
    const EmbeddingReader reader = EmbeddingReader::open(path);
    CHECK(reader.rows() == 1500);
    CHECK(reader.has_extra());
    const EmbeddingHeader& header = reader.header();
    CHECK(header.model == "tiny@0123456789ab");
    CHECK(header.normalized);
    CHECK(header.logit_scale == 100.0);
    CHECK(header.dim == dim);
    CHECK(header.store == DType::f32);
    CHECK(header.tool == "clip-embed 0.1");
    CHECK(header.settings == "crop=center");
    for (const auto& [first, count] :
         std::array<std::pair<int, int>, 4>{{{0, 1500}, {650, 10}, {1499, 1}, {1500, 0}}}) {
        std::vector<float> values(static_cast<std::size_t>(count * dim));
        reader.read_rows(first, count, values.data());
        const auto items = reader.read_items(first, count);
        REQUIRE(items.size() == static_cast<std::size_t>(count));
        for (int i = 0; i < count; ++i) {
            const auto index = static_cast<std::size_t>(first + i);
            const EmbeddingRow want = row_of(index, dim, index >= 700);
            const auto& got = items[static_cast<std::size_t>(i)];
            REQUIRE(got.item == want.item);
            REQUIRE(got.is_text == want.is_text);
            REQUIRE(got.extra == want.extra);
            REQUIRE(std::memcmp(values.data() + i * dim, want.values.data(),
                                want.values.size() * sizeof(float)) == 0);
        }
    }
    float unused = 0;
    CHECK(code_of([&] { reader.read_rows(1499, 2, &unused); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] { reader.read_rows(-1, 1, &unused); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] { (void)reader.read_items(1500, 1); }) == ErrorCode::invalid_argument);
}

TEST_CASE("embedding file: float16 is rounded to nearest even and read back raw or widened") {
    const TempFolder folder;
    const std::string path = folder / "a.h5";
    write_rows(path, EmbeddingFormat::h5, header_of(8, DType::f16), 3);
    const EmbeddingReader reader = EmbeddingReader::open(path);
    CHECK(reader.header().store == DType::f16);
    CHECK_FALSE(reader.has_extra());
    std::vector<float> wide(24);
    std::vector<Half> raw(24);
    reader.read_rows(0, 3, wide.data());
    reader.read_rows_raw(0, 3, raw.data());
    for (std::size_t i = 0; i < 24; ++i) {
        const Half want(row_of(i / 8, 8).values[i % 8]);
        CHECK(raw[i].bits == want.bits);
        CHECK(wide[i] == static_cast<float>(want));
    }
}

TEST_CASE("embedding file: the same rows give the same bytes, and none gives a file that opens") {
    const TempFolder folder;
    for (const EmbeddingFormat format :
         {EmbeddingFormat::h5, EmbeddingFormat::npy, EmbeddingFormat::jsonl}) {
        write_rows(folder / "a", format, header_of(300), 2000, 100);
        write_rows(folder / "b", format, header_of(300), 2000, 100);
        CHECK(read_file(folder / "a") == read_file(folder / "b"));
    }
    write_rows(folder / "empty.h5", EmbeddingFormat::h5, header_of(4), 0);
    CHECK(EmbeddingReader::open(folder / "empty.h5").rows() == 0);
    write_rows(folder / "empty.npy", EmbeddingFormat::npy, header_of(4), 0);
    CHECK(read_file(folder / "empty.npy").size() == 128);
}

TEST_CASE("embedding file: JSON lines as the contract writes them") {
    const TempFolder folder;
    const auto writer =
        create_embedding_file(folder / "a.jsonl", EmbeddingFormat::jsonl, header_of(2, DType::f16));
    writer->append({"caf\xe9.jpg", false, "\"id\": 7", {0.1F, -1.0F}});
    writer->append({"a \"dog\"", true, "", {1e-7F, 0.5F}});
    writer->finish();
    CHECK(read_file(folder / "a.jsonl") ==
          "{\"path\":\"file:caf%E9.jpg\",\"id\": 7,\"model\":\"tiny@0123456789ab\","
          "\"embedding\":[0.099975586,-1]}\n"
          "{\"text\":\"a \\\"dog\\\"\",\"model\":\"tiny@0123456789ab\","
          "\"embedding\":[1.1920929e-7,0.5]}\n");
}

TEST_CASE("embedding file: a writer that does not finish leaves nothing") {
    const TempFolder folder;
    for (const EmbeddingFormat format :
         {EmbeddingFormat::h5, EmbeddingFormat::npy, EmbeddingFormat::jsonl}) {
        clip_test::write_file(folder / "a", "old");
        const auto writer = create_embedding_file(folder / "a", format, header_of(4));
        writer->append(row_of(0, 4));
    }
    CHECK(folder.size() == 1);
    CHECK(read_file(folder / "a") == "old");
}

TEST_CASE("embedding file: rows that cannot be stored are refused by name") {
    const TempFolder folder;
    const auto make = [&](DType store) {
        return create_embedding_file(folder / "a.h5", EmbeddingFormat::h5, header_of(2, store));
    };
    const auto append = [&](DType store, std::vector<float> values, std::string item = "x.jpg") {
        return code_of([&] {
            make(store)->append({std::move(item), true, "", std::move(values)});
        });
    };
    CHECK(append(DType::f32, {1}) == ErrorCode::shape_mismatch);
    CHECK(append(DType::f32, {1, std::nanf("")}) == ErrorCode::invalid_argument);
    CHECK(append(DType::f32, {1, HUGE_VALF}) == ErrorCode::invalid_argument);
    CHECK(append(DType::f16, {1, 65520}) == ErrorCode::invalid_argument);
    CHECK(append(DType::f32, {1, 2}, "caf\xe9") == ErrorCode::bad_format);
    CHECK(append(DType::f32, {1, 2}, std::string("a\0b", 3)) == ErrorCode::bad_format);
    make(DType::f16)->append({"x.jpg", false, "", {1, 65519}});
    CHECK(code_of([&] { make(DType::bf16); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] {
              create_embedding_file(folder / "a.h5", EmbeddingFormat::h5, header_of(0));
          }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] {
              create_embedding_file(folder / "none/a.h5", EmbeddingFormat::h5, header_of(1));
          }) == ErrorCode::not_found);
}

TEST_CASE("embedding file: what h5py writes is read, in other types too") {
    const EmbeddingReader good = EmbeddingReader::open(kGoldens + "good.h5");
    const std::vector<float> want = {1, 0, -0.5F, 0.25F, 2, 3};
    std::vector<float> values(6);
    good.read_rows(0, 2, values.data());
    CHECK(values == want);
    CHECK_FALSE(good.header().normalized);
    const EmbeddingReader other = EmbeddingReader::open(kGoldens + "good_other_types.h5");
    other.read_rows(0, 2, values.data());
    CHECK(values == want);
    CHECK(other.header().normalized);
    CHECK(other.header().logit_scale == 14.5);
    CHECK(other.header().store == DType::f16);
    const auto items = other.read_items(0, 2);
    CHECK(items[0].item == "a.jpg");
    CHECK(items[0].extra == "\"id\": 7");
    CHECK(items[1].item == "caf\xc3\xa9");
    CHECK(items[1].is_text);
    CHECK(items[1].extra.empty());
    CHECK(EmbeddingReader::open(kGoldens + "good_empty.h5").rows() == 0);
}

TEST_CASE("embedding file: a file that is none is refused for its own reason") {
    const auto refusal = [](const std::string& name) {
        return code_of([&] { read_all(kGoldens + name + ".h5"); });
    };
    for (const char* name : {"no_format",
                             "other_format",
                             "no_model",
                             "no_embedding",
                             "no_item",
                             "no_kind",
                             "model_is_a_number",
                             "logit_scale_is_nan",
                             "rank_3",
                             "rank_1",
                             "scalar_item",
                             "float64",
                             "int32",
                             "item_is_a_number",
                             "rows_differ",
                             "kind_2",
                             "not_finite",
                             "item_not_utf8",
                             "bad_escape",
                             "extra_is_no_object",
                             "huge_width",
                             "huge_chunk",
                             "embedding_is_a_group",
                             "external_link",
                             "external_storage"})
        CHECK_MESSAGE(refusal(name) == ErrorCode::bad_format, std::string(name));
    CHECK(refusal("version_2") == ErrorCode::version_mismatch);
    CHECK(refusal("huge_and_empty") == ErrorCode::truncated);
    CHECK(refusal("huge_contiguous") == ErrorCode::truncated);
    CHECK(refusal("nowhere") == ErrorCode::not_found);
    CHECK(message_of([] {
              read_all(kGoldens + "no_item.h5");
          }).ends_with("not an embedding file: the dataset /item is missing"));
    const TempFolder folder;
    CHECK(code_of([&] { read_all(folder.path()); }) == ErrorCode::io_failure);
    clip_test::write_file(folder / "text.h5", "hello");
    CHECK(code_of([&] { read_all(folder / "text.h5"); }) == ErrorCode::bad_format);
    CHECK_FALSE(looks_like_hdf5(folder / "text.h5"));
    CHECK(looks_like_hdf5(kGoldens + "good.h5"));
}

TEST_CASE("embedding file: cut off at any of 60 places it is an error, never a crash") {
    const TempFolder folder;
    write_rows(folder / "a.h5", EmbeddingFormat::h5, header_of(16), 200, 3);
    const std::string whole = read_file(folder / "a.h5");
    for (std::size_t i = 0; i < 60; ++i) {
        // Half of them near the start, where all the structure is.
        const std::size_t size =
            i % 2 == 0 ? whole.size() * i / 60 : std::min<std::size_t>(i * 97, whole.size() - 1);
        clip_test::write_file(folder / "cut.h5", std::string_view(whole).substr(0, size));
        const ErrorCode code = code_of([&] { read_all(folder / "cut.h5"); });
        CHECK_MESSAGE((code == ErrorCode::truncated || code == ErrorCode::bad_format), size);
    }
}

TEST_CASE("embedding file: through a pipe both ways") {
    for (const EmbeddingFormat format :
         {EmbeddingFormat::h5, EmbeddingFormat::npy, EmbeddingFormat::jsonl}) {
        const TempFolder folder;
        write_rows(folder / "file", format, header_of(64), 500);
        std::array<int, 2> ends{};
        REQUIRE(::pipe(ends.data()) == 0);
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(ends[0]);
            int status = 1;
            try {
                OutputStream out(ends[1], "standard output", true);
                const auto writer = create_embedding_stream(out, format, header_of(64));
                for (std::size_t i = 0; i < 500; ++i)
                    writer->append(row_of(i, 64));
                writer->finish();
                out.close();
                status = 0;
            } catch (const Error&) {
            }
            ::_exit(status);
        }
        ::close(ends[1]);
        const int saved = ::dup(STDIN_FILENO);
        ::dup2(ends[0], STDIN_FILENO);
        ::close(ends[0]);
        if (format == EmbeddingFormat::h5) {
            const EmbeddingReader reader = EmbeddingReader::open("-");
            CHECK(reader.rows() == 500);
            CHECK(reader.name() == "standard input");
            CHECK(reader.read_items(499, 1)[0].item == row_of(499, 64).item);
        } else {
            std::string got(1 << 20, '\0');
            std::size_t have = 0;
            while (const ssize_t part = ::read(0, got.data() + have, got.size() - have))
                have += static_cast<std::size_t>(part);
            CHECK(std::string_view(got).substr(0, have) == read_file(folder / "file"));
        }
        ::dup2(saved, STDIN_FILENO);
        ::close(saved);
        int status = -1;
        ::waitpid(child, &status, 0);
        CHECK(status == 0);
    }
}

TEST_CASE("embedding file: standard input that is a file is opened in place") {
    const int saved = ::dup(STDIN_FILENO);
    const int file = ::open((kGoldens + "good.h5").c_str(), O_RDONLY);
    ::dup2(file, STDIN_FILENO);
    CHECK(EmbeddingReader::open("-").rows() == 2);
    ::dup2(saved, STDIN_FILENO);
    ::close(saved);
    ::close(file);
}

TEST_CASE("embedding file: a full disk is an error that leaves the old file") {
    const TempFolder folder;
    clip_test::write_file(folder / "a", "old");
    for (const EmbeddingFormat format :
         {EmbeddingFormat::h5, EmbeddingFormat::npy, EmbeddingFormat::jsonl}) {
        // The limit stands in for the disk: write() fails with EFBIG beyond it. In a child, because
        // HDF5 keeps a file that it could not close.
        for (const rlim_t limit : {rlim_t{1000}, rlim_t{300000}, rlim_t{1200000}}) {
            const pid_t child = ::fork();
            if (child == 0) {
                std::signal(SIGXFSZ, SIG_IGN);
                const rlimit bounds{limit, limit};
                ::setrlimit(RLIMIT_FSIZE, &bounds);
                const ErrorCode code =
                    code_of([&] { write_rows(folder / "a", format, header_of(512), 1000); });
                ::dup2(::open("/dev/null", O_WRONLY), STDOUT_FILENO);
                std::exit(code == ErrorCode::io_failure ? 0 : 1); // runs HDF5's own clean-up too
            }
            int status = -1;
            ::waitpid(child, &status, 0);
            CHECK(status == 0);
            CHECK(folder.size() == 1);
            CHECK(read_file(folder / "a") == "old");
        }
    }
}

TEST_CASE("embedding file: /dev/full and a closed pipe are told apart") {
    std::signal(SIGPIPE, SIG_IGN);
    for (const EmbeddingFormat format :
         {EmbeddingFormat::h5, EmbeddingFormat::npy, EmbeddingFormat::jsonl}) {
        const std::string message =
            message_of([&] { write_rows("/dev/full", format, header_of(8), 10); });
        CHECK(message == "write /dev/full: no space left on device");
        std::array<int, 2> ends{};
        REQUIRE(::pipe(ends.data()) == 0);
        ::close(ends[0]);
        OutputStream out(ends[1], "standard output", true);
        const auto writer = create_embedding_stream(out, format, header_of(8));
        writer->append(row_of(0, 8));
        CHECK_THROWS_AS(writer->finish(), ClosedPipe);
    }
}

TEST_CASE("npy: header and values as NumPy wants them") {
    const TempFolder folder;
    const std::vector<float> values = {1, 2, 3, 4, 5, 6};
    write_npy(folder / "a.npy", values, Shape{1, 2, 3});
    const std::string bytes = read_file(folder / "a.npy");
    REQUIRE(bytes.size() == 128 + 24);
    CHECK(bytes.substr(0, 10) == std::string("\x93NUMPY\x01\x00\x76\x00", 10));
    CHECK(bytes.substr(10, 60) == "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3),");
    CHECK(bytes[127] == '\n');
    CHECK(std::memcmp(bytes.data() + 128, values.data(), 24) == 0);
    CHECK(
        npy_header(DType::f16, Shape{7}).find("'<f2', 'fortran_order': False, 'shape': (7,), }") !=
        std::string::npos);
    CHECK(code_of([&] { write_npy(folder / "a.npy", values, Shape{7}); }) ==
          ErrorCode::shape_mismatch);
    CHECK(code_of([&] { (void)npy_header(DType::i64, Shape{7}); }) == ErrorCode::unsupported);
}

TEST_CASE("embedding format: by the end of the name") {
    EmbeddingFormat format = EmbeddingFormat::npy;
    CHECK(embedding_format_of("a.b/c.h5", format));
    CHECK(format == EmbeddingFormat::h5);
    CHECK(embedding_format_of("c.jsonl", format));
    CHECK(format == EmbeddingFormat::jsonl);
    CHECK(embedding_format_of("c.npy", format));
    CHECK(format == EmbeddingFormat::npy);
    CHECK_FALSE(embedding_format_of("c.txt", format));
}
