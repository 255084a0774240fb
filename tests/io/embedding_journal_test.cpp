// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/embedding_journal.hpp"
#include "io/embedding_reader.hpp"
#include "temp_folder.hpp"

using namespace clip;
using namespace clip::io;
using clip_test::code_of;
using clip_test::message_of;
using clip_test::read_file;
using clip_test::TempFolder;
using clip_test::write_file;

namespace {

constexpr std::int64_t kDim = 6;

JournalOptions options_of(const std::string& path, EmbeddingFormat format, bool resume) {
    return {path,
            format,
            {"tiny@0123456789ab", true, 100.0, kDim, DType::f32, "clip-embed 0.1", "crop=center"},
            resume,
            "crop=center"};
}

EmbeddingRow row_of(std::size_t index) {
    EmbeddingRow row;
    row.item = (index % 4 == 2 ? "caf\xe9 " : "item ") + std::to_string(index);
    row.is_text = index % 4 == 1;
    row.extra = index % 3 == 0 ? "\"id\":" + std::to_string(index) : "";
    float length = 0;
    for (std::size_t i = 0; i < kDim; ++i)
        row.values.push_back(std::sin(static_cast<float>(index * 7 + i)));
    for (const float value : row.values)
        length += value * value;
    for (float& value : row.values)
        value /= std::sqrt(length);
    return row;
}

/// What a command does: takes what is known, "computes" the rest. Input 5 always fails. Returns how
/// many rows were computed.
std::size_t run(const JournalOptions& options, std::size_t begin, std::size_t end,
                std::size_t stop_after = 1000, bool finish = true) {
    EmbeddingJournal journal(options);
    std::size_t computed = 0;
    for (std::size_t i = begin; i < end && computed < stop_after; ++i) {
        if (i == 5)
            continue;
        const EmbeddingRow row = row_of(i);
        if (const auto known = journal.lookup(row.item, row.is_text)) {
            journal.reuse(*known, row.extra);
        } else {
            journal.append(row);
            ++computed;
        }
        if (i % 3 == 0)
            journal.flush();
    }
    journal.flush();
    if (finish)
        journal.finish();
    return computed;
}

std::string uninterrupted(EmbeddingFormat format, std::size_t begin, std::size_t end) {
    const TempFolder folder;
    run(options_of(folder / "f", format, false), begin, end);
    CHECK(folder.size() == 1);
    return read_file(folder / "f");
}

const EmbeddingFormat kFormats[] = {EmbeddingFormat::h5, EmbeddingFormat::jsonl,
                                    EmbeddingFormat::npy};

} // namespace

TEST_CASE("journal: a run that stops and is resumed ends as one that did not") {
    for (const EmbeddingFormat format : kFormats) {
        const std::string want = uninterrupted(format, 0, 20);
        for (const std::size_t stop : {0U, 1U, 7U, 19U}) {
            const TempFolder folder;
            const std::string path = folder / "f";
            run(options_of(path, format, true), 0, 20, stop, false);
            CHECK_FALSE(std::filesystem::exists(path));
            CHECK(std::filesystem::exists(path + ".part") == (stop > 0));
            CHECK(run(options_of(path, format, true), 0, 20) == 19 - stop);
            CHECK(read_file(path) == want);
            CHECK(folder.size() == 1);
        }
    }
}

TEST_CASE("journal: without --resume it begins anew") {
    const TempFolder folder;
    run(options_of(folder / "f", EmbeddingFormat::h5, false), 0, 20, 7, false);
    CHECK(run(options_of(folder / "f", EmbeddingFormat::h5, false), 0, 20) == 19);
}

