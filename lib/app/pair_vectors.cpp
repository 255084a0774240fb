// SPDX-License-Identifier: MIT
#include "app/pair_vectors.hpp"

#include <algorithm>
#include <utility>

#include "app/classifier_file.hpp"
#include "app/classifier_source.hpp"
#include "app/embedding_settings.hpp"
#include "app/input_source.hpp"
#include "base/concat.hpp"

namespace clip::app {

namespace {

Input input_of(const std::string& item, bool is_text, std::size_t position) {
    Input input;
    input.item = item;
    input.is_text = is_text;
    input.name = is_text ? quoted_beginning(item) : item;
    input.position = position;
    return input;
}

void check_stop(const Reporter& reporter) {
    if (reporter.stop().load())
        fail(ErrorCode::interrupted, "evaluate: interrupted");
}

void append(VectorTable& table, std::uint32_t name, const std::vector<float>& vector) {
    table.rows[name] = static_cast<std::int64_t>(table.values.size() / vector.size());
    table.values.insert(table.values.end(), vector.begin(), vector.end());
}

void encode_side(const NameList& names, bool texts, VectorTable& table, Encoder& encoder,
                 std::size_t batch_size, std::size_t position, std::size_t total,
                 FailureLog& failures, Reporter& reporter) {
    table.rows.assign(names.size(), VectorTable::kFailed);
    const std::size_t size = batch_size > 0 ? batch_size : encoder.batch_size(texts);
    std::vector<Input> batch, next;
    const auto gather = [&](std::size_t first, std::vector<Input>& out) {
        out.clear();
        for (std::size_t i = first; i < std::min(first + size, names.size()); ++i)
            out.push_back(input_of(names[i], texts, position + i + 1));
    };
    gather(0, batch);
    std::vector<Encoded> encoded;
    for (std::size_t first = 0; first < names.size(); first += size) {
        check_stop(reporter);
        gather(first + size, next);
        read_ahead(next);
        std::vector<const Input*> inputs;
        for (const Input& input : batch)
            inputs.push_back(&input);
        encoder.encode(inputs, encoded);
        for (std::size_t i = 0; i < batch.size(); ++i)
            if (encoded[i].error)
                failures.add(batch[i], *encoded[i].error);
            else
                append(table, static_cast<std::uint32_t>(first + i), encoded[i].values);
        failures.flush();
        reporter.progress(batch.size(), 0, total);
        batch.swap(next);
    }
}

/// Takes rows of embedding files.
class VectorReader {
  public:
    VectorReader(PairList& list, bool own_pairs, FailureLog& failures, Reporter& reporter)
        : list_(list), own_pairs_(own_pairs), failures_(failures), reporter_(reporter),
          settings_(ComparedSettings::computing, reporter) {
        fit_tables();
    }

    void take(Input& input);
    /// Names what is left without a vector.
    PairVectors finish();

  private:
    void fit_tables() {
        out_.pictures.rows.resize(list_.pictures.size(), VectorTable::kMissing);
        out_.captions.rows.resize(list_.captions.size(), VectorTable::kMissing);
    }
    void check_origin(const Input& input);
    std::optional<std::uint32_t> name_of(const Input& input);
    std::optional<Error> fault(const Input& input) const;
    void name_missing(const NameList& names, bool texts, const VectorTable& table);

