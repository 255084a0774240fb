// SPDX-License-Identifier: MIT
#include "data/png_writer.hpp"

#include <csetjmp>
#include <cstring>
#include <new>
#include <utility>

#include <png.h>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip {

/// libpng's state. Its functions are called only from those below that hold nothing with a
/// destructor, since libpng leaves them by longjmp; bytes are handed on outside of them, since an
/// exception must not pass through C.
struct PngWriter::State {
    png_structp png = nullptr;
    png_infop info = nullptr;
    int width = 0, height = 0;
    PngPixels pixels = PngPixels::rgb;
    Sink sink;
    std::vector<std::uint8_t> pending;
    int rows_done = 0;
    char message[128] = {};

    ~State() { png_destroy_write_struct(&png, &info); }

    bool begin() noexcept;
    bool write(const std::uint8_t* row) noexcept;
    bool end() noexcept;
    void hand_on(bool ok);
};

namespace {

constexpr int kMaxSide = 1000000; // libpng's own limit

} // namespace

bool PngWriter::State::begin() noexcept {
    if (setjmp(png_jmpbuf(png)) != 0)
        return false;
    const auto collect = [](png_structp from, png_bytep bytes, std::size_t count) {
        auto* state = static_cast<State*>(png_get_io_ptr(from));
        try {
            state->pending.insert(state->pending.end(), bytes, bytes + count);
        } catch (const std::bad_alloc&) {
            state = nullptr;
        }
        if (state == nullptr)
            png_error(from, "no memory");
    };
    png_set_write_fn(png, this, collect, [](png_structp) {});
    png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), 8,
                 pixels == PngPixels::rgb ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGB_ALPHA,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    return true;
}

bool PngWriter::State::write(const std::uint8_t* row) noexcept {
    if (setjmp(png_jmpbuf(png)) != 0)
        return false;
    png_write_row(png, row);
    return true;
}

bool PngWriter::State::end() noexcept {
    if (setjmp(png_jmpbuf(png)) != 0)
        return false;
    png_write_end(png, info);
    return true;
}

void PngWriter::State::hand_on(bool ok) {
    if (!ok)
        fail(ErrorCode::io_failure, concat("write PNG: ", message));
    if (!pending.empty())
        sink(pending);
    pending.clear();
}

PngWriter::PngWriter(int width, int height, PngPixels pixels, Sink sink)
    : state_(std::make_unique<State>()) {
    if (width < 1 || height < 1 || width > kMaxSide || height > kMaxSide)
        fail(ErrorCode::invalid_argument, concat("write PNG: sides out of range (got ", width,
                                                 " x ", height, ", want 1 to ", kMaxSide, ")"));
    state_->width = width;
    state_->height = height;
    state_->pixels = pixels;
    state_->sink = std::move(sink);
    const auto on_error = [](png_structp png, png_const_charp message) {
        auto* state = static_cast<State*>(png_get_error_ptr(png));
        std::strncpy(state->message, message, sizeof state->message - 1);
        png_longjmp(png, 1);
    };
    state_->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, state_.get(), on_error,
                                          [](png_structp, png_const_charp) {});
    if (state_->png != nullptr)
        state_->info = png_create_info_struct(state_->png);
    if (state_->info == nullptr)
        fail(ErrorCode::out_of_memory, "write PNG: no memory for libpng");
    state_->hand_on(state_->begin());
}

PngWriter::~PngWriter() = default;

void PngWriter::write_rows(const std::uint8_t* rows, int count) {
    expect(count >= 0 && count <= state_->height - state_->rows_done,
           "write PNG: no more rows than its height");
    const std::size_t stride =
        static_cast<std::size_t>(state_->width) * (state_->pixels == PngPixels::rgb ? 3 : 4);
    for (int i = 0; i < count; ++i, ++state_->rows_done)
        state_->hand_on(state_->write(rows + static_cast<std::size_t>(i) * stride));
}

void PngWriter::finish() {
    expect(state_->rows_done == state_->height, "write PNG: as many rows as its height");
    state_->hand_on(state_->end());
}

std::vector<std::uint8_t> encode_png(int width, int height, PngPixels pixels,
                                     const std::uint8_t* rows) {
    std::vector<std::uint8_t> out;
    PngWriter writer(width, height, pixels, [&out](std::span<const std::uint8_t> bytes) {
        out.insert(out.end(), bytes.begin(), bytes.end());
    });
    writer.write_rows(rows, height);
    writer.finish();
    return out;
}

} // namespace clip