TEST_CASE("journal: a complete file is taken from too, and grows in the order of the inputs") {
    for (const EmbeddingFormat format : {EmbeddingFormat::h5, EmbeddingFormat::jsonl}) {
        const TempFolder folder;
        const std::string path = folder / "f";
        run(options_of(path, format, true), 8, 12);
        CHECK(run(options_of(path, format, true), 0, 20) == 15);
        CHECK(read_file(path) == uninterrupted(format, 0, 20));
        CHECK(run(options_of(path, format, true), 0, 20) == 0);
        CHECK(read_file(path) == uninterrupted(format, 0, 20));
    }
    const TempFolder folder;
    run(options_of(folder / "f", EmbeddingFormat::npy, true), 0, 4);
    CHECK(run(options_of(folder / "f", EmbeddingFormat::npy, true), 0, 4) == 4);
}

TEST_CASE("journal: rows that no input asks for are counted and left out") {
    const TempFolder folder;
    const JournalOptions options = options_of(folder / "f", EmbeddingFormat::jsonl, true);
    run(options, 0, 20);
    {
        EmbeddingJournal journal(options);
        CHECK(journal.known() == 19);
        CHECK_FALSE(journal.lookup("item 0", true)); // a picture of that name, not a text
        for (int twice = 0; twice < 2; ++twice) {
            const auto row = journal.lookup("item 0", false);
            REQUIRE(row);
            journal.reuse(*row, twice == 0 ? "" : "\"new\":1");
        }
        CHECK(journal.unused() == 18);
        CHECK(journal.rows() == 2);
        journal.finish();
    }
    const std::string got = read_file(folder / "f");
    CHECK(std::count(got.begin(), got.end(), '\n') == 2);
    CHECK(got.starts_with("{\"path\":\"item 0\",\"model\""));
    CHECK(got.find("\n{\"path\":\"item 0\",\"new\":1,\"model\"") != std::string::npos);
}

TEST_CASE("journal: cut at any byte of its last records, resume ends the same") {
    const TempFolder folder;
    const std::string path = folder / "f";
    const std::string want = uninterrupted(EmbeddingFormat::jsonl, 0, 9);
    const JournalOptions options = options_of(path, EmbeddingFormat::jsonl, true);
    run(options, 0, 6, 1000, false);
    const std::size_t before = read_file(path + ".part").size();
    run(options, 0, 8, 1000, false);
    const std::string whole = read_file(path + ".part");
    REQUIRE(whole.size() > before + 50);
    for (std::size_t size = before; size <= whole.size(); ++size) {
        std::filesystem::remove(path);
        write_file(path + ".part", std::string_view(whole).substr(0, size));
        REQUIRE(run(options, 0, 9) <= 3);
        REQUIRE(read_file(path) == want);
    }
    // The same for a kill while the journal was begun: nothing is there, which is no error.
    for (std::size_t size = 0; size < 100; ++size) {
        std::filesystem::remove(path);
        write_file(path + ".part", std::string_view(whole).substr(0, size));
        REQUIRE(run(options, 0, 9) == 8);
        REQUIRE(read_file(path) == want);
    }
}

TEST_CASE("journal: a changed byte costs rows, never gives wrong ones") {
    const TempFolder folder;
    const std::string path = folder / "f";
    const std::string want = uninterrupted(EmbeddingFormat::jsonl, 0, 6);
    const JournalOptions options = options_of(path, EmbeddingFormat::jsonl, true);
    run(options, 0, 6, 1000, false);
    const std::string whole = read_file(path + ".part");
    std::size_t refused = 0;
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (const char flip : {'\x01', '\x80', '\xff'}) {
            std::string changed = whole;
            changed[at] = static_cast<char>(changed[at] ^ flip);
            std::filesystem::remove(path);
            write_file(path + ".part", changed);
            const ErrorCode code = code_of([&] {
                run(options, 0, 6);
                REQUIRE(read_file(path) == want);
            });
            refused += code == ErrorCode::internal ? 0 : 1;
            REQUIRE((code == ErrorCode::internal || code == ErrorCode::bad_format ||
                     code == ErrorCode::version_mismatch));
        }
    }
    CHECK(refused < 250 * 3); // only the header is beyond repair
}

