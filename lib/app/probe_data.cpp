// SPDX-License-Identifier: MIT
#include "app/probe_data.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "app/classifier_source.hpp"
#include "app/embedding_settings.hpp"
#include "app/input_source.hpp"
#include "app/truth.hpp"
#include "base/concat.hpp"

namespace clip::app {

namespace {

// Larger values would overflow float32 in sums of squares.
constexpr float kLargest = 1e15F;

class Loader {
  public:
    Loader(const ProbeFiles& files, bool several, FailureLog& failures, Reporter& reporter)
        : truth_(files.truth, several), truth_name_(files.truth), failures_(failures),
          reporter_(reporter), settings_(ComparedSettings::all, reporter) {
        data_.classes.several = several;
    }

    /// Rows of `files` into `rows`.
    void load(const std::vector<std::string>& files, std::vector<std::uint32_t>& rows);
    /// The training files are read: their classes are all there will be.
    void close_classes();
    ProbeData finish() { return std::move(data_); }
    const std::vector<std::string>& items() const { return items_; }

  private:
    std::optional<Error> fault(const Input& input, std::vector<std::uint32_t>& classes);
    void check_origin(const Input& input);
    bool take_classes(const std::vector<std::string>& labels, std::vector<std::uint32_t>& classes,
                      std::string& strange);

