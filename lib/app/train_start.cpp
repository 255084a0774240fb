// SPDX-License-Identifier: MIT
#include "app/train_start.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "app/model_path.hpp"
#include "app/model_session.hpp"
#include "app/tokenizer_text.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"
#include "model/architectures.hpp"
#include "model/config_files.hpp"
#include "model/digest.hpp"
#include "train/tokenizer_files.hpp"

namespace clip::app {

namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultArchitecture = "ViT-B-32";

ModelConfig named_config(const std::string& name, Reporter& reporter) {
    if (!name.ends_with(".json"))
        return architecture(name);
    std::vector<std::string> notes;
    ModelConfig config = read_open_clip_config(name, notes);
    for (const std::string& note : notes)
        reporter.warning("", note);
    return config;
}

std::string joined(const std::vector<std::string>& places) {
    std::string out;
    for (const std::string& place : places)
        out += concat(out.empty() ? "" : ", ", place);
    return out;
}

/// Where a tokenizer is looked for that no option names.
std::vector<std::string> usual_places(const TrainStart& start, const Environment& environment) {
    if (start.checkpoint)
        return tokenizer_places(*start.checkpoint, environment);
    std::vector<std::string> places;
    if (!environment.vocabulary.empty())
        places.push_back(environment.vocabulary);
    places.push_back(environment.data_folder);
    return places;
}

void warn_of_other_ids(const TrainStart& start, const TrainOptions& options,
                       const Environment& environment, Reporter& reporter) {
    std::optional<Tokenizer> usual;
    try {
        usual = find_tokenizer(usual_places(start, environment), start.config.text.vocab_size);
    } catch (const Error&) { // it may be broken: that is why there is another
        return;
    }
    if (usual && !usual->same_ids(*start.tokenizer))
        reporter.warning("", concat("--tokenizer ", options.tokenizer,
                                    ": it gives other token ids than ", usual->source(),
                                    ", with which the model of --init is used: what its text tower "
                                    "knows of them will not fit"));
}

} // namespace

TrainStart start_model(const TrainOptions& options, const Environment& environment,
                       Reporter& reporter) {
    TrainStart start;
    if (options.init.empty()) {
        start.config =
            named_config(options.arch.empty() ? kDefaultArchitecture : options.arch, reporter);
    } else {
        start.checkpoint = open_checkpoint(find_model(options.init, environment));
        for (const std::string& note : start.checkpoint->notes)
            reporter.warning("", note);
        start.config = start.checkpoint->config;
        if (!options.arch.empty()) {
            ModelConfig wanted = named_config(options.arch, reporter);
            wanted.text.vocab_size = start.config.text.vocab_size;
            const std::string differs = config_difference(wanted, start.config);
            if (!differs.empty())
                fail(ErrorCode::version_mismatch,
                     concat("--arch ", options.arch, " is not what --init ", options.init,
                            " is: they differ in ", differs));
        }
    }
    static_cast<void>(open_clip_config_files(start.config)); // refuses what cannot be written
    return start;
}

void start_tokenizer(TrainStart& start, const TrainOptions& options, const Environment& environment,
                     Reporter& reporter) {
    std::vector<std::string> places = usual_places(start, environment);
    if (!options.tokenizer.empty())
        places = {options.tokenizer};
    start.tokenizer = find_tokenizer(places, start.checkpoint ? start.config.text.vocab_size : 0);
    if (!start.tokenizer)
        fail(ErrorCode::not_found,
             concat("find a tokenizer: no vocab.json with merges.txt, tokenizer.json or "
                    "bpe_simple_vocab_16e6.txt.gz in ",
                    joined(places),
                    "; --tokenizer names one, and --train-tokenizer SIZE learns one"));
    if (start.checkpoint && !options.tokenizer.empty())
        warn_of_other_ids(start, options, environment, reporter);
    start.config.text.vocab_size = start.tokenizer->vocab_size();
    start.tokenizer_files = tokenizer_text(*start.tokenizer);
}

void learn_tokenizer(const std::string& folder, const TrainOptions& options,
                     const train::PairSource& pairs, ThreadPool& pool, Reporter& reporter) {
    std::uint64_t left_out = 0;
    const WordCounts words = train::count_words(pairs, pool, left_out);
    if (words.size() == 0 && left_out > 0) { // say why: of the first pair, the record and the error
        std::vector<std::string> captions;
        try {
            pairs.read_captions(0, captions);
        } catch (const Error& error) {
            fail(error.code(), concat("learn a vocabulary: none of ", pairs.size(),
                                      " pairs has a caption that can be read; the first: ",
                                      pairs.describe(0), ": ", error.what()));
        }
    }
    const TrainedBpe bpe =
        train_bpe(words, {.vocab_size = static_cast<std::int64_t>(options.train_tokenizer)});
    if (bpe.stopped_short())
        reporter.warning("",
                         concat("--train-tokenizer: the captions give no more than ",
                                bpe.vocab_size(), " ids (", bpe.wanted_size, " were asked for)"));
    reporter.note(concat("learned a vocabulary of ", bpe.vocab_size(), " ids from ", words.total(),
                         " words, ", words.size(), " different ones"));
    if (left_out > 0)
        reporter.detail(concat(left_out, " pairs or captions gave no words to learn from"));
    std::error_code error;
    fs::create_directory(folder, error);
    if (error)
        fail_errno(concat("make ", folder), error.value());
    train::write_tokenizer(folder, bpe);
}

void take_tokenizer(TrainStart& start, const std::string& folder) {
    start.tokenizer =
        Tokenizer::from_vocab_and_merges(folder + "/vocab.json", folder + "/merges.txt");
    start.config.text.vocab_size = start.tokenizer->vocab_size();
    start.tokenizer_files = tokenizer_text(*start.tokenizer);
}

std::map<std::string, std::string> start_settings(const TrainStart& start) {
    std::map<std::string, std::string> settings;
    const std::string json = open_clip_config_files(start.config).begin()->second;
    const nlohmann::json flat = nlohmann::json::parse(json).flatten();
    for (const auto& [pointer, value] : flat.items()) {
        std::string key = "model" + pointer;
        std::replace(key.begin(), key.end(), '/', '.');
        settings.emplace(std::move(key), value.dump());
    }
    settings["init"] = start.checkpoint ? start.checkpoint->id() : "random weights";
    std::string words;
    for (const auto& [name, content] : start.tokenizer_files)
        words += concat(name, "\n", content);
    settings["tokenizer"] = bytes_digest(words);
    return settings;
}

} // namespace clip::app