TEST_CASE("journal: killed at any moment, by a signal that nobody can catch") {
    const std::string want = uninterrupted(EmbeddingFormat::h5, 0, 400);
    const TempFolder folder;
    const JournalOptions options = options_of(folder / "f", EmbeddingFormat::h5, true);
    for (int round = 0; round < 12; ++round) {
        const pid_t child = ::fork();
        if (child == 0) {
            if (round == 11)
                run(options, 0, 400);
            for (int forever = 0; round < 11; ++forever)
                run(options, 0, 400);
            ::_exit(0);
        }
        ::usleep(static_cast<useconds_t>(round * 1500));
        if (round < 11)
            ::kill(child, SIGKILL);
        int status = -1;
        ::waitpid(child, &status, 0);
        if (std::filesystem::exists(folder / "f"))
            CHECK(read_file(folder / "f") == want);
    }
    CHECK(read_file(folder / "f") == want);
    CHECK(folder.size() == 1); // left-overs of the killed runs are gone too
}

TEST_CASE("journal: a second writer is turned away and changes nothing") {
    const TempFolder folder;
    const std::string path = folder / "f";
    std::filesystem::create_symlink("f", folder / "other-name");
    EmbeddingJournal journal(options_of(path, EmbeddingFormat::h5, false));
    journal.append(row_of(0));
    journal.flush();
    for (const std::string& name : {path, folder / "other-name"}) {
        const pid_t child = ::fork();
        if (child == 0) {
            const std::string message =
                message_of([&] { EmbeddingJournal(options_of(name, EmbeddingFormat::h5, false)); });
            ::_exit(message == "write " + name + ": another run is writing this file" ? 0 : 1);
        }
        int status = -1;
        ::waitpid(child, &status, 0);
        CHECK(status == 0);
    }
    journal.finish();
    CHECK(EmbeddingReader::open(path).rows() == 1);
}

TEST_CASE("journal: rows of another model, width, type or settings do not mix") {
    for (const EmbeddingFormat format : {EmbeddingFormat::h5, EmbeddingFormat::npy}) {
        const TempFolder folder;
        const JournalOptions ours = options_of(folder / "f", format, true);
        run(ours, 0, 4, 1000, format == EmbeddingFormat::h5); // once in FILE, once in FILE.part
        const auto refused = [&](auto change) {
            JournalOptions other = ours;
            change(other.header);
            return code_of([&] { EmbeddingJournal journal(other); }) == ErrorCode::version_mismatch;
        };
        CHECK(refused([](EmbeddingHeader& header) { header.model = "big@ffffffffffff"; }));
        CHECK(refused([](EmbeddingHeader& header) { header.dim = 7; }));
        CHECK(refused([](EmbeddingHeader& header) { header.store = DType::f16; }));
        CHECK(refused([](EmbeddingHeader& header) { header.normalized = false; }));
        CHECK(refused([](EmbeddingHeader& header) { header.settings = "crop=none"; }));
        JournalOptions other = ours;
        other.header.model = "big@ffffffffffff";
        const std::string message = message_of([&] { EmbeddingJournal journal(other); });
        CHECK(message.find("big@ffffffffffff") != std::string::npos);
        CHECK(message.find("tiny@0123456789ab") != std::string::npos);
        JournalOptions newer = ours;
        newer.header.tool = "clip-embed 0.2";
        CHECK(run(newer, 0, 4) == 0);
    }
}

TEST_CASE("journal: JSON lines say by their lengths whether they were normalized") {
    const TempFolder folder;
    JournalOptions options = options_of(folder / "f", EmbeddingFormat::jsonl, true);
    run(options, 0, 4);
    options.header.normalized = false;
    CHECK(code_of([&] { EmbeddingJournal journal(options); }) == ErrorCode::version_mismatch);
    write_file(folder / "f", "not an embedding\n");
    CHECK(code_of([&] { EmbeddingJournal journal(options); }) == ErrorCode::bad_format);
    CHECK(folder.size() == 1);
}