    PairList& list_;
    bool own_pairs_;
    FailureLog& failures_;
    Reporter& reporter_;
    EmbeddingSettings settings_;
    PairVectors out_;
    std::string first_;
    bool warned_ = false;
    std::uint64_t unnamed_ = 0;
};

void VectorReader::check_origin(const Input& input) {
    const std::string& where = input.file.empty() ? input.name : input.file;
    if (first_.empty())
        first_ = where;
    if (const std::string layer = other_layer(input.settings); !layer.empty())
        fail(ErrorCode::version_mismatch,
             concat("read embeddings ", where, ": they are of the layer ", layer,
                    " (want projected)"));
    if (input.model.empty()) {
        if (!std::exchange(warned_, true))
            reporter_.warning(input.name, "the embedding does not say of which model it is");
        return;
    }
    if (out_.model.empty())
        out_.model = input.model;
    if (input.model != out_.model)
        fail_models(where, input.model, first_, out_.model);
    settings_.meet(where, input.settings);
}

/// The index of the input's name; nothing for a row that takes no part.
std::optional<std::uint32_t> VectorReader::name_of(const Input& input) {
    if (own_pairs_ && input.is_text) {
        std::string path = carried_path(input.extra);
        if (path.empty())
            fail(ErrorCode::bad_format,
                 "the caption's row does not name a picture (no key path, and no --pairs)");
        list_.add(std::move(path), input.item);
        fit_tables();
    }
    if (own_pairs_ && !input.is_text) {
        const std::uint32_t index = list_.pictures.add(input.item);
        fit_tables();
        return index;
    }
    return input.is_text ? list_.captions.find(input.item) : list_.pictures.find(input.item);
}

std::optional<Error> VectorReader::fault(const Input& input) const {
    const std::vector<float>& row = input.embedding;
    if (out_.dim != 0 && row.size() != out_.dim)
        return Error(ErrorCode::shape_mismatch,
                     concat("the embedding has ", row.size(), " values, those before it have ",
                            out_.dim, place_of(input)));
    if (std::all_of(row.begin(), row.end(), [](float value) { return value == 0; }))
        return Error(ErrorCode::bad_format, concat("the embedding is all zeros", place_of(input)));
    return std::nullopt;
}

void VectorReader::take(Input& input) {
    if (!input.error && input.embedding.empty())
        input.error.emplace(ErrorCode::bad_format, "no embedding; where embedding files are given, "
                                                   "nothing is encoded");
    if (!input.error)
        check_origin(input);
    std::optional<std::uint32_t> name;
    try {
        if (!input.error && input.has_item)
            name = name_of(input);
    } catch (const Error& error) {
        input.error = error;
    }
    if (input.error) {
        failures_.add(input, *input.error);
        return;
    }
    if (!name) {
        ++unnamed_;
        return;
    }
    VectorTable& table = input.is_text ? out_.captions : out_.pictures;
    if (table.rows[*name] >= 0)
        return; // the first one counts
    if (const std::optional<Error> error = fault(input)) {
        failures_.add(input, *error);
        table.rows[*name] = VectorTable::kFailed;
        return;
    }
    out_.dim = input.embedding.size();
    append(table, *name, input.embedding);
}

void VectorReader::name_missing(const NameList& names, bool texts, const VectorTable& table) {
    for (std::size_t i = 0; i < names.size(); ++i)
        if (table.rows[i] == VectorTable::kMissing)
            failures_.add(input_of(names[i], texts, 0),
                          Error(ErrorCode::not_found, "no row of the embedding files is of it"));
}

PairVectors VectorReader::finish() {
    name_missing(list_.pictures, false, out_.pictures);
    name_missing(list_.captions, true, out_.captions);
    if (unnamed_ > 0)
        reporter_.note(
            concat(unnamed_, unnamed_ == 1 ? " row is" : " rows are", " of no pair and left out"));
    return std::move(out_);
}

} // namespace

PairVectors encode_pairs(const PairList& list, LazyModel& model, std::size_t batch_size,
                         FailureLog& failures, Reporter& reporter) {
    Encoder& encoder = model.encoder();
    PairVectors out{.model = model.session().model().id(),
                    .dim = static_cast<std::size_t>(encoder.dim(false))};
    const std::size_t total = list.pictures.size() + list.captions.size();
    encode_side(list.pictures, false, out.pictures, encoder, batch_size, 0, total, failures,
                reporter);
    encode_side(list.captions, true, out.captions, encoder, batch_size, list.pictures.size(), total,
                failures, reporter);
    reporter.progress_end();
    return out;
}

PairVectors read_pair_vectors(PairList& list, bool own_pairs, const std::vector<std::string>& files,
                              FailureLog& failures, Reporter& reporter) {
    VectorReader reader(list, own_pairs, failures, reporter);
    InputSource source({.operands = files, .embeddings = true, .stop = &reporter.stop()});
    Input input;
    while (source.next(input)) {
        reader.take(input);
        reporter.progress(1, 0, std::nullopt);
    }
    reporter.progress_end();
    check_stop(reporter);
    return reader.finish();
}

} // namespace clip::app
