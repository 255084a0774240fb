// SPDX-License-Identifier: MIT
#include "app/tokenizer_text.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/model_session.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::app {

namespace {

namespace fs = std::filesystem;

std::string read_whole(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text(std::istreambuf_iterator<char>(file), {});
    if (!file)
        fail(ErrorCode::io_failure, concat(path.string(), ": cannot be read"));
    return text;
}

} // namespace

TextFiles tokenizer_text(const Tokenizer& tokenizer) {
    const fs::path source = tokenizer.source();
    if (source.filename() == "vocab.json")
        return {{"vocab.json", read_whole(source)},
                {"merges.txt", read_whole(source.parent_path() / "merges.txt")}};
    if (source.extension() == ".json")
        return {{"tokenizer.json", read_whole(source)}};
    VocabularyFiles files = vocabulary_files(source.string(), tokenizer.vocab_size());
    return {{"vocab.json", std::move(files.vocab_json)},
            {"merges.txt", std::move(files.merges_txt)}};
}

TextFiles checkpoint_tokenizer(const Checkpoint& checkpoint, const Environment& environment) {
    const auto tokenizer = find_tokenizer(tokenizer_places(checkpoint, environment),
                                          checkpoint.config.text.vocab_size);
    return tokenizer ? tokenizer_text(*tokenizer) : TextFiles{};
}

} // namespace clip::app