TEST_CASE("journal: JSON lines record no settings, so only default ones are taken from them") {
    const TempFolder folder;
    JournalOptions options = options_of(folder / "f", EmbeddingFormat::jsonl, true);
    run(options, 0, 4);
    const std::string whole = read_file(folder / "f");
    options.header.settings = "crop=none";
    CHECK(message_of([&] { EmbeddingJournal journal(options); })
              .ends_with("this run has crop=none (default: crop=center); run without --resume, or "
                         "keep rows in HDF5"));
    options.header.settings = "crop=center";
    options.header.store = DType::f16; // existing rows are never rounded
    CHECK(message_of([&] { EmbeddingJournal journal(options); }).find("f32 (this run: f16)") !=
          std::string::npos);
    CHECK(read_file(folder / "f") == whole);
    CHECK(folder.size() == 1);
    options.resume = false;
    run(options, 0, 4);
    options.resume = true;
    CHECK(run(options, 0, 4) == 0);
    options.header.store = DType::f32;
    CHECK(code_of([&] { EmbeddingJournal journal(options); }) == ErrorCode::version_mismatch);
}

TEST_CASE("journal: JSON lines of another layer say so, and are gone on with by a run of it") {
    const TempFolder folder;
    JournalOptions options = options_of(folder / "f", EmbeddingFormat::jsonl, true);
    options.default_settings = "layer=projected crop=center";
    options.header.settings = "layer=penultimate crop=center";
    run(options, 0, 4);
    const std::string whole = read_file(folder / "f");
    CHECK(whole.find("\"model\":\"tiny@0123456789ab\",\"layer\":\"penultimate\",\"embedding\":[") !=
          std::string::npos);
    CHECK(run(options, 0, 4) == 0); // nothing is computed
    CHECK(read_file(folder / "f") == whole);
    options.header.settings = "layer=penultimate crop=none";
    CHECK(message_of([&] { EmbeddingJournal journal(options); })
              .ends_with("this run has crop=none (default: crop=center); run without --resume, or "
                         "keep rows in HDF5"));
    options.header.settings = options.default_settings;
    CHECK(message_of([&] {
              EmbeddingJournal journal(options);
          }).find("made with layer=penultimate (this run: layer=projected)") != std::string::npos);
    options.resume = false;
    run(options, 0, 4);
    CHECK(read_file(folder / "f").find("layer") == std::string::npos);
    options.resume = true;
    options.header.settings = "layer=penultimate crop=center";
    CHECK(message_of([&] {
              EmbeddingJournal journal(options);
          }).find("made with layer=projected (this run: layer=penultimate)") != std::string::npos);
    write_file(folder / "f", read_file(folder / "f") + whole);
    CHECK(message_of([&] {
              EmbeddingJournal journal(options);
          }).ends_with("f:5: another layer than that of the lines before"));
}

TEST_CASE("journal: what differs is all that a refusal names") {
    const TempFolder folder;
    JournalOptions options = options_of(folder / "f", EmbeddingFormat::h5, true);
    options.header.settings = "layer=projected crop=center grey16=clip";
    run(options, 0, 4, 1000, false);
    options.header.settings = "layer=projected crop=none grey16=clip";
    options.header.normalized = false;
    CHECK(message_of([&] { EmbeddingJournal journal(options); }) ==
          "resume " + (folder / "f.part") +
              ": its rows were made with normalized (this run: not normalized); crop=center (this "
              "run: crop=none); remove it, or run without --resume");
}

TEST_CASE("journal: a run without rows says that it would only remove those that are there") {
    for (const EmbeddingFormat format : kFormats) {
        const TempFolder folder;
        for (const bool resume : {false, true}) {
            const JournalOptions options = options_of(folder / "f", format, resume);
            CHECK_FALSE(EmbeddingJournal(options).would_only_remove());
            EmbeddingJournal(options).finish(); // an empty FILE
            CHECK_FALSE(EmbeddingJournal(options).would_only_remove());
            run(options, 0, 3);
            CHECK(EmbeddingJournal(options).would_only_remove());
            {
                EmbeddingJournal journal(options);
                journal.append(row_of(0));
                CHECK_FALSE(journal.would_only_remove());
            }
            std::filesystem::remove(folder / "f");
        }
        const JournalOptions options = options_of(folder / "f", format, true);
        run(options, 0, 3, 1000, false);
        {
            const EmbeddingJournal journal(options);
            CHECK(journal.would_only_remove());
            CHECK(journal.kept() == 3);
        }
        CHECK(std::filesystem::exists(folder / "f.part"));
    }
}

