// SPDX-License-Identifier: MIT
#include "app/rank_export.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/concat.hpp"
#include "io/faiss_index_writer.hpp"
#include "io/pgvector_writer.hpp"
#include "search/search_worker.hpp"

namespace clip::app {

namespace {

using Items = std::vector<io::EmbeddingReader::Item>;

std::unique_ptr<io::EngineWriter> make_writer(const RankOptions& options) {
    if (!options.export_faiss.empty())
        return std::make_unique<io::FaissIndexWriter>(options.export_faiss);
    return std::make_unique<io::PgvectorWriter>(options.export_pgvector);
}

class Exporter {
  public:
    Exporter(const RankOptions& options, const Candidates& candidates, Reporter& reporter)
        : candidates_(candidates), reporter_(reporter), writer_(make_writer(options)) {}

    void visit(const CandidateBlock& of, std::vector<BadRows>& bad) {
        const std::int64_t rows = of.rows.rows(), step = of.rows.block_rows();
        for (std::int64_t first = 0; first < rows && !reporter_.stop().load(); first += step) {
            const std::int64_t count = std::min(step, rows - first);
            // Rows of other inputs are counted as they come in.
            const bool of_file = of.file != nullptr;
            if (block_.load(*worker_.backend, of.rows, first, count, of.first_ordinal, bad))
                of_file ? write_file_rows(of, first, bad) : write_inputs(of, first, bad);
            if (of_file)
                reporter_.progress(static_cast<std::uint64_t>(count), 0, candidates_.total());
        }
    }

    std::uint64_t rows() const { return writer_->rows(); }
    void commit() { writer_->commit(); }

  private:
    /// Row `row` of the block at length 1.
    std::span<const float> unit_row(std::int64_t row) {
        const ConstView view = block_.row(row);
        unit_.resize(static_cast<std::size_t>(view.shape.back()));
        convert_to_f32(unit_.data(), view.data, view.dtype, unit_.size());
        for (float& value : unit_)
            value = static_cast<float>(static_cast<double>(value) / block_.norm(row));
        return unit_;
    }

    void write_inputs(const CandidateBlock& of, std::int64_t first, std::vector<BadRows>& bad) {
        for (std::int64_t row = 0; row < block_.rows(); ++row) {
            const Input& input = of.inputs[static_cast<std::size_t>(first + row)];
            add(row, of.first_ordinal + static_cast<std::uint64_t>(first + row), bad, [&] {
                return io::EngineRow{.item = input.item,
                                     .has_item = input.has_item,
                                     .is_text = input.is_text,
                                     .extra = input.extra,
                                     .values = {}};
            });
        }
    }

    void write_file_rows(const CandidateBlock& of, std::int64_t first, std::vector<BadRows>& bad) {
        Items items;
        bool singly = false; // an item of the block is broken: others can be read one by one
        try {
            items = of.file->read_items(first, block_.rows());
        } catch (const Error& error) {
            if (error.code() != ErrorCode::bad_format) {
                bad.push_back({of.first_ordinal + static_cast<std::uint64_t>(first),
                               static_cast<std::uint64_t>(block_.rows()), error});
                return;
            }
            singly = true;
        }
        std::string extra;
        for (std::int64_t row = 0; row < block_.rows(); ++row)
            add(row, of.first_ordinal + static_cast<std::uint64_t>(first + row), bad, [&] {
                if (singly)
                    items = of.file->read_items(first + row, 1);
                const auto& item = items[singly ? 0 : static_cast<std::size_t>(row)];
                extra = candidates_.carried(item);
                return io::EngineRow{
                    .item = item.item, .is_text = item.is_text, .extra = extra, .values = {}};
            });
    }

    /// Writes a row of the block; `describe` says what it is of.
    template <typename Describe>
    void add(std::int64_t row, std::uint64_t ordinal, std::vector<BadRows>& bad,
             const Describe& describe) {
        if (block_.is_bad(row))
            return; // load() has said so
        io::EngineRow out;
        try {
            out = describe();
        } catch (const Error& error) {
            bad.push_back({ordinal, 1, error});
            return;
        }
        out.values = unit_row(row);
        try {
            writer_->add(out);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::bad_format)
                throw; // the output, not this row
            bad.push_back({ordinal, 1, error});
        }
    }

    const Candidates& candidates_;
    Reporter& reporter_;
    std::unique_ptr<io::EngineWriter> writer_;
    SearchWorker worker_;
    RowBlock block_;
    std::vector<float> unit_;
};

} // namespace

void export_candidates(const RankOptions& options, Candidates& candidates, EmbeddingSpace& space,
                       Reporter& reporter) {
    Exporter exporter(options, candidates, reporter);
    candidates.for_each(
        [&](const CandidateBlock& block, std::vector<BadRows>& bad, std::vector<std::uint64_t>&) {
            expect(block.rows.width() == space.dim(), "export: a row of another width");
            exporter.visit(block, bad);
        });
    if (reporter.stop().load())
        return;
    if (exporter.rows() == 0)
        fail(ErrorCode::bad_format,
             candidates.count() == 0
                 ? "export: there is no candidate"
                 : concat("export: none of ", candidates.count(), " candidates can be used"));
    exporter.commit();
}

} // namespace clip::app