    ProbeData data_;
    Truth truth_;
    std::string truth_name_;
    FailureLog& failures_;
    Reporter& reporter_;
    EmbeddingSettings settings_;
    std::map<std::string, std::uint32_t> index_; // of labels, in order of their first row
    bool closed_ = false;
    std::vector<std::string> items_; // (N)
    // What the first row was of; later ones must be of the same.
    std::string first_, first_layered_, first_file_;
    bool normalized_ = true;
    bool warned_model_ = false;
};

void Loader::check_origin(const Input& input) {
    const std::string& where = input.file.empty() ? input.name : input.file;
    if (items_.empty()) {
        first_ = where;
        data_.model = input.model;
        data_.dim = input.embedding.size();
    }
    if (!input.model.empty() && data_.model.empty())
        data_.model = input.model;
    if (!input.model.empty() && input.model != data_.model)
        fail_models(where, input.model, first_, data_.model);
    if (input.model.empty() && !std::exchange(warned_model_, true))
        reporter_.warning(input.name, "the embedding does not say of which model it is");
    if (input.file.empty() && input.settings.empty())
        return; // JSON lines that do not say a layer
    const std::string layer = setting(input.settings, "layer=");
    if (first_layered_.empty()) {
        first_layered_ = where;
        data_.layer = layer;
    }
    if (layer != data_.layer)
        fail(ErrorCode::version_mismatch,
             concat("read features: ", where, " is of the layer ",
                    layer.empty() ? "that it does not name" : layer, ", ", first_layered_, " of ",
                    data_.layer.empty() ? "one that it does not name" : data_.layer));
    if (input.file.empty())
        return;
    if (first_file_.empty()) {
        first_file_ = where;
        normalized_ = input.normalized;
    }
    if (input.normalized != normalized_)
        fail(ErrorCode::version_mismatch,
             concat("read features: the rows of ", input.normalized ? where : first_file_,
                    " have length 1, those of ", input.normalized ? first_file_ : where,
                    " have not"));
    settings_.meet(where, input.settings);
}

/// False where a label is no class; `strange` is then that label.
bool Loader::take_classes(const std::vector<std::string>& labels,
                          std::vector<std::uint32_t>& classes, std::string& strange) {
    classes.clear();
    for (const std::string& label : labels) {
        auto found = index_.find(label);
        if (found == index_.end() && closed_) {
            strange = label;
            return false;
        }
        if (found == index_.end())
            found = index_.emplace(label, static_cast<std::uint32_t>(index_.size())).first;
        classes.push_back(found->second);
    }
    return true;
}

/// Why a row cannot be used; nothing where it can.
std::optional<Error> Loader::fault(const Input& input, std::vector<std::uint32_t>& classes) {
    if (input.error)
        return input.error;
    const std::vector<float>& row = input.embedding;
    if (row.empty())
        return Error(ErrorCode::bad_format, "no embedding (clip-embed makes them)");
    check_origin(input);
    if (row.size() != data_.dim)
        return Error(ErrorCode::shape_mismatch,
                     concat("the embedding has ", row.size(), " values, those of ", first_,
                            " have ", data_.dim, place_of(input)));
    if (std::all_of(row.begin(), row.end(), [](float value) { return value == 0; }))
        return Error(ErrorCode::bad_format, concat("the embedding is all zeros", place_of(input)));
    if (std::any_of(row.begin(), row.end(),
                    [](float value) { return !(std::abs(value) <= kLargest); }))
        return Error(ErrorCode::bad_format,
                     concat("the embedding has a value over ", kLargest, place_of(input)));
    const std::optional<std::vector<std::string>> labels = truth_.all_of(input);
    if (!labels)
        return Error(ErrorCode::not_found,
                     concat(truth_name_ == "folder"
                                ? "no truth: it lies in no folder that has a name"
                                : concat("no truth: ", truth_name_, " does not name it"),
                            place_of(input)));
    if (std::string strange; !take_classes(*labels, classes, strange))
        return Error(ErrorCode::not_found,
                     concat("no row of --train is of its class '", strange, "'", place_of(input)));
    return std::nullopt;
}

void Loader::load(const std::vector<std::string>& files, std::vector<std::uint32_t>& rows) {
    if (files.empty())
        return;
    InputSource source({.operands = files, .embeddings = true, .stop = &reporter_.stop()});
    Input input;
    std::vector<std::uint32_t> classes;
    while (source.next(input)) {
        const bool is_file = std::find(files.begin(), files.end(), input.name) != files.end();
        if (is_file && input.error) {
            const std::string reason = input.error->what();
            fail(input.error->code(), reason.starts_with(input.name)
                                          ? reason
                                          : concat("read features ", input.name, ": ", reason));
        }
        if (is_file && input.embedding.empty())
            fail(ErrorCode::invalid_argument, concat("read features ", input.name,
                                                     ": not an embedding file (clip-embed makes "
                                                     "them; want .h5 or .jsonl)"));
        if (const std::optional<Error> error = fault(input, classes)) {
            failures_.add(input, *error);
        } else {
            rows.push_back(static_cast<std::uint32_t>(items_.size()));
            items_.push_back(std::move(input.item));
            data_.classes.add(classes);
            data_.features.insert(data_.features.end(), input.embedding.begin(),
                                  input.embedding.end());
        }
        reporter_.progress(1, 0, std::nullopt);
    }
    failures_.flush();
    if (reporter_.stop().load())
        fail(ErrorCode::interrupted, "read features: interrupted");
    if (rows.empty())
        fail(ErrorCode::invalid_argument,
             concat("read features: ", files.front(),
                    files.size() > 1 ? " and others hold" : " holds", " no row that can be used (",
                    failures_.count(), " failed)"));
}

/// Puts classes into the order of their labels' bytes.
void Loader::close_classes() {
    closed_ = true;
    if (index_.size() < 2)
        fail(ErrorCode::invalid_argument,
             concat("fit a probe: the rows of --train are of one class only (",
                    index_.empty() ? "none" : concat("'", index_.begin()->first, "'"),
                    "), two are wanted"));
    std::vector<std::uint32_t> place(index_.size());
    for (auto& [label, first_seen] : index_) {
        place[first_seen] = static_cast<std::uint32_t>(data_.labels.size());
        first_seen = place[first_seen];
        data_.labels.push_back(label);
    }
    for (std::uint32_t& member : data_.classes.members)
        member = place[member];
    data_.classes.classes = data_.labels.size();
}

/// Warns where the same input is trained on and tested on.
void warn_of_leaks(const ProbeData& data, const std::vector<std::string>& items,
                   Reporter& reporter) {
    std::unordered_set<std::string_view> trained;
    for (const std::vector<std::uint32_t>* rows : {&data.train, &data.validation})
        for (const std::uint32_t row : *rows)
            if (!items[row].empty())
                trained.insert(items[row]);
    const auto both = std::count_if(data.test.begin(), data.test.end(), [&](std::uint32_t row) {
        return trained.contains(items[row]);
    });
    if (both > 0)
        reporter.warning("", concat(both, both == 1 ? " input" : " inputs",
                                    " of --test are in --train or --val, too"));
}

} // namespace

ProbeData load_probe_data(const ProbeFiles& files, bool several, FailureLog& failures,
                          Reporter& reporter) {
    Loader loader(files, several, failures, reporter);
    std::vector<std::uint32_t> train, validation, test;
    loader.load(files.train, train);
    loader.close_classes();
    loader.load(files.validation, validation);
    loader.load(files.test, test);
    reporter.progress_end();
    const std::vector<std::string> items = loader.items();
    ProbeData data = loader.finish();
    data.train = std::move(train);
    data.validation = std::move(validation);
    data.test = std::move(test);
    warn_of_leaks(data, items, reporter);
    if (data.layer != "penultimate")
        reporter.note(concat("features are of ",
                             data.layer.empty() ? "a layer that the files do not name"
                                                : "the layer " + data.layer,
                             "; the paper's probe is fitted on clip-embed --layer penultimate"));
    return data;
}

} // namespace clip::app