TEST_CASE("journal: it knows how many rows are kept in FILE.part") {
    const TempFolder folder;
    const JournalOptions options = options_of(folder / "f", EmbeddingFormat::h5, true);
    {
        EmbeddingJournal journal(options);
        journal.append(row_of(0));
        CHECK(journal.kept() == 0);
        journal.flush();
        CHECK(journal.kept() == 1);
    }
    {
        EmbeddingJournal journal(options);
        CHECK(journal.kept() == 1);
        journal.finish();
    }
    // Keys beside rows of FILE are nothing that a later run could use.
    {
        EmbeddingJournal journal(options_of(folder / "g", EmbeddingFormat::h5, false));
        journal.append(row_of(0));
        journal.finish();
    }
    {
        EmbeddingJournal journal(options_of(folder / "g", EmbeddingFormat::h5, true));
        journal.reuse(*journal.lookup("item 0", false), "\"new\":1");
        journal.flush();
        CHECK(journal.kept() == 0);
    }
    CHECK(folder.size() == 2);
}

TEST_CASE("journal: a stranger's FILE.part is not touched") {
    const TempFolder folder;
    write_file(folder / "f.part", "somebody's half download");
    for (const bool resume : {false, true})
        CHECK(code_of([&] {
                  EmbeddingJournal journal(options_of(folder / "f", EmbeddingFormat::h5, resume));
              }) == ErrorCode::bad_format);
    CHECK(read_file(folder / "f.part") == "somebody's half download");
    std::filesystem::remove(folder / "f.part");
    std::filesystem::create_symlink("elsewhere", folder / "f.part");
    CHECK(code_of([&] {
              EmbeddingJournal journal(options_of(folder / "f", EmbeddingFormat::h5, false));
          }) == ErrorCode::io_failure);
    CHECK(code_of([&] {
              EmbeddingJournal journal(options_of(folder / "no/f", EmbeddingFormat::h5, false));
          }) == ErrorCode::not_found);
}

TEST_CASE("journal: on a full disk what was flushed is safe") {
    for (const EmbeddingFormat format : kFormats) {
        const TempFolder folder;
        const JournalOptions options = options_of(folder / "f", format, true);
        write_file(folder / "f", "");
        const pid_t child = ::fork();
        if (child == 0) {
            std::signal(SIGXFSZ, SIG_IGN);
            const rlimit bounds{2000, 2000};
            ::setrlimit(RLIMIT_FSIZE, &bounds);
            ::_exit(code_of([&] { run(options, 0, 100); }) == ErrorCode::io_failure ? 0 : 1);
        }
        int status = -1;
        ::waitpid(child, &status, 0);
        CHECK(status == 0);
        CHECK(read_file(folder / "f").empty());
        CHECK(run(options, 0, 100) < 80);
        CHECK(read_file(folder / "f") == uninterrupted(format, 0, 100));
    }
}

TEST_CASE("journal: when finish fails, FILE is as it was and the next run computes nothing") {
    const TempFolder folder;
    const JournalOptions options = options_of(folder / "f", EmbeddingFormat::jsonl, true);
    run(options, 0, 2);
    const std::string old = read_file(folder / "f");
    const pid_t child = ::fork();
    if (child == 0) {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit bounds{6000, 6000}; // enough for the journal, not for JSON
        ::setrlimit(RLIMIT_FSIZE, &bounds);
        ::_exit(code_of([&] { run(options, 0, 90); }) == ErrorCode::io_failure ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
    CHECK(read_file(folder / "f") == old);
    CHECK(folder.size() == 2);
    CHECK(run(options, 0, 90) == 0);
    CHECK(read_file(folder / "f") == uninterrupted(EmbeddingFormat::jsonl, 0, 90));
}
